"""What happens without an operator: a poll at an interval, and a call when the next thing expires."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from graydns.runtime.timing import Clock, DelayedCall, sleep

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
