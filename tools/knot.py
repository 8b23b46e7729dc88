"""What a knotd of a test or of a measurement is told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def knot_configuration(
    folder: Path | str, port: int | str, zones: Mapping[str, Path | str], keys: Mapping[str, str] | None = None
) -> str:
    """One worker of each kind, at *port* of 127.0.0.1, with *zones*: file by name; *keys*: more that each has."""
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
""" + "".join(_zone({"domain": zone, "file": f'"{file}"', **(keys or {})}) for zone, file in zones.items())


def _zone(keys: Mapping[str, str]) -> str:
    return "  - " + "    ".join(f"{key}: {value}\n" for key, value in keys.items())
