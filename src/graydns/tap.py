"""The ``twistd graydns`` plugin: the command-line options, and the service that they describe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.python import usage

from graydns.assembly import make_graydns_service
from graydns.model.errors import ConfigError
from graydns.runtime.twisted_types import Service
from graydns.service import exit_with_issues


class Options(usage.Options):
    """Options of ``twistd graydns``."""

    synopsis = "[--config FILE]"
    longdesc = "A DNS server that decides, per client, which version of a service answers."
    optParameters = (("config", "c", "graydns.yaml", "Main configuration file."),)


def makeService(options: Any) -> Service:
    """The service for *options*. Prints every configuration issue and exits with status 1 if there is any."""
    from twisted.internet import reactor

    try:
        return make_graydns_service(Path(options["config"]), reactor)
    except ConfigError as error:
        exit_with_issues(error)
