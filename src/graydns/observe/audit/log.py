"""The audit log: one JSON object a line, sealed (``seal``); a line of a change is on the disk before it counts.

A full file is put aside in one renaming, after which the log is whole without a file of its own name, too: a crash at
any moment loses nothing that was confirmed, and the next start goes on from the last line, in whichever file that is.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from attrs import frozen
from twisted.logger import Logger

from graydns.control.disk import sync_folder, write_durably
from graydns.observe.audit.files import BLOCK, backwards, full_files, opened
from graydns.observe.audit.heads import load_head, show_head
from graydns.observe.audit.seal import Head, Seal, head_of
from graydns.observe.audit.verify import LOST, verify

#: In lines of changes only: the quotes of texts are escaped.
_CHANGE = b'"action":'

#: Octets that a line has beside its fields, at most.
_AROUND = 200

_DAY = 86_400

#: Seconds that a check leaves to others after each slice of it: one interpreter runs both.
_PAUSE = 0.001


@frozen
class Bounds:
    """*size*: octets from which a file is full; *keep*: full files that are kept; *daily*: a file is full, too, when a
    day of UTC is over."""

    size: int
    keep: int
    daily: bool = False


class AuditLog:
    """Writes to *path*; *wall*: Unix seconds; *bounds*: as they are now. Safe to call from any thread, and it waits for
    the disk. *published*: the file of the Head (``heads``), against which the end of the log is held.

    *failures*: changes that could not be written down. Raises OSError if a file cannot be used, ValueError if that of
    the Head makes no sense.
    """

    _log = Logger()

    def __init__(
        self, path: Path, seal: Seal, wall: Callable[[], float], bounds: Callable[[], Bounds], published: Path
    ) -> None:
        self.path = path
        self.failures = 0
        self._seal = seal
        self._wall = wall
        self._bounds = bounds
        self._published = published
        self._lock = Lock()
        self._file = self._open()
        self._cut_torn_line()
        head = load_head(published)
        with opened(path) as parts:
            last = next((told for line in backwards(parts) if (told := head_of(line)) is not None), Head())
            first = head_of(parts[-1].file.readline().rstrip(b"\n"))
            lost = head is not None and not self._has(parts, head, last)
        self._last = last
        self._first = last.number + 1 if first is None else first.number
        self._begun = self._day(os.fstat(self._file).st_mtime)
        self._tidy()
        if head is not None and lost:
            self._note_loss(head)

    @property
    def head(self) -> Head:
        """The last line."""
        return self._last

    def write(
        self, actor: str, action: str, target: str, before: Any, after: Any, origin: str, tenant: str | None
    ) -> None:
        """Add the line of a change. Raises OSError if it is not on the disk, and then nothing is added."""
        at = datetime.fromtimestamp(self._wall(), UTC).isoformat(timespec="milliseconds")
        record = {
            "at": at,
            "actor": actor,
            "origin": origin,
            "tenant": tenant,
            "action": action,
            "target": target,
            "before": before,
            "after": after,
        }
        # ASCII only: nothing in it can draw on a terminal.
        fields = json.dumps(record, separators=(",", ":"), default=str).encode("ascii")[1:-1]
        try:
            self.append((fields,), link=True, sync=True)
        except OSError:
            self.failures += 1
            raise

    def append(self, lines: Sequence[bytes], *, link: bool = False, sync: bool = False) -> None:
        """Add *lines*, each the inside of a JSON object, in ASCII; with *link* each says what was before it.

        With *sync* they are on the disk when this returns. Raises OSError, and then none is added.
        """
        with self._lock:
            self._make_room(sum(map(len, lines)) + _AROUND * len(lines))
            head, sealed = self._last, []
            for fields in lines:
                line, head = self._seal.line(head, fields, link or head.number + 1 == self._first)
                sealed.append(line)
            self._append(b"\n".join(sealed) + b"\n", sync)
            self._last = head

    def sync(self) -> Head:
        """Let all lines be on the disk; the last of them. Raises OSError."""
        with self._lock:
            os.fsync(self._file)
            return self._last

    def publish(self) -> Head:
        """The last line, once it and the word of it are on the disk: now it cannot go unseen. Raises OSError."""
        head = self.sync()
        write_durably(self._published, (show_head(head, self._wall()),))
        return head

    def tail(self, last: int, tenant: str | None = None) -> list[dict[str, Any]]:
        """The *last* changes, oldest first; with *tenant* those of that tenant only."""
        found: list[dict[str, Any]] = []
        with opened(self.path, self._lock) as parts:
            for line in backwards(parts, _CHANGE):
                if len(found) >= last:
                    break
                record = _read(line)
                if tenant is None or record.get("tenant") == tenant:
                    found.append(record)
        return found[::-1]

    def verify(self) -> dict[str, Any]:
        """Whether all is as it was written (``verify.Verdict``). Takes its time, so that others have theirs."""
        head = load_head(self._published)
        with opened(self.path, self._lock) as parts:
            return verify(parts, self._seal, () if head is None else (head,), lambda: time.sleep(_PAUSE)).plain()

    def holds(self, head: Head) -> bool:
        """Whether the line that *head* speaks of is there, or went with an old file."""
        with opened(self.path, self._lock) as parts:
            return self._has(parts, head, self._last)

    def note_loss(self, head: Head) -> None:
        """Write down that the log was published up to *head*, which is not there. Raises OSError."""
        self._log.error("{path}: lines are gone; it was published up to {head}", path=str(self.path), head=head.number)
        self.append((b'%s{"number":%d,"hmac":%s}' % (LOST, head.number, json.dumps(head.hmac).encode()),), sync=True)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _note_loss(self, head: Head) -> None:
        # A disk that is full at the start has its say when the next line is written.
        with suppress(OSError):
            self.note_loss(head)

    @staticmethod
    def _has(parts: Sequence[Any], head: Head, last: Head) -> bool:
        if head in (last, Head()):
            return True
        if head.number < parts[0].first:
            return True
        mark = b'{"number":%d,' % head.number
        found = (head_of(line) for line in backwards(parts, mark) if line.startswith(mark))
        return next(found, None) == head

    def _open(self) -> int:
        fresh = not self.path.exists()
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if fresh:
            sync_folder(self.path.parent)
        return file

    def _append(self, lines: bytes, sync: bool) -> None:
        size = os.fstat(self._file).st_size
        try:
            if os.write(self._file, lines) < len(lines):
                raise OSError(28, "no space left for a whole line")
            if sync:
                os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, size)
            raise

    def _make_room(self, octets: int) -> None:
        """Put the file aside if it is full. Raises OSError, and then it stays where it was."""
        size, bounds, today = os.fstat(self._file).st_size, self._bounds(), self._day(self._wall())
        if not size:
            self._begun = today
            return
        if size + octets <= bounds.size and not (bounds.daily and today > self._begun):
            return
        os.fsync(self._file)
        taken = max((number for number, _ in full_files(self.path)), default=0)
        aside = self.path.with_name(f"{self.path.name}.{max(self._first, taken + 1):010}")
        os.rename(self.path, aside)
        try:
            fresh = self._open()
        except OSError:
            os.rename(aside, self.path)
            raise
        os.close(self._file)
        self._file = fresh
        self._first = self._last.number + 1
        self._begun = today
        self._tidy()

    def _tidy(self) -> None:
        """Remove full files past those that are kept. What cannot be removed stays, and nothing is the worse for it."""
        for _, path in full_files(self.path)[: -self._bounds().keep]:
            with suppress(OSError):
                path.unlink()

    @staticmethod
    def _day(at: float) -> int:
        return int(at // _DAY)

    def _cut_torn_line(self) -> None:
        """Drop what a power failure left of a line that never counted."""
        size = os.fstat(self._file).st_size
        keep = size
        while keep:
            start = max(0, keep - BLOCK)
            block = os.pread(self._file, keep - start, start)
            if (end := block.rfind(b"\n")) >= 0:
                keep = start + end + 1
                break
            keep = start
        if keep != size:
            self._log.warn("{path}: cut {octets} octets of an unfinished line", path=str(self.path), octets=size - keep)
            os.ftruncate(self._file, keep)
            os.fsync(self._file)


def _read(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    return record if isinstance(record, dict) else {"unreadable": line.decode("ascii", "backslashreplace")}
