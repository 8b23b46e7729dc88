"""AuditWriter: the thread that formats the queued lines and writes them, in order.

It works in short batches and sleeps after each: it shares the interpreter with the reactor, which waits for one batch
at most. Lines that cannot be written are dropped and counted; a line says how many, once the disk has room again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Generic

from attrs import define, field
from twisted.logger import Logger

from graydns.audit.audit_log import AuditLog
from graydns.audit.line_formats import DROPPED_MARKER
from graydns.audit.line_queue import DroppedLines, LineQueue, LineT

#: Lines written in one batch: less than half a millisecond.
LINES_PER_BATCH = 32

#: Seconds: pause between two batches; time for lines to gather before the first; longest wait for the thread to end.
_BATCH_PAUSE_SECONDS, _GATHER_SECONDS, _STOP_TIMEOUT_SECONDS = 0.0005, 0.02, 2.0

#: Seconds between two syncs to the disk.
SYNC_INTERVAL_SECONDS = 1.0

#: Seconds between two writes of the head beside the log: truncation of younger lines, after the server was killed, goes
#: unnoticed.
HEAD_INTERVAL_SECONDS = 5.0


@define(eq=False)
class AuditWriter(Generic[LineT]):
    """Writes the items of *queue* to *log*. *form*: the fields of an item, see ``AuditLog.append``. *wall*: Unix
    seconds. *sync_interval*, *head_interval*: seconds between two syncs, and two writes of the head.

    *written*: items written; *lost*: items that could not be written.
    """

    log: AuditLog = field(repr=False)
    queue: LineQueue[LineT] = field(repr=False)
    form: Callable[[LineT], bytes] = field(repr=False)
    wall: Callable[[], float] = field(default=time.time, repr=False)
    sync_interval: float = field(default=SYNC_INTERVAL_SECONDS, kw_only=True)
    head_interval: float = field(default=HEAD_INTERVAL_SECONDS, kw_only=True)
    written: int = field(init=False, default=0)
    lost: int = field(init=False, default=0)
    _unreported: int = field(init=False, default=0)
    _unsynced: bool = field(init=False, default=False)
    _unpublished: bool = field(init=False, default=False)
    _synced: float = field(init=False, default=0.0)
    _published: float = field(init=False, default=0.0)
    _failing: bool = field(init=False, default=False)
    _awake: bool = field(init=False, default=False)
    _event: Event = field(init=False, factory=Event, repr=False)
    _ending: Event = field(init=False, factory=Event, repr=False)
    _thread: Thread | None = field(init=False, default=None, repr=False)
    _log: Logger = field(init=False, factory=Logger, repr=False)

    def start(self) -> None:
        """Start the thread."""
        self.queue.subscribe(self._wake)
        self._thread = Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()
        self._wake()

    def stop(self) -> None:
        """Write what is queued and end the thread; waits _STOP_TIMEOUT_SECONDS at most."""
        self._ending.set()
        self._event.set()
        if self._thread is not None:
            self._thread.join(_STOP_TIMEOUT_SECONDS)

    def _wake(self) -> None:
        """Wake the thread; only tests a flag unless the thread is idle."""
        if not self._awake:
            self._awake = True
            self._event.set()

    def _run(self) -> None:
        while True:
            self._event.wait(self.sync_interval if self._unsynced or self._unpublished else None)
            self._event.clear()
            self._ending.wait(_GATHER_SECONDS)
            ending = self._ending.is_set()
            self._awake = False  # from here on, each put wakes the thread
            while items := self.queue.take(LINES_PER_BATCH):
                self._write(items)
                self._sync(False)  # here, too: the queue may not become empty for long
                time.sleep(_BATCH_PAUSE_SECONDS)
            self._sync(ending)
            if ending:
                return

    def _write(self, items: Iterable[LineT | DroppedLines]) -> None:
        lines = [self._format_dropped(self._unreported, "disk")] if self._unreported else []
        count = dropped = 0
        for item in items:
            if isinstance(item, DroppedLines):
                lines.append(self._format_dropped(item.count, "queue"))
                dropped += item.count
                continue
            count += 1
            try:
                lines.append(self.form(item))
            except Exception:
                # A bug with one line must not affect the others, and must be logged.
                self._log.failure("no audit line can be made of an answer")
                count -= 1
                self.lost += 1
                lines.append(self._format_dropped(1, "failure"))
        try:
            self.log.append(lines)
        except OSError as error:
            self.lost += count
            self._unreported += count + dropped
            # Logged once for each time that the disk is full.
            if not self._failing:
                self._log.error("the audit log cannot be written, lines are dropped: {error}", error=error)
            self._failing = True
        else:
            self.written += count
            self._unreported, self._failing = 0, False
            self._unsynced = self._unpublished = True

    def _format_dropped(self, count: int, why: str) -> bytes:
        at = datetime.fromtimestamp(self.wall(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return b'%s%d,"timestamp":"%s","where":"%s"' % (DROPPED_MARKER, count, at.encode(), why.encode())

    def _sync(self, ending: bool) -> None:
        if not (self._unsynced or self._unpublished):
            return
        if not ending and time.monotonic() - self._synced < self.sync_interval:
            return
        self._synced = time.monotonic()
        try:
            if self._unpublished and (ending or self._synced - self._published >= self.head_interval):
                self._published = self._synced
                self.log.publish()
                self._unpublished = False
            elif self._unsynced:
                self.log.sync()
        except OSError as error:
            self._log.error("the audit log cannot be synced: {error}", error=error)
        self._unsynced = False
