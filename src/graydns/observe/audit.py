"""The audit log: one JSON object a line, each with the hash of the line before it, each on the disk before it counts.

::

    audit.log.0000000001    full; named for the number of its first line
    audit.log.0000000714    full; its first line has the hash of the last one of the file before
    audit.log               being written

Whoever alters or takes out a line breaks the chain there. Lines cut off at the end break nothing, so a copy elsewhere,
or the number of the last line, is what tells of those.

A full file is put aside in one renaming, after which the log is whole without an ``audit.log``, too: a crash at any
moment loses nothing, and the next start goes on from the last line, in whichever file that is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

from attrs import frozen
from twisted.logger import Logger

#: The hash before the first line.
NOTHING = "0" * 32

#: Octets read at a time from the end of the file.
_BLOCK = 65_536


def digest(line: bytes) -> str:
    """BLAKE2b-128 of a line without its newline, as 32 hexadecimal digits."""
    return blake2b(line, digest_size=16).hexdigest()


@frozen
class Bounds:
    """*size*: octets from which a file is full; *keep*: full files that are kept."""

    size: int
    keep: int


@frozen
class Part:
    """One file: the number of its *first* line, and its first *size* octets."""

    first: int
    file: BinaryIO
    size: int


class AuditLog:
    """Writes to *path*; *wall*: Unix seconds; *bounds*: as they are now. Safe to call from any thread, and it waits for
    the disk.

    *failures*: lines that could not be written. Raises OSError if the file cannot be opened.
    """

    _log = Logger()

    def __init__(self, path: Path, wall: Callable[[], float], bounds: Callable[[], Bounds]) -> None:
        self.path = path
        self.failures = 0
        self._wall = wall
        self._bounds = bounds
        self._lock = Lock()
        self._file = self._open()
        self._cut_torn_line()
        with self._parts() as parts:
            last = next(_backwards(parts), b"")
            first = parts[-1].file.readline().rstrip(b"\n")
        self._number = _number_of(last) or 0
        self._first = _number_of(first) or self._number + 1
        self._before = digest(last) if last else NOTHING
        self._tidy()

    def write(
        self, actor: str, action: str, target: str, before: Any, after: Any, origin: str, tenant: str | None
    ) -> None:
        """Add a line. Raises OSError if it is not on the disk, and then nothing is added."""
        with self._lock:
            line = self._line(actor, action, target, before, after, origin, tenant)
            try:
                self._make_room(len(line) + 1)
                self._append(line)
            except OSError:
                self.failures += 1
                raise
            self._number += 1
            self._before = digest(line)

    def tail(self, last: int, tenant: str | None = None) -> list[dict[str, Any]]:
        """The *last* lines, oldest first; with *tenant* those of that tenant only."""
        found: list[dict[str, Any]] = []
        with self._parts() as parts:
            for line in _backwards(parts):
                if len(found) >= last:
                    break
                record = _read(line)
                if tenant is None or record.get("tenant") == tenant:
                    found.append(record)
        return found[::-1]

    def verify(self) -> dict[str, int | bool | None]:
        """``first``: the number of the oldest line that is kept; ``lines``: how many there are; ``ok``; ``first_bad``:
        the number that the first line has, or should have, that is not as it was written.
        """
        count, first_bad, before = 0, None, NOTHING
        with self._parts() as parts:
            first = parts[0].first
            for at, line in enumerate(_forwards(parts), first):
                count += 1
                record = _read(line.rstrip(b"\n"))
                follows = record.get("previous") == before or (at == first > 1)
                if first_bad is None and not (line.endswith(b"\n") and record.get("number") == at and follows):
                    first_bad = at
                before = digest(line.rstrip(b"\n"))
        return {"first": first, "lines": count, "ok": first_bad is None, "first_bad": first_bad}

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _open(self) -> int:
        fresh = not self.path.exists()
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if fresh:
            _sync_folder(self.path.parent)
        return file

    def _append(self, line: bytes) -> None:
        size = os.fstat(self._file).st_size
        try:
            if os.write(self._file, line + b"\n") <= len(line):
                raise OSError(28, "no space left for a whole line")
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, size)
            raise

    def _make_room(self, octets: int) -> None:
        """Put the file aside if it is full. Raises OSError, and then it stays where it was."""
        size = os.fstat(self._file).st_size
        if not size or size + octets <= self._bounds().size:
            return
        taken = max((number for number, _ in self._aside()), default=0)
        aside = self.path.with_name(f"{self.path.name}.{max(self._first, taken + 1):010}")
        os.rename(self.path, aside)
        try:
            fresh = self._open()
        except OSError:
            os.rename(aside, self.path)
            raise
        os.close(self._file)
        self._file = fresh
        self._first = self._number + 1
        self._tidy()

    def _aside(self) -> list[tuple[int, Path]]:
        """The full files, oldest first, each with the number of its first line."""
        named = ((path.name.removeprefix(f"{self.path.name}."), path) for path in self.path.parent.iterdir())
        return sorted((int(number), path) for number, path in named if number.isascii() and number.isdecimal())

    def _tidy(self) -> None:
        """Remove full files past those that are kept. What cannot be removed stays, and nothing is the worse for it."""
        for _, path in self._aside()[: -self._bounds().keep]:
            with suppress(OSError):
                path.unlink()

    @contextmanager
    def _parts(self) -> Iterator[Sequence[Part]]:
        """All files as they are at one moment, oldest first; never none."""
        with ExitStack() as stack:
            with self._lock:
                files = [(first, stack.enter_context(path.open("rb"))) for first, path in self._aside()]
                files.append((1, stack.enter_context(self.path.open("rb"))))
                parts = [Part(first, file, os.fstat(file.fileno()).st_size) for first, file in files]
            yield parts

    def _line(self, actor: str, action: str, target: str, before: Any, after: Any, origin: str, tenant: Any) -> bytes:
        now = datetime.fromtimestamp(self._wall(), UTC)
        record = {
            "number": self._number + 1,
            "at": now.isoformat(timespec="milliseconds"),
            "actor": actor,
            "origin": origin,
            "tenant": tenant,
            "action": action,
            "target": target,
            "before": before,
            "after": after,
            "previous": self._before,
        }
        # ASCII only: nothing in it can draw on a terminal.
        return json.dumps(record, separators=(",", ":"), default=str).encode("ascii")

    def _cut_torn_line(self) -> None:
        """Drop what a power failure left of a line that never counted."""
        size = os.fstat(self._file).st_size
        keep = size
        while keep:
            start = max(0, keep - _BLOCK)
            block = os.pread(self._file, keep - start, start)
            if (end := block.rfind(b"\n")) >= 0:
                keep = start + end + 1
                break
            keep = start
        if keep != size:
            self._log.warn("{path}: cut {octets} octets of an unfinished line", path=str(self.path), octets=size - keep)
            os.ftruncate(self._file, keep)
            os.fsync(self._file)


def _forwards(parts: Sequence[Part]) -> Iterator[bytes]:
    """The lines, each with its newline."""
    for part in parts:
        left = part.size
        while left and (line := part.file.readline(left)):
            left -= len(line)
            yield line


def _backwards(parts: Sequence[Part]) -> Iterator[bytes]:
    """The lines, the last one first, without their newlines."""
    for part in reversed(parts):
        position, rest = part.size, b""
        while position:
            start = max(0, position - _BLOCK)
            rest = os.pread(part.file.fileno(), position - start, start) + rest
            position = start
            first, *lines = rest.split(b"\n")
            yield from (line for line in reversed(lines) if line)
            rest = first
        if rest:
            yield rest


def _read(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    return record if isinstance(record, dict) else {"unreadable": line.decode("ascii", "backslashreplace")}


def _number_of(line: bytes) -> int | None:
    number = _read(line).get("number")
    return number if isinstance(number, int) else None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
