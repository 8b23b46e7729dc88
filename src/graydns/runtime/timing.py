"""Time as a reactor keeps it: clocks, waiting, many equal time limits with one timer, and periodic work."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, Protocol, TypeVar

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

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


#: Expiries are wall-clock times. They are checked at least this often, so that setting the clock delays none for long.
_MAX_WAKE_INTERVAL_SECONDS = 60.0


@define(eq=False)
class PeriodicTasks:
    """Calls *poll* every *interval* seconds, and *expire* once *next_expiry* is due.

    *next_expiry* returns the seconds until then, or None if nothing expires. It is asked again after each *expire* and
    whenever :meth:`schedule_expiry` is called. What either raises is logged, and does not end the tasks.
    """

    clock: Clock = field(repr=False)
    poll: Callable[[], Awaitable[object]] = field(repr=False)
    interval: Callable[[], float] = field(repr=False)
    expire: Callable[[], Coroutine[Any, Any, object]] = field(repr=False)
    next_expiry: Callable[[], float | None] = field(repr=False)
    _poll_task: Deferred[None] | None = field(init=False, default=None, repr=False)
    _expiry_call: DelayedCall | None = field(init=False, default=None, repr=False)

    _log = Logger()

    def start(self) -> None:
        """Poll at once and then at the interval, and wait for the next expiry."""
        self._poll_task = Deferred.fromCoroutine(self._poll_repeatedly())
        self._poll_task.addErrback(self._log_end_of_polling)
        self.schedule_expiry()

    def stop(self) -> None:
        """End both."""
        self._cancel_expiry_call()
        if self._poll_task is not None:
            self._poll_task.cancel()

    def schedule_expiry(self) -> None:
        """Set the timer for the next expiry, which has changed; nothing before :meth:`start`."""
        if self._poll_task is None:
            return
        self._cancel_expiry_call()
        seconds = self.next_expiry()
        delay = _MAX_WAKE_INTERVAL_SECONDS if seconds is None else min(max(0.0, seconds), _MAX_WAKE_INTERVAL_SECONDS)
        self._expiry_call = self.clock.callLater(delay, self._expire)

    def _cancel_expiry_call(self) -> None:
        if self._expiry_call is not None and self._expiry_call.active():
            self._expiry_call.cancel()

    async def _poll_repeatedly(self) -> None:
        while True:
            began = self.clock.seconds()
            try:
                await self.poll()
            except CancelledError:
                raise
            except Exception:
                self._log.failure("a periodic poll failed")
            await sleep(self.clock, max(0.0, began + self.interval() - self.clock.seconds()))

    def _log_end_of_polling(self, failure: Failure) -> None:
        if not isinstance(failure.value, CancelledError):
            self._log.failure("periodic polling has ended", failure)

    def _expire(self) -> None:
        task = Deferred.fromCoroutine(self.expire())
        task.addErrback(lambda failure: self._log.failure("ending what has expired failed", failure))
        task.addCallback(lambda _: self.schedule_expiry())
