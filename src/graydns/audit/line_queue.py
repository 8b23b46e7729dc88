"""A bounded queue of lines from the reactor to the thread that writes them.

When it is full, lines are dropped and counted, or the reply waits for room, as ``audit.on_full`` says. The line about
the number of dropped lines stands in the queue, too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Any, Generic, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred

#: Lines queued. One takes up to 2 KiB, mostly of answers that are in the caches anyway.
MAX_QUEUED_LINES = 16_384

#: Replies that wait for room at one time, and seconds that each waits at most; then the line is dropped.
MAX_WAITING_QUERIES, MAX_WAIT_SECONDS = 1000, 2.0

LineT = TypeVar("LineT")


class DroppedLines:
    """Stands in the queue for *count* dropped lines."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


@define(eq=False)
class _QueueWaiter(Generic[LineT]):
    item: LineT
    room: Deferred[None]
    timer: Any = None


@define(eq=False)
class LineQueue(Generic[LineT]):
    """Lines from the reactor's thread to another one.

    *wait*: whether replies wait for room. *wake*: called after each put; must be cheap. *dropped*: lines for which
    there was no room.
    """

    reactor: Any = field(repr=False)
    wait: bool
    _wake: Callable[[], object] = field(default=bool, repr=False)
    max_lines: int = MAX_QUEUED_LINES
    dropped: int = field(init=False, default=0)
    _items: deque[LineT | DroppedLines] = field(init=False, factory=deque, repr=False)
    _waiting: deque[_QueueWaiter[LineT]] = field(init=False, factory=deque, repr=False)
    #: While it is held nothing is taken, so the last item stays in the queue.
    _lock: Lock = field(init=False, factory=Lock, repr=False)

    def subscribe(self, wake: Callable[[], object]) -> None:
        """Call *wake* after each put, in place of the one there was; it must be cheap."""
        self._wake = wake

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: LineT) -> Deferred[None] | None:
        """Add *item*; returns what its reply has to wait for, None = nothing. Call on the reactor's thread."""
        if len(self._items) < self.max_lines and not self._waiting:
            self._items.append(item)
            self._wake()
            return None
        if not self.wait or len(self._waiting) >= MAX_WAITING_QUERIES:
            self._drop()
            return None
        waiter = _QueueWaiter(item, Deferred())
        waiter.timer = self.reactor.callLater(MAX_WAIT_SECONDS, self._time_out, waiter)
        self._waiting.append(waiter)
        return waiter.room

    def take(self, count: int) -> list[LineT | DroppedLines]:
        """Remove up to *count* of the oldest items. Call on the other thread."""
        with self._lock:
            taken = [self._items.popleft() for _ in range(min(count, len(self._items)))]
        if self._waiting:
            self.reactor.callFromThread(self._admit)
        return taken

    def _drop(self) -> None:
        self.dropped += 1
        with self._lock:
            last = self._items[-1] if self._items else None
            if not isinstance(last, DroppedLines):
                last = DroppedLines()
                self._items.append(last)
            last.count += 1
        self._wake()

    def _admit(self) -> None:
        while self._waiting and len(self._items) < self.max_lines:
            waiter = self._waiting.popleft()
            self._items.append(waiter.item)
            self._release(waiter)
        self._wake()

    def _time_out(self, waiter: _QueueWaiter[LineT]) -> None:
        self._waiting.remove(waiter)
        self._drop()
        self._release(waiter)

    @staticmethod
    def _release(waiter: _QueueWaiter[LineT]) -> None:
        if waiter.timer.active():
            waiter.timer.cancel()
        if not waiter.room.called:  # cancelled if the client is gone
            waiter.room.callback(None)
