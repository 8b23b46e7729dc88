"""The section ``audit:`` of graydns.yaml: where it is written down which answers were validated, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from attrs import frozen

from graydns.config.address import read_path
from graydns.config.scalar import Choice, Integer, Size

DROP, WAIT = "drop", "wait"


@frozen
class ClientPrefix:
    """How many bits of a client's address are written down."""

    ipv4: Annotated[int, Integer(0, 32)] = 32
    ipv6: Annotated[int, Integer(0, 128)] = 128


@frozen
class Audit:
    """The audit log of answers that were validated, changes being in it, too. *max_size*: octets from which a file is
    full; *keep*: full files that are kept. *on_full*: what happens to a line for which there is no room in memory."""

    file: Annotated[Path, read_path] = Path("var/audit.jsonl")
    max_size: Annotated[int, Size("64KiB", "1TiB")] = 256 << 20
    keep: Annotated[int, Integer(1, 10_000)] = 14
    on_full: Annotated[str, Choice((DROP, WAIT))] = DROP
    client_prefix: ClientPrefix = ClientPrefix()
