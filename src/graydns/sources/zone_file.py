"""What reading the files of one zone gave, and its way from one process to another, or to the history.

::

    parse_zone: ZoneFileParser → RecordCollector → check_zone_records
    write_parsed_zone ──► a line of JSON, then for each name its length u8, its row's length u32, name and row
    read_parsed_zone  ──► authority.zone_data.build_zone
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

from graydns.authority.zone_data import Zone
from graydns.model.errors import ConfigIssue
from graydns.model.name import to_text
from graydns.sources.zone_checks import check_zone_records
from graydns.sources.zone_input import LineLocation
from graydns.sources.zone_parser import MAX_ZONE_ISSUES, TooManyIssuesError, ZoneFileParser

_ROW_SIZES = Struct(">BI")


@frozen(eq=False)
class ParsedZone:
    """*rows*: *count* times (name, row), to be taken once. *digest*: BLAKE2b-256 of all that was read from *files*."""

    origin: bytes
    rows: Iterable[tuple[bytes, bytes]] = field(repr=False)
    count: int
    digest: bytes
    files: tuple[Path, ...]
    issues: tuple[ConfigIssue, ...] = ()
    warnings: tuple[str, ...] = ()


def parse_zone(path: Path, origin: bytes, folder: Path) -> ParsedZone:
    """Read the zone *origin* from *path* and what it includes, all below *folder*."""
    reader = ZoneFileParser(origin, folder)
    collector = reader.collector
    try:
        reader.read(path.absolute(), LineLocation(str(path), 0))
    except TooManyIssuesError:
        return ParsedZone(origin, (), 0, b"", tuple(reader.files), tuple(reader.issues), tuple(collector.warnings))
    checks = chain(collector.merge_rows(), check_zone_records(origin, collector, str(path)))
    reader.issues += islice(checks, MAX_ZONE_ISSUES)
    digest = blake2b(b"".join(reader.files.values()), digest_size=32).digest()
    rows, files = collector.rows, tuple(reader.files)
    return ParsedZone(origin, rows.items(), len(rows), digest, files, tuple(reader.issues), tuple(collector.warnings))


def write_parsed_zone(parsed: ParsedZone, out: BinaryIO) -> None:
    """Send *parsed* to another process; of one with faults no rows."""
    head = {
        "origin": parsed.origin.hex(),
        "count": parsed.count,
        "digest": parsed.digest.hex(),
        "files": [str(file) for file in parsed.files],
        "faults": [[fault.path, fault.found, fault.expected, fault.file, fault.line] for fault in parsed.issues],
        "warnings": parsed.warnings,
    }
    out.write(json.dumps(head).encode() + b"\n")
    for name, row in () if parsed.issues else parsed.rows:
        out.write(_ROW_SIZES.pack(len(name), len(row)) + name + row)


def read_parsed_zone(source: BinaryIO) -> ParsedZone:
    """What :func:`write_parsed_zone` sent; the rows are read as they are taken."""
    head = json.loads(source.readline())
    faults = (ConfigIssue(tuple(path), *rest) for path, *rest in head["faults"])
    files = tuple(map(Path, head["files"]))
    digest = bytes.fromhex(head["digest"])
    origin = bytes.fromhex(head["origin"])
    return ParsedZone(
        origin, _iterate_rows(source), head["count"], digest, files, tuple(faults), tuple(head["warnings"])
    )


def _iterate_rows(source: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    while sizes := source.read(_ROW_SIZES.size):
        name_size, row_size = _ROW_SIZES.unpack(sizes)
        yield source.read(name_size), source.read(row_size)


@frozen(eq=False)
class LoadedZone:
    """A zone with what its reload needs to know.

    *digest*: BLAKE2b-256 of all that was read. *files*: what was read, resolved. *warnings*: for the operator.
    """

    zone: Zone
    digest: bytes
    files: tuple[Path, ...]
    warnings: tuple[str, ...] = ()


def check_serial(before: LoadedZone, after: LoadedZone) -> str | None:
    """A warning if the zone changed and its serial did not, by which secondaries notice changes."""
    if before.digest == after.digest or before.zone.serial != after.zone.serial:
        return None
    return f"{to_text(after.zone.origin)}: changed, but its serial is still {after.zone.serial}"
