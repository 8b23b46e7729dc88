"""Time as a reactor keeps it: the clock that functions take, waiting, and many equal time limits with one timer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger

ItemT = TypeVar("ItemT")

#: How long :func:`poll_until` waits at most, and how long between two checks.
POLL_TIMEOUT_SECONDS = 2.0
POLL_INTERVAL_SECONDS = 0.005


class DelayedCall(Protocol):
    """A call that has been scheduled (IDelayedCall)."""

    def active(self) -> bool:
        """Whether the call is still pending."""

    def cancel(self) -> None:
        """Cancel the call."""


class Clock(Protocol):
    """What is used of ``twisted.internet.interfaces.IReactorTime``."""

    def seconds(self) -> float:
        """Monotonic seconds."""

    def callLater(self, delay: float, function: Callable[[], object], /) -> DelayedCall:
        """Call *function* in *delay* seconds."""


async def sleep(clock: Clock, seconds: float) -> None:
    """Wait for *seconds*; 0 = until the next turn of the reactor. Cancelling the wait cancels the timer."""
    waiter: Deferred[None] = Deferred()
    timer = clock.callLater(seconds, lambda: waiter.callback(None))
    try:
        await waiter
    finally:
        if timer.active():
            timer.cancel()


async def poll_until(clock: Clock, condition: Callable[[], bool]) -> bool:
    """Wait until *condition* holds; False if it does not within ``POLL_TIMEOUT_SECONDS``."""
    end = clock.seconds() + POLL_TIMEOUT_SECONDS
    while not condition():
        if clock.seconds() > end:
            return False
        await sleep(clock, POLL_INTERVAL_SECONDS)
    return True


class Deadlines(Generic[ItemT]):
    """Items with a time limit of *seconds* each; an item that reaches it is removed and passed to *expire*.

    All limits are equal, so items expire in the order in which they were started: starting one again costs two
    dictionary operations and touches no timer.
    """

    _log = Logger()

    def __init__(self, clock: Clock, seconds: float, expire: Callable[[ItemT], None]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._expire = expire
        # Not a dict: taking the first key again and again is linear there.
        self._ends: OrderedDict[ItemT, float] = OrderedDict()
        self._timer: DelayedCall | None = None

    def __len__(self) -> int:
        return len(self._ends)

    def start(self, item: ItemT) -> None:
        """Start the time limit of *item*, or start it again."""
        self._ends[item] = self._clock.seconds() + self._seconds
        self._ends.move_to_end(item)
        if self._timer is None:
            self._timer = self._clock.callLater(self._seconds, self._expire_due)

    def stop(self, item: ItemT) -> None:
        """Remove *item* if it is there."""
        self._ends.pop(item, None)

    def oldest(self) -> ItemT | None:
        """The item that expires first."""
        return next(iter(self._ends), None)

    def close(self) -> None:
        """Remove all items and cancel the timer."""
        self._ends.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire_due(self) -> None:
        self._timer = None
        due = []
        now = self._clock.seconds()
        for item, end in self._ends.items():
            if end > now:
                self._timer = self._clock.callLater(end - now, self._expire_due)
                break
            due.append(item)
        for item in due:
            if self._ends.pop(item, None) is not None:
                try:
                    self._expire(item)
                except Exception:
                    self._log.failure("{item} has expired and cannot be ended", item=item)  # the others still can
