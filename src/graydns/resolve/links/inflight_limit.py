"""Limit: how many queries may wait for upstreams at once, in all and for each source.

It stands under the cache, so that past the limit a stale answer is given if there is one, and SERVFAIL only if not.
"""

from __future__ import annotations

from attrs import define, field, frozen

from graydns.model.answer import Answer
from graydns.model.errors import OverloadedError
from graydns.model.query import Query
from graydns.resolve.link import Resolver


@define(eq=False)
class InflightCounter:
    """Counts of waiting queries; outlives reloads. Holds an entry only for sources that wait."""

    total: int = 0
    by_source: dict[bytes, int] = field(factory=dict)

    def enter(self, source: bytes, most: int, most_per_source: int) -> None:
        """Count one more. Raises OverloadedError, counting nothing, where that is over a limit."""
        mine = self.by_source.get(source, 0)
        if self.total >= most:
            raise OverloadedError("too many queries are waiting for upstreams")
        if mine >= most_per_source:
            raise OverloadedError("too many queries of this client are waiting for upstreams")
        self.total += 1
        self.by_source[source] = mine + 1

    def leave(self, source: bytes) -> None:
        """Count one less."""
        self.total -= 1
        if (mine := self.by_source[source] - 1) == 0:
            del self.by_source[source]
        else:
            self.by_source[source] = mine


@frozen
class InflightLimit:
    """Pass queries on while fewer than *most*, and than *most_per_source* of their sender, are waiting below."""

    below: Resolver
    counter: InflightCounter = field(kw_only=True, repr=False)
    max_queries: int = field(kw_only=True)
    max_queries_per_source: int = field(kw_only=True)

    async def resolve(self, query: Query) -> Answer:
        """The answer from below. Raises OverloadedError."""
        source = query.client.source
        self.counter.enter(source, self.max_queries, self.max_queries_per_source)
        try:
            return await self.below.resolve(query)
        finally:
            self.counter.leave(source)
