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
MOST = 16_384

#: Askers that wait for room at one time, and seconds for which each does; then the line is dropped.
MOST_WAITING, LONGEST = 1000, 2.0

Item = TypeVar("Item")


class Dropped:
    """The place of *count* lines that were dropped."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


@define(eq=False)
class _Waiter(Generic[Item]):
    item: Item
    room: Deferred[None]
    timer: Any = None


@define(eq=False)
class Queue(Generic[Item]):
    """Between one thread that puts, the reactor's, and one that takes.

    *wait*: whether askers wait. *wake*: called when something is put; cheap, and called often. *dropped*: lines that
    found no room.
    """

    reactor: Any = field(repr=False)
    wait: bool
    wake: Callable[[], object] = field(default=bool, repr=False)
    most: int = MOST
    dropped: int = field(init=False, default=0)
    _items: deque[Item | Dropped] = field(init=False, factory=deque, repr=False)
    _waiting: deque[_Waiter[Item]] = field(init=False, factory=deque, repr=False)
    #: While it is held nothing is taken, so what is last stays there.
    _lock: Lock = field(init=False, factory=Lock, repr=False)

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Item) -> Deferred[None] | None:
        """Add *item*; what its asker has to wait for, None = nothing. On the reactor's thread."""
        if len(self._items) < self.most and not self._waiting:
            self._items.append(item)
            self.wake()
            return None
        if not self.wait or len(self._waiting) >= MOST_WAITING:
            self._drop()
            return None
        waiter = _Waiter(item, Deferred())
        waiter.timer = self.reactor.callLater(LONGEST, self._give_up, waiter)
        self._waiting.append(waiter)
        return waiter.room

    def take(self, most: int) -> list[Item | Dropped]:
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
            if not isinstance(last, Dropped):
                last = Dropped()
                self._items.append(last)
            last.count += 1
        self.wake()

    def _admit(self) -> None:
        while self._waiting and len(self._items) < self.most:
            waiter = self._waiting.popleft()
            self._items.append(waiter.item)
            self._release(waiter)
        self.wake()

    def _give_up(self, waiter: _Waiter[Item]) -> None:
        self._waiting.remove(waiter)
        self._drop()
        self._release(waiter)

    @staticmethod
    def _release(waiter: _Waiter[Item]) -> None:
        if waiter.timer.active():
            waiter.timer.cancel()
        if not waiter.room.called:  # an asker who left has cancelled it
            waiter.room.callback(None)
