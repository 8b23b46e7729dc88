"""Coalesce: equal questions in flight are asked once."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from attrs import field, frozen
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from graydns.model.answer import Answer
from graydns.model.query import UDP, Query
from graydns.resolve.link import Resolver


@frozen
class Coalesce:
    """Ask *below* once for all queries of one *key* that come while it is being asked."""

    below: Resolver
    key: Callable[[Query], Hashable] = field(kw_only=True, repr=False)
    _flights: dict[Hashable, _Flight] = field(init=False, factory=dict, repr=False)

    async def resolve(self, query: Query) -> Answer:
        """The answer from below, or its failure, which all who wait share."""
        key = self.key(query)
        flight = self._flights.get(key)
        if flight is not None:
            return await flight.join()
        flight = self._flights[key] = _Flight(self._flights, key)
        if query.client.transport != UDP:
            flight.begin(self.below, query)
            return await flight.join()
        # Whoever asks over UDP stays to the end, so nothing has to be made that could outlive him: half the cost.
        try:
            answer = await self.below.resolve(query)
        except BaseException:
            flight.land(Failure())  # type: ignore[no-untyped-call]
            raise
        flight.land(answer)
        return answer


class _Flight:
    """One question below and those who wait for it.

    Everyone waits on a Deferred of their own, as one that two coroutines await gives its result to the first of them
    only, and cancelling it would cancel both. The last one to leave cancels the question.
    """

    __slots__ = ("_flights", "_key", "_outcome", "_task", "_waiters")

    def __init__(self, flights: dict[Hashable, _Flight], key: Hashable) -> None:
        self._flights, self._key = flights, key
        self._waiters: dict[Deferred[Answer], None] | None = None  # few are joined by anybody
        self._outcome: Answer | Failure | None = None
        self._task: Deferred[None] | None = None

    def begin(self, below: Resolver, query: Query) -> None:
        """Ask. May end at once."""
        asked = Deferred.fromCoroutine(below.resolve(query))
        self._task = asked.addBoth(self.land)

    def join(self) -> Deferred[Answer]:
        """One more who waits."""
        waiter: Deferred[Answer] = Deferred(self._leave)
        if self._outcome is not None:
            _tell(waiter, self._outcome)
        elif self._waiters is None:
            self._waiters = {waiter: None}
        else:
            self._waiters[waiter] = None
        return waiter

    def land(self, outcome: Answer | Failure) -> None:
        """Tell those who joined what came of it."""
        self._outcome = outcome
        self._forget()
        if self._waiters is None:
            return
        waiters, self._waiters = self._waiters, None
        for waiter in waiters:
            if not waiter.called:  # one who was told may have made another leave
                _tell(waiter, outcome)

    def _leave(self, waiter: Deferred[Answer]) -> None:
        if self._waiters is not None:
            self._waiters.pop(waiter, None)
        if not self._waiters and self._outcome is None and self._task is not None:
            self._forget()
            self._task.cancel()

    def _forget(self) -> None:
        """Let the next query of this key begin a flight of its own."""
        if self._flights.get(self._key) is self:
            del self._flights[self._key]


def _tell(waiter: Deferred[Answer], outcome: Answer | Failure) -> None:
    if isinstance(outcome, Failure):
        waiter.errback(outcome)
    else:
        waiter.callback(outcome)
