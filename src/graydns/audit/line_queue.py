"""Queue: lines on their way from the reactor to the thread that writes them, bounded.

What finds no room is dropped and counted, or its asker waits for room, ``audit.on_full`` says which. The line that says
how many were dropped has its place in the queue, too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Any, Generic, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred

#: Lines that wait to be written. One takes up to 2 KiB, mostly of answers that the caches hold anyway.
MAX_QUEUED_LINES = 16_384

#: Askers that wait for room at one time, and seconds for which each does; then the line is dropped.
MAX_WAITING_QUERIES, MAX_WAIT_SECONDS = 1000, 2.0

LineT = TypeVar("LineT")


class DroppedLines:
    """The place of *count* lines that were dropped."""

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
    """Between one thread that puts, the reactor's, and one that takes.

    *wait*: whether askers wait. *wake*: called when something is put; cheap, and called often. *dropped*: lines that
    found no room.
    """

    reactor: Any = field(repr=False)
    wait: bool
    wake: Callable[[], object] = field(default=bool, repr=False)
    max_lines: int = MAX_QUEUED_LINES
    dropped: int = field(init=False, default=0)
    _items: deque[LineT | DroppedLines] = field(init=False, factory=deque, repr=False)
    _waiting: deque[_QueueWaiter[LineT]] = field(init=False, factory=deque, repr=False)
    #: While it is held nothing is taken, so what is last stays there.
    _lock: Lock = field(init=False, factory=Lock, repr=False)

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: LineT) -> Deferred[None] | None:
        """Add *item*; what its asker has to wait for, None = nothing. On the reactor's thread."""
        if len(self._items) < self.max_lines and not self._waiting:
            self._items.append(item)
            self.wake()
            return None
        if not self.wait or len(self._waiting) >= MAX_WAITING_QUERIES:
            self._drop()
            return None
        waiter = _QueueWaiter(item, Deferred())
        waiter.timer = self.reactor.callLater(MAX_WAIT_SECONDS, self._time_out, waiter)
        self._waiting.append(waiter)
        return waiter.room

    def take(self, most: int) -> list[LineT | DroppedLines]:
        """Up to *most* of the oldest. On the other thread."""
        with self._lock:
            taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
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
        self.wake()

    def _admit(self) -> None:
        while self._waiting and len(self._items) < self.max_lines:
            waiter = self._waiting.popleft()
            self._items.append(waiter.item)
            self._release(waiter)
        self.wake()

    def _time_out(self, waiter: _QueueWaiter[LineT]) -> None:
        self._waiting.remove(waiter)
        self._drop()
        self._release(waiter)

    @staticmethod
    def _release(waiter: _QueueWaiter[LineT]) -> None:
        if waiter.timer.active():
            waiter.timer.cancel()
        if not waiter.room.called:  # an asker who left has cancelled it
            waiter.room.callback(None)
