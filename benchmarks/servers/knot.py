"""Knot DNS: authoritative, from a zone file; also the upstream of everybody who forwards."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from attrs import frozen

from benchmarks.servers.server import HOST, Server, World
from tools import peers

_CONFIGURATION = """\
server:
    rundir: "{folder}"
    listen: {host}@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "{folder}"
log:
  - target: stderr
    any: warning
template:
  - id: default
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
zone:
"""

_ZONE = """\
  - domain: {zone}
    file: "{file}"
"""


@frozen
class Knot(Server):
    name: ClassVar[str] = "knot"
    program: ClassVar[str] = "knotd"
    speaks_tls: ClassVar[bool] = False

    def prepare(self, folder: Path, port: int, tls_port: int, world: World) -> list[str]:
        text = _CONFIGURATION.format(folder=folder, host=HOST, port=port)
        text += "".join(_ZONE.format(zone=zone, file=file) for zone, file in world.zones.items())
        (folder / "knot.conf").write_text(text)
        return [peers.find(self.program), "--config", str(folder / "knot.conf")]
