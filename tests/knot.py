"""What a knotd of a test's own is told."""

from __future__ import annotations

from pathlib import Path


def knot_configuration(folder: Path | str, port: int | str, zone: str, file: Path | str, more: str = "") -> str:
    """One worker of each kind, at *port* of 127.0.0.1, with *file* as *zone*; *more*: other keys of the zone."""
    return f"""\
server:
    listen: 127.0.0.1@{port}
    rundir: "{folder}"
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "{folder}"
log:
  - target: stderr
    any: warning
zone:
  - domain: {zone}
    file: "{file}"
{more}"""
