"""Parsed: what reading the files of one zone gave, and its way from a child process to the parent.

The stream: a line of JSON, then for each name its length u8, its row's length u32, name and row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import chain, islice
from pathlib import Path
from struct import Struct
from typing import BinaryIO

from attrs import field, frozen

from graydns.model.errors import ConfigIssue
from graydns.sources.lines import Place
from graydns.sources.master import MOST_FAULTS, TooManyFaults, ZoneReader
from graydns.sources.zonechecks import check_records

_SIZES = Struct(">BI")


@frozen(eq=False)
class Parsed:
    """*rows*: *count* times (name, row), to be taken once. *digest*: BLAKE2b-256 of all that was read from *files*."""

    origin: bytes
    rows: Iterable[tuple[bytes, bytes]] = field(repr=False)
    count: int
    digest: bytes
    files: tuple[Path, ...]
    faults: tuple[ConfigIssue, ...] = ()
    warnings: tuple[str, ...] = ()


def parse(path: Path, origin: bytes, folder: Path) -> Parsed:
    """Read the zone *origin* from *path* and what it includes, all below *folder*."""
    reader = ZoneReader(origin, folder)
    collector = reader.collector
    try:
        reader.read(path.absolute(), Place(str(path), 0))
    except TooManyFaults:
        return Parsed(origin, (), 0, b"", tuple(reader.files), tuple(reader.faults), tuple(collector.warnings))
    checks = chain(collector.settle(), check_records(origin, collector, str(path)))
    reader.faults += islice(checks, MOST_FAULTS)
    digest = blake2b(b"".join(reader.files.values()), digest_size=32).digest()
    rows, files = collector.rows, tuple(reader.files)
    return Parsed(origin, rows.items(), len(rows), digest, files, tuple(reader.faults), tuple(collector.warnings))


def write(parsed: Parsed, out: BinaryIO) -> None:
    """Send *parsed* to another process; of one with faults no rows."""
    head = {
        "origin": parsed.origin.hex(),
        "count": parsed.count,
        "digest": parsed.digest.hex(),
        "files": [str(file) for file in parsed.files],
        "faults": [[fault.path, fault.found, fault.expected, fault.file, fault.line] for fault in parsed.faults],
        "warnings": parsed.warnings,
    }
    out.write(json.dumps(head).encode() + b"\n")
    for name, row in () if parsed.faults else parsed.rows:
        out.write(_SIZES.pack(len(name), len(row)) + name + row)


def read(source: BinaryIO) -> Parsed:
    """What :func:`write` sent; the rows are read as they are taken."""
    head = json.loads(source.readline())
    faults = (ConfigIssue(tuple(path), *rest) for path, *rest in head["faults"])
    files = tuple(map(Path, head["files"]))
    digest = bytes.fromhex(head["digest"])
    origin = bytes.fromhex(head["origin"])
    return Parsed(origin, _rows(source), head["count"], digest, files, tuple(faults), tuple(head["warnings"]))


def _rows(source: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    while sizes := source.read(_SIZES.size):
        name_size, row_size = _SIZES.unpack(sizes)
        yield source.read(name_size), source.read(row_size)
