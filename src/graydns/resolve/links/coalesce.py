"""Coalescing of queries: of equal queries that are in flight at the same time, one is resolved.

A flight is one piece of work with all that wait for its result.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from attrs import define, field, frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from graydns.model.answer import Answer
from graydns.model.errors import GraydnsError
from graydns.model.query import Query
from graydns.resolve.link import Resolver
from graydns.runtime.garbage import drop_tracebacks


@frozen
class QueryCoalescer:
    """Resolve one of the queries of equal *key* that are in flight at the same time; all of them get its answer.

    *flights*: those of this link, also of the links that it had in earlier pipelines.
    """

    below: Resolver
    key: Callable[[Query], Hashable] = field(kw_only=True, repr=False)
    _flights: dict[Hashable, SingleFlight[Answer]] = field(kw_only=True, factory=dict, repr=False)

    async def resolve(self, query: Query) -> Answer:
        """The answer from below. Raises what the one query that was resolved raised."""
        flights, key = self._flights, self.key(query)
        if key in flights:
            return await flights[key].join()
        if not query.client.transport.is_datagram:
            return await SingleFlight.start(flights, key, self._resolve_below(query))
        # A query over UDP is never cancelled, so its own coroutine can do the work: half the cost of a Deferred.
        flight = flights[key] = SingleFlight(flights, key)
        try:
            answer = await self.below.resolve(query)
        except BaseException:
            flight.finish(Failure())
            raise
        flight.finish(answer)
        return answer

    async def _resolve_below(self, query: Query) -> Answer:
        return await self.below.resolve(query)


ResultT = TypeVar("ResultT")


class SingleFlight(Generic[ResultT]):
    """One piece of work and its waiters. Stands in *flights* at *key* until the work ends.

    Each waiter has its own Deferred: a Deferred that two coroutines await gives its result to the first of them only,
    and cancelling it would cancel both. When the last waiter cancels, the work is cancelled.
    """

    __slots__ = ("_flights", "_key", "_task", "_waiters")

    def __init__(self, flights: dict[Hashable, SingleFlight[ResultT]], key: Hashable) -> None:
        self._flights, self._key = flights, key
        self._waiters: dict[Deferred[ResultT], None] | None = None  # None: most flights are never joined
        self._task: Deferred[None] | None = None

    @classmethod
    def start(
        cls, flights: dict[Hashable, SingleFlight[ResultT]], key: Hashable, work: Coroutine[Any, Any, ResultT]
    ) -> Deferred[ResultT]:
        """Start *work*, which may end at once, and return the Deferred of its first waiter."""
        flight = flights[key] = cls(flights, key)
        waiter = flight.join()
        flight._task = Deferred.fromCoroutine(work).addBoth(flight.finish)
        return waiter

    def join(self) -> Deferred[ResultT]:
        """A Deferred for one more waiter."""
        waiter: Deferred[ResultT] = Deferred(self._cancel_waiter)
        if self._waiters is None:
            self._waiters = {waiter: None}
        else:
            self._waiters[waiter] = None
        return waiter

    def finish(self, outcome: ResultT | Failure) -> None:
        """End the flight and give *outcome* to its waiters."""
        self._unregister()
        if isinstance(outcome, Failure) and outcome.check(GraydnsError, CancelledError):
            drop_tracebacks(outcome)  # that of a bug is logged where it ends
        if self._waiters is None:
            return
        waiters, self._waiters = self._waiters, None
        for waiter in waiters:
            if not waiter.called:  # the callback of an earlier waiter may have cancelled it
                _fire(waiter, outcome)

    def _cancel_waiter(self, waiter: Deferred[ResultT]) -> None:
        if self._waiters is not None:
            self._waiters.pop(waiter, None)
        if not self._waiters and self._task is not None:
            self._unregister()
            self._task.cancel()

    def _unregister(self) -> None:
        """The next query of this key begins a new flight."""
        if self._flights.get(self._key) is self:
            del self._flights[self._key]


@define(eq=False)
class InFlight:
    """What is being resolved now. *answers*, *raw*: queries above and below the validator. *zones*: walks along chains
    of trust. *refreshes*: cache entries that are being refreshed."""

    answers: dict[Hashable, SingleFlight[Answer]] = field(factory=dict)
    raw: dict[Hashable, SingleFlight[Answer]] = field(factory=dict)
    zones: dict[Hashable, SingleFlight[Any]] = field(factory=dict)
    refreshes: set[Hashable] = field(factory=set)


def _fire(waiter: Deferred[ResultT], outcome: ResultT | Failure) -> None:
    if isinstance(outcome, Failure):
        waiter.errback(outcome)
    else:
        waiter.callback(outcome)
