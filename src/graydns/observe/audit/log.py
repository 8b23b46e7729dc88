"""The audit log: one JSON object a line, sealed (``seal``); a line of a change is on the disk before it counts.

A full file is put aside in one renaming, after which the log is whole without a file of its own name, too: a crash at
any moment loses nothing that was confirmed, and the next start goes on from the last line, in whichever file that is.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from attrs import frozen
from twisted.logger import Logger

from graydns.control.disk import sync_folder, write_durably
from graydns.observe.audit.changes import MARK, change, read_change
from graydns.observe.audit.files import backwards, full_files, opened
from graydns.observe.audit.heads import Published, head_beside, head_path, read_head, show_head
from graydns.observe.audit.marks import cut_off
from graydns.observe.audit.retention import Retention
from graydns.observe.audit.seal import Head, Seal
from graydns.observe.audit.start import cut_torn_line, find, has, put_older_aside
from graydns.observe.audit.verify import verify

#: Octets that a line has beside its fields, at most.
_AROUND = 240

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
    the disk. The Head stands beside it (``heads``), with every line of a change and whenever it is published.

    *failures*: changes that could not be written down. Raises OSError if a file cannot be used, ValueError if that of
    the Head makes no sense or the key is not the one of the lines.
    """

    _log = Logger()

    def __init__(self, path: Path, seal: Seal, wall: Callable[[], float], bounds: Callable[[], Bounds]) -> None:
        self.path = path
        self.failures = 0
        self._seal = seal
        self._wall = wall
        self._bounds = bounds
        self._lock = Lock()
        put_older_aside(path)
        self._file = self._open()
        cut_torn_line(path, self._file)
        found = find(path, seal)
        self._last, self._first = found.last, found.first
        self._retention = Retention(path, seal, lambda: bounds().keep, found.kept)
        self._begun = self._day(os.fstat(self._file).st_mtime)
        # A disk that is full at the start has its say when the next line is written.
        with suppress(OSError):
            self._note(found.losses)
            self._retention.since = max(self._retention.since, found.oldest)
            self.publish()

    @property
    def head(self) -> Head:
        """The last line."""
        return self._last

    def write(
        self, actor: str, action: str, target: str, before: Any, after: Any, origin: str, tenant: str | None
    ) -> None:
        """Add the line of a change. Raises OSError if it is not on the disk, and then nothing is added."""
        fields = change(self._wall(), actor, action, target, before, after, origin, tenant)
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
            self._make_room(sum(map(len, lines)) + _AROUND * (len(lines) + 1))
            since = None
            if self._last.number + 1 == self._first:
                since, marked = self._retention.begin(lines[0], self._first)
                lines = [*marked, *lines[1:]]
            head, sealed = self._last, []
            for fields in lines:
                line, head = self._seal.line(head, fields, link or head.number + 1 == self._first)
                sealed.append(line)
            self._append(b"\n".join(sealed) + b"\n", sync or since is not None)
            self._last = head
            if since is not None:
                self._retention.since = since
                self._retention.tidy()
            if sync:
                self._tell()

    def sync(self) -> None:
        """Let all lines be on the disk. Raises OSError."""
        with self._lock:
            os.fsync(self._file)

    def publish(self) -> tuple[Head, bytes]:
        """The last line, once it and the word of it are on the disk: now it cannot go unseen; and as text (``heads``).

        Raises OSError.
        """
        with self._lock:
            os.fsync(self._file)
            return self._last, self._write_head()

    def tail(self, last: int, tenant: str | None = None) -> list[dict[str, Any]]:
        """The *last* changes, oldest first; with *tenant* those of that tenant only."""
        found: list[dict[str, Any]] = []
        with opened(self.path, self._lock) as parts:
            for line in backwards(parts, MARK):
                if len(found) >= last:
                    break
                record = read_change(line)
                if tenant is None or record.get("tenant") == tenant:
                    found.append(record)
        return found[::-1]

    def verify(self) -> dict[str, Any]:
        """Whether all is as it was written (``verify.Verdict``). Takes its time, so that others have theirs."""
        last = Published(self._last)
        beside, trouble = head_beside(self.path, self._seal)
        known = (last,) if beside is None else (last, beside)
        trouble = trouble or ("" if beside else f"{head_path(self.path).name} is gone")
        with opened(self.path, self._lock) as parts:
            return verify(parts, self._seal, known, lambda: time.sleep(_PAUSE), trouble).plain()

    def recall(self, text: bytes) -> None:
        """Hold the log against a head that was published elsewhere before, and write it down if lines are gone since.

        Raises OSError. A head of another log is passed over, and so is what is none.
        """
        try:
            # Whoever lost the log may have lost its key, too: the seal does not matter.
            published = read_head(text, self._seal)
        except ValueError as error:
            self._log.warn("what was published before cannot be used: {error}", error=error)
            return
        if published.file not in ("", str(self.path)):
            return
        with opened(self.path, self._lock) as parts:
            lost = not has(parts, published.head, self._last)
        if lost:
            self._note((cut_off(published.head),))

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _note(self, losses: Sequence[bytes]) -> None:
        """Write down what was found to be gone. Raises OSError."""
        for loss in losses:
            self._log.error("{path}: lines are gone: {loss}", path=str(self.path), loss=loss.decode())
        if losses:
            self.append(losses, sync=True)

    def _tell(self) -> None:
        """Write the head for a line that counts already."""
        try:
            self._write_head()
        except OSError as error:
            self._log.error("the audit head cannot be written: {error}", error=error)

    def _write_head(self) -> bytes:
        text = show_head(self._last, self._wall(), self.path, self._seal)
        write_durably(head_path(self.path), (text,))
        return text

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

    @staticmethod
    def _day(at: float) -> int:
        return int(at // _DAY)
