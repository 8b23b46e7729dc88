"""Parsed: what reading the files of one zone gave, and its way from a child process to the parent.

The stream: a line of JSON, then for each name its length u8, its row's length u32, name and row.

Zone files: from a path to a Zone.

::

    load      blocking: small files here, large ones in a child process
      zonechild → parsed.parse → master.ZoneReader → collector.Collector → zonechecks
      parsed.read → authority.zone.build

The child process that reads one zone: ``python -P -m graydns.sources.zone_file FILE ORIGIN FOLDER > ROWS``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterable, Iterator
from hashlib import blake2b
from itertools import chain, islice
from pathlib import Path
from struct import Struct
from typing import BinaryIO

from attrs import field, frozen

from graydns.authority.zone_data import Zone, build_zone
from graydns.model.errors import ConfigError, ConfigIssue
from graydns.model.name import from_text, to_text
from graydns.runtime.steps import run_steps
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


#: Octets from which a file is read in a child process, whose memory goes back to the system at its end.
MIN_CHILD_PROCESS_BYTES = 1 << 20


@frozen(eq=False)
class LoadedZone:
    """A zone with what its reload needs to know.

    *digest*: BLAKE2b-256 of all that was read. *files*: what was read, resolved. *warnings*: for the operator.
    """

    zone: Zone
    digest: bytes
    files: tuple[Path, ...]
    warnings: tuple[str, ...] = ()


def load_zone_file(path: Path, origin: bytes, folder: Path) -> LoadedZone:
    """The zone *origin*, from *path* and what that includes, all below *folder*. Raises ConfigError with all faults."""
    try:
        large = path.stat().st_size > MIN_CHILD_PROCESS_BYTES
    except OSError as error:
        raise _make_unreadable_error(path, error.strerror or str(error)) from None
    if not large:
        return run_steps(_build_loaded(parse_zone(path, origin, folder)))
    with tempfile.TemporaryFile() as rows:
        child = subprocess.run(child_command(path, origin, folder), stdout=rows, stderr=subprocess.PIPE, check=False)
        if child.returncode != 0:
            raise _make_unreadable_error(path, _last_stderr_line(child.stderr))
        return run_steps(_load_received(rows))


def check_serial(before: LoadedZone, after: LoadedZone) -> str | None:
    """A warning if the zone changed and its serial did not, by which secondaries notice changes."""
    if before.digest == after.digest or before.zone.serial != after.zone.serial:
        return None
    return f"{to_text(after.zone.origin)}: changed, but its serial is still {after.zone.serial}"


def _load_received(rows: BinaryIO) -> Generator[None, None, LoadedZone]:
    """What a child wrote into *rows*."""
    rows.seek(0)
    return _build_loaded(read_parsed_zone(rows))


def _build_loaded(parsed: ParsedZone) -> Generator[None, None, LoadedZone]:
    """Build the zone in steps. Raises ConfigError."""
    if parsed.issues:
        raise ConfigError(parsed.issues)
    zone = yield from build_zone(parsed.origin, parsed.rows, count=parsed.count)
    return LoadedZone(zone, parsed.digest, parsed.files, parsed.warnings)


def _last_stderr_line(stderr: bytes) -> str:
    lines = stderr.decode(errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "no word from the reading process")


def _make_unreadable_error(path: Path, why: str) -> ConfigError:
    return ConfigError([ConfigIssue((), why, "a readable zone file", str(path))])


def child_command(path: Path, origin: bytes, folder: Path) -> list[str]:
    """The command line that reads *origin* from *path*. ``-P``: the working folder holds no modules of ours."""
    return [sys.executable, "-P", "-m", __name__, str(path), to_text(origin), str(folder)]


def main() -> None:
    """Read the zone that the command line names and write it to standard output."""
    path, origin, folder = sys.argv[1:]
    write_parsed_zone(parse_zone(Path(path), from_text(origin), Path(folder)), sys.stdout.buffer)


if __name__ == "__main__":
    main()
