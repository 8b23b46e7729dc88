"""Coalesce: equal questions in flight are asked once.

Flight: work that several wait for and that is done once.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from attrs import field, frozen
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from graydns.model.answer import Answer
from graydns.model.query import Query
from graydns.resolve.link import Resolver


@frozen
class QueryCoalescer:
    """Ask *below* once for all queries of one *key* that come while it is being asked."""

    below: Resolver
    key: Callable[[Query], Hashable] = field(kw_only=True, repr=False)
    _flights: dict[Hashable, SingleFlight[Answer]] = field(init=False, factory=dict, repr=False)

    async def resolve(self, query: Query) -> Answer:
        """The answer from below, or its failure, which all who wait share."""
        key = self.key(query)
        flight = self._flights.get(key)
        if flight is not None:
            return await flight.join()
        flight = self._flights[key] = SingleFlight(self._flights, key)
        if not query.client.transport.is_datagram:
            flight.start(self.below.resolve(query))
            return await flight.join()
        # Whoever asks over UDP stays to the end, so nothing has to be made that could outlive him: half the cost.
        try:
            answer = await self.below.resolve(query)
        except BaseException:
            flight.finish(Failure())
            raise
        flight.finish(answer)
        return answer


ResultT = TypeVar("ResultT")


class SingleFlight(Generic[ResultT]):
    """One piece of work and those who wait for it; it takes itself out of *flights*, where it is at *key*, at its end.

    Everyone waits on a Deferred of their own, as one that two coroutines await gives its result to the first of them
    only, and cancelling it would cancel both. The last one to leave cancels the work.
    """

    __slots__ = ("_flights", "_key", "_outcome", "_task", "_waiters")

    def __init__(self, flights: dict[Hashable, SingleFlight[ResultT]], key: Hashable) -> None:
        self._flights, self._key = flights, key
        self._waiters: dict[Deferred[ResultT], None] | None = None  # few are joined by anybody
        self._outcome: tuple[ResultT | Failure] | None = None
        self._task: Deferred[None] | None = None

    def start(self, work: Coroutine[Any, Any, ResultT]) -> None:
        """Do *work*. May end at once."""
        self._task = Deferred.fromCoroutine(work).addBoth(self.finish)

    def join(self) -> Deferred[ResultT]:
        """One more who waits."""
        waiter: Deferred[ResultT] = Deferred(self._cancel_waiter)
        if self._outcome is not None:
            _fire(waiter, *self._outcome)
        elif self._waiters is None:
            self._waiters = {waiter: None}
        else:
            self._waiters[waiter] = None
        return waiter

    def finish(self, outcome: ResultT | Failure) -> None:
        """Tell those who joined what came of it."""
        self._outcome = (outcome,)
        self._unregister()
        if self._waiters is None:
            return
        waiters, self._waiters = self._waiters, None
        for waiter in waiters:
            if not waiter.called:  # one who was told may have made another leave
                _fire(waiter, outcome)

    def _cancel_waiter(self, waiter: Deferred[ResultT]) -> None:
        if self._waiters is not None:
            self._waiters.pop(waiter, None)
        if not self._waiters and self._outcome is None and self._task is not None:
            self._unregister()
            self._task.cancel()

    def _unregister(self) -> None:
        """Let the next one with this key begin a flight of its own."""
        if self._flights.get(self._key) is self:
            del self._flights[self._key]


def _fire(waiter: Deferred[ResultT], outcome: ResultT | Failure) -> None:
    if isinstance(outcome, Failure):
        waiter.errback(outcome)
    else:
        waiter.callback(outcome)
