"""Flight: work that several wait for and that is done once."""

from __future__ import annotations

from collections.abc import Coroutine, Hashable
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")


class Flight(Generic[T]):
    """One piece of work and those who wait for it; it takes itself out of *flights*, where it is at *key*, at its end.

    Everyone waits on a Deferred of their own, as one that two coroutines await gives its result to the first of them
    only, and cancelling it would cancel both. The last one to leave cancels the work.
    """

    __slots__ = ("_flights", "_key", "_outcome", "_task", "_waiters")

    def __init__(self, flights: dict[Hashable, Flight[T]], key: Hashable) -> None:
        self._flights, self._key = flights, key
        self._waiters: dict[Deferred[T], None] | None = None  # few are joined by anybody
        self._outcome: tuple[T | Failure] | None = None
        self._task: Deferred[None] | None = None

    def begin(self, work: Coroutine[Any, Any, T]) -> None:
        """Do *work*. May end at once."""
        self._task = Deferred.fromCoroutine(work).addBoth(self.land)

    def join(self) -> Deferred[T]:
        """One more who waits."""
        waiter: Deferred[T] = Deferred(self._leave)
        if self._outcome is not None:
            _tell(waiter, *self._outcome)
        elif self._waiters is None:
            self._waiters = {waiter: None}
        else:
            self._waiters[waiter] = None
        return waiter

    def land(self, outcome: T | Failure) -> None:
        """Tell those who joined what came of it."""
        self._outcome = (outcome,)
        self._forget()
        if self._waiters is None:
            return
        waiters, self._waiters = self._waiters, None
        for waiter in waiters:
            if not waiter.called:  # one who was told may have made another leave
                _tell(waiter, outcome)

    def _leave(self, waiter: Deferred[T]) -> None:
        if self._waiters is not None:
            self._waiters.pop(waiter, None)
        if not self._waiters and self._outcome is None and self._task is not None:
            self._forget()
            self._task.cancel()

    def _forget(self) -> None:
        """Let the next one with this key begin a flight of its own."""
        if self._flights.get(self._key) is self:
            del self._flights[self._key]


def _tell(waiter: Deferred[T], outcome: T | Failure) -> None:
    if isinstance(outcome, Failure):
        waiter.errback(outcome)
    else:
        waiter.callback(outcome)
