"""Coalesce: equal questions in flight are asked once."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from attrs import field, frozen
from twisted.python.failure import Failure

from graydns.model.answer import Answer
from graydns.model.query import UDP, Query
from graydns.resolve.flight import Flight
from graydns.resolve.link import Resolver


@frozen
class Coalesce:
    """Ask *below* once for all queries of one *key* that come while it is being asked."""

    below: Resolver
    key: Callable[[Query], Hashable] = field(kw_only=True, repr=False)
    _flights: dict[Hashable, Flight[Answer]] = field(init=False, factory=dict, repr=False)

    async def resolve(self, query: Query) -> Answer:
        """The answer from below, or its failure, which all who wait share."""
        key = self.key(query)
        flight = self._flights.get(key)
        if flight is not None:
            return await flight.join()
        flight = self._flights[key] = Flight(self._flights, key)
        if query.client.transport != UDP:
            flight.begin(self.below.resolve(query))
            return await flight.join()
        # Whoever asks over UDP stays to the end, so nothing has to be made that could outlive him: half the cost.
        try:
            answer = await self.below.resolve(query)
        except BaseException:
            flight.land(Failure())  # type: ignore[no-untyped-call]
            raise
        flight.land(answer)
        return answer
