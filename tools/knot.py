"""Configuration of a knotd for tests and benchmarks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_SIGNED = {"dnssec-signing": "on", "dnssec-policy": "p256"}


def knot_configuration(
    folder: Path | str,
    port: int | str,
    zones: Mapping[str, Path | str],
    keys: Mapping[str, str] | None = None,
    signed: Mapping[str, Path | str] | None = None,
) -> str:
    """One worker of each kind, at *port* of 127.0.0.1, with *zones*: file by name; *keys*: more that each has.

    *signed*: zones that it signs, with one ECDSA P-256 key each and NSEC.
    """
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
policy:
  - id: p256
    algorithm: ecdsap256sha256
    single-type-signing: on
zone:
""" + "".join(
        _zone({"domain": zone, "file": f'"{file}"', **(keys or {}), **more})
        for part, more in ((zones, {}), (signed or {}, _SIGNED))
        for zone, file in part.items()
    )


def _zone(keys: Mapping[str, str]) -> str:
    return "  - " + "    ".join(f"{key}: {value}\n" for key, value in keys.items())
