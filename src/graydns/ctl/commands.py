"""Every command of graydnsctl, for the command line and for the shell."""

from __future__ import annotations

from collections.abc import Iterable

import click

from graydns.ctl.asking import explain, trace, why
from graydns.ctl.audit import audit
from graydns.ctl.changing import cache, gray, history, reload
from graydns.ctl.check import check
from graydns.ctl.dnssec import dnssec, nta
from graydns.ctl.init import init
from graydns.ctl.looking import config, log, status, upstreams, whoami, zones
from graydns.ctl.passwd import passwd
from graydns.ctl.policies import policy
from graydns.ctl.service import service
from graydns.ctl.watching import watch

ALL: tuple[click.Command, ...] = (
    audit,
    cache,
    check,
    config,
    dnssec,
    explain,
    gray,
    history,
    init,
    log,
    nta,
    passwd,
    policy,
    reload,
    service,
    status,
    trace,
    upstreams,
    watch,
    whoami,
    why,
    zones,
)


def add_all(group: click.Group, commands: Iterable[click.Command] = ALL) -> None:
    """Make *commands* known to *group*."""
    for command in commands:
        group.add_command(command)
