"""The audit log: one JSON object a line, sealed by an HMAC; the line of a change is on disk before the change is made.

A full file is rotated by one rename; the log is complete between that and the creation of the next file, too. So a
crash at any moment loses no confirmed line, and the next start continues from the last line, whichever file has it.
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

from graydns.audit.hmac_chain import AuditHead, HmacChain, PublishedHead, find_head, format_head, head_path, parse_head
from graydns.audit.line_formats import CHANGE_MARKER, format_change, format_truncation, parse_change
from graydns.audit.log_files import LogRetention, list_full_files, open_log_files, read_lines_backwards
from graydns.audit.recovery import contains_head, recover_log, set_aside_unsealed_log, truncate_torn_line
from graydns.audit.verification import verify_parts
from graydns.runtime.disk import fsync_directory, write_durably

#: Octets of a line beside its fields, at most.
_MAX_LINE_OVERHEAD_BYTES = 240

_DAY_SECONDS = 86_400

#: Seconds of pause after each slice of a verification: it shares the interpreter with the reactor.
_VERIFY_PAUSE_SECONDS = 0.001


@frozen
class AuditLogBounds:
    """*size*: octets at which a file is full; *keep*: number of full files that are kept; *daily*: a file is also full
    at the end of a day of UTC."""

    size: int
    keep: int
    daily: bool = False


class AuditLog:
    """Writes to *path*; *wall*: Unix seconds; *bounds*: returns the present ones. Thread-safe; its methods block on
    disk.

    The head is written to ``<path>.head`` with every line of a change and whenever it is published. *failures*: changes
    that could not be written. Raises OSError if a file cannot be used, ValueError if the head cannot be parsed or the
    key is not the one of the lines.
    """

    _log = Logger()

    def __init__(
        self, path: Path, seal: HmacChain, wall: Callable[[], float], bounds: Callable[[], AuditLogBounds]
    ) -> None:
        self.path = path
        self.failures = 0
        self._seal = seal
        self._wall = wall
        self._bounds = bounds
        self._lock = Lock()
        set_aside_unsealed_log(path)
        self._file = self._open()
        truncate_torn_line(path, self._file)
        found = recover_log(path, seal)
        self._last, self._first = found.last, found.first
        self._retention = LogRetention(path, seal, lambda: bounds().keep, found.complete_from)
        self._file_day = self._day(os.fstat(self._file).st_mtime)
        # If the disk is full now, the next line that is written will fail.
        with suppress(OSError):
            self._record_losses(found.losses)
            self._retention.complete_from = max(self._retention.complete_from, found.oldest)
            self.publish()

    @property
    def head(self) -> AuditHead:
        """The last line."""
        return self._last

    def write(
        self, actor: str, action: str, target: str, before: Any, after: Any, origin: str, tenant: str | None
    ) -> None:
        """Append the line of a change and sync it. Raises OSError, and then nothing is appended."""
        fields = format_change(self._wall(), actor, action, target, before, after, origin, tenant)
        try:
            self.append((fields,), link=True, sync=True)
        except OSError:
            self.failures += 1
            raise

    def append(self, lines: Sequence[bytes], *, link: bool = False, sync: bool = False) -> None:
        """Append *lines*, each the members of a JSON object, in ASCII; with *link* each has ``previous``.

        With *sync* they are on disk when this returns. Raises OSError, and then none is appended.
        """
        with self._lock:
            self._rotate_if_full(sum(map(len, lines)) + _MAX_LINE_OVERHEAD_BYTES * (len(lines) + 1))
            since = None
            if self._last.number + 1 == self._first:
                since, marked = self._retention.start_file(lines[0], self._first)
                lines = [*marked, *lines[1:]]
            head, sealed = self._last, []
            for fields in lines:
                line, head = self._seal.append_line(head, fields, link or head.number + 1 == self._first)
                sealed.append(line)
            self._append(b"\n".join(sealed) + b"\n", sync or since is not None)
            self._last = head
            if since is not None:
                self._retention.complete_from = since
                self._retention.remove_old_files()
            if sync:
                self._update_head()

    def sync(self) -> None:
        """Sync all lines to disk. Raises OSError."""
        with self._lock:
            os.fsync(self._file)

    def publish(self) -> tuple[AuditHead, bytes]:
        """Sync the last line and its head to disk: from now on its removal is noticed. Returns the head, and its text.

        Raises OSError.
        """
        with self._lock:
            os.fsync(self._file)
            return self._last, self._write_head()

    def tail(self, last: int, tenant: str | None = None) -> list[dict[str, Any]]:
        """The *last* changes, oldest first; with *tenant* those of that tenant only."""
        found: list[dict[str, Any]] = []
        with open_log_files(self.path, self._lock) as parts:
            for line in read_lines_backwards(parts, CHANGE_MARKER):
                if len(found) >= last:
                    break
                record = parse_change(line)
                if tenant is None or record.get("tenant") == tenant:
                    found.append(record)
        return found[::-1]

    def verify(self) -> dict[str, Any]:
        """A VerificationResult of the whole log. It pauses often, for the reactor."""
        last = PublishedHead(self._last)
        beside, trouble = find_head(self.path, self._seal)
        known = (last,) if beside is None else (last, beside)
        trouble = trouble or ("" if beside else f"{head_path(self.path).name} is gone")
        with open_log_files(self.path, self._lock) as parts:
            return verify_parts(parts, self._seal, known, lambda: time.sleep(_VERIFY_PAUSE_SECONDS), trouble).to_plain()

    def check_published_head(self, text: bytes) -> None:
        """Compare the log with a head that was published elsewhere; if lines are missing, append a line that says so.

        Raises OSError. A head of another log, and text that is no head, are ignored.
        """
        try:
            # The key may have been lost together with the log, so the seal is not checked.
            published = parse_head(text, self._seal)
        except ValueError as error:
            self._log.warn("the head that was published before cannot be used: {error}", error=error)
            return
        if published.file not in ("", str(self.path)):
            return
        with open_log_files(self.path, self._lock) as parts:
            lost = not contains_head(parts, published.head, self._last)
        if lost:
            self._record_losses((format_truncation(published.head),))

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _record_losses(self, losses: Sequence[bytes]) -> None:
        """Append lines about missing lines. Raises OSError."""
        for loss in losses:
            self._log.error("{path}: lines are missing: {loss}", path=str(self.path), loss=loss.decode())
        if losses:
            self.append(losses, sync=True)

    def _update_head(self) -> None:
        """Write the head of a line that is already on disk."""
        try:
            self._write_head()
        except OSError as error:
            self._log.error("the audit head cannot be written: {error}", error=error)

    def _write_head(self) -> bytes:
        text = format_head(self._last, self._wall(), self.path, self._seal)
        write_durably(head_path(self.path), (text,))
        return text

    def _open(self) -> int:
        fresh = not self.path.exists()
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if fresh:
            fsync_directory(self.path.parent)
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

    def _rotate_if_full(self, octets: int) -> None:
        """Rotate the file if it is full. Raises OSError, and then it keeps its name."""
        size, bounds, today = os.fstat(self._file).st_size, self._bounds(), self._day(self._wall())
        if not size:
            self._file_day = today
            return
        if size + octets <= bounds.size and not (bounds.daily and today > self._file_day):
            return
        os.fsync(self._file)
        highest = max((number for number, _ in list_full_files(self.path)), default=0)
        rotated = self.path.with_name(f"{self.path.name}.{max(self._first, highest + 1):010}")
        os.rename(self.path, rotated)
        try:
            fresh = self._open()
        except OSError:
            os.rename(rotated, self.path)
            raise
        os.close(self._file)
        self._file = fresh
        self._first = self._last.number + 1
        self._file_day = today

    @staticmethod
    def _day(at: float) -> int:
        return int(at // _DAY_SECONDS)
