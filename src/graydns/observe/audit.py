"""The audit log: one JSON object a line, each with the hash of the line before it, each on the disk before it counts.

Whoever alters or takes out a line breaks the chain there. Lines cut off at the end break nothing, so a copy elsewhere,
or the number of the last line, is what tells of those.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import Any

from twisted.logger import Logger

#: The hash before the first line.
NOTHING = "0" * 32

#: Octets read at a time from the end of the file.
_BLOCK = 65_536


def digest(line: bytes) -> str:
    """BLAKE2b-128 of a line without its newline, as 32 hexadecimal digits."""
    return blake2b(line, digest_size=16).hexdigest()


class AuditLog:
    """Writes to *path*; *wall*: Unix seconds. Safe to call from any thread, and it waits for the disk.

    *failures*: lines that could not be written. Raises OSError if the file cannot be opened.
    """

    _log = Logger()

    def __init__(self, path: Path, wall: Callable[[], float]) -> None:
        self.path = path
        self.failures = 0
        self._wall = wall
        self._lock = Lock()
        fresh = not path.exists()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if fresh:
            _sync_folder(path.parent)
        self._cut_torn_line()
        last = next(self._backwards(), b"")
        number = _read(last).get("number")
        self._number = number if isinstance(number, int) else 0
        self._before = digest(last) if last else NOTHING

    def write(
        self, actor: str, action: str, target: str, before: Any, after: Any, origin: str, tenant: str | None
    ) -> None:
        """Add a line. Raises OSError if it is not on the disk, and then nothing is added."""
        with self._lock:
            line = self._line(actor, action, target, before, after, origin, tenant)
            size = os.fstat(self._file).st_size
            try:
                if os.write(self._file, line + b"\n") <= len(line):
                    raise OSError(28, "no space left for a whole line")
                os.fsync(self._file)
            except OSError:
                self.failures += 1
                os.ftruncate(self._file, size)
                raise
            self._number += 1
            self._before = digest(line)

    def tail(self, last: int, tenant: str | None = None) -> list[dict[str, Any]]:
        """The *last* lines, oldest first; with *tenant* those of that tenant only."""
        found: list[dict[str, Any]] = []
        for line in self._backwards():
            if len(found) >= last:
                break
            record = _read(line)
            if tenant is None or record.get("tenant") == tenant:
                found.append(record)
        return found[::-1]

    def verify(self) -> dict[str, int | bool | None]:
        """``lines``: how many there are; ``ok``; ``first_bad``: the first (from 1) that is not as it was written."""
        count, first_bad, before = 0, None, NOTHING
        with self.path.open("rb") as file:
            for count, line in enumerate(file, 1):
                record = _read(line.rstrip(b"\n"))
                whole = line.endswith(b"\n") and record.get("number") == count and record.get("previous") == before
                if not whole and first_bad is None:
                    first_bad = count
                before = digest(line.rstrip(b"\n"))
        return {"lines": count, "ok": first_bad is None, "first_bad": first_bad}

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

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

    def _backwards(self) -> Iterator[bytes]:
        """The lines, the last one first, without their newlines."""
        position, rest = os.fstat(self._file).st_size, b""
        while position:
            start = max(0, position - _BLOCK)
            rest = os.pread(self._file, position - start, start) + rest
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


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
