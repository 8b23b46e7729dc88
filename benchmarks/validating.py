"""A validating graydns in front of a signed hierarchy of its own, for programs that attack it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from attrs import frozen

from benchmarks.servers.graydns import twistd
from tools.ports import free_ports
from tools.process import start
from tools.signed.hierarchy import SPECS, build
from tools.signed.judge import date
from tools.signed.served import is_up, serving
from tools.signed.spec import Spec

#: Noon of 2026-11-22: the time that the hierarchy is signed for.
NOW = 1795348800

_CONFIGURATION = """\
listen: ["udp://127.0.0.1:{port}"]
zones: null
admin: null
http: null
upstreams: {{signed: {{servers: ["udp://127.0.0.1:{upstream}"], deadline: 2s}}}}
forward: {{".": signed}}
limits: {{max_inflight_per_source: 2000}}
dnssec:
  validate: true
  validation_time: {date}
  trust_anchors: [{anchors}]
"""


@frozen
class Validating:
    """A running one: its *port* of 127.0.0.1 for UDP, and its *process*."""

    port: int
    process: int


def zones_named(*names: str) -> list[Spec]:
    """Those of the hierarchy's zones, the root and test. among them always."""
    return [each for each in SPECS if each.name in (".", "test.", *names)]


@contextmanager
def validating(specs: Sequence[Spec]) -> Iterator[Validating]:
    """graydns, and behind it named with the zones of *specs*."""
    with tempfile.TemporaryDirectory(prefix="graydns-signed-") as name, ExitStack() as held:
        folder, (port,) = Path(name), free_ports(1)
        zones = build(specs, NOW)
        anchors = ", ".join(f'"{line}"' for zone in zones for line in zone.anchors())
        upstream = held.enter_context(serving(zones, folder)).port
        configuration = folder / "graydns.yaml"
        configuration.write_text(_CONFIGURATION.format(port=port, upstream=upstream, date=date(NOW), anchors=anchors))
        process = start(twistd(configuration), folder)
        held.callback(process.stop)
        process.wait_until(partial(is_up, port), 60)
        yield Validating(port, process.pid)
