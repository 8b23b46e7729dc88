"""Knot DNS: authoritative, from a zone file; also the upstream of everybody who forwards."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from attrs import frozen

from benchmarks import site
from benchmarks.servers.server import Server, World
from tools import peers
from tools.knot import knot_configuration

#: It reads a zone once and writes nothing.
_KEYS = {"zonefile-sync": "-1", "zonefile-load": "whole", "journal-content": "none"}


@frozen
class Knot(Server):
    name: ClassVar[str] = "knot"
    program: ClassVar[str] = "knotd"
    speaks_tls: ClassVar[bool] = False

    def prepare(self, folder: Path, port: int, tls_port: int, world: World) -> list[str]:
        signed = {} if world.upstream else {site.SIGNED: site.write_signed_zone(folder)}
        (folder / "knot.conf").write_text(knot_configuration(folder, port, world.zones, _KEYS, signed))
        return [peers.find(self.program), "--config", str(folder / "knot.conf")]
