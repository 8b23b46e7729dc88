"""The in-flight limit: how many queries may wait for upstreams at the same time, in total and for each source.

It stands below the cache: over the limit, a client gets a stale answer if there is one, else SERVFAIL.
"""

from __future__ import annotations

from attrs import define, field, frozen

from graydns.model.answer import Answer
from graydns.model.errors import OverloadedError
from graydns.model.query import Query
from graydns.resolve.link import Resolver


@define(eq=False)
class InflightCounter:
    """Counts of waiting queries, kept over reloads. *by_source*: only sources with waiting queries."""

    total: int = 0
    by_source: dict[bytes, int] = field(factory=dict)

    def enter(self, source: bytes, max_total: int, max_per_source: int) -> None:
        """Count one more query of *source*. Raises OverloadedError, and counts nothing, if that is over a limit."""
        current = self.by_source.get(source, 0)
        if self.total >= max_total:
            raise OverloadedError("too many queries are waiting for upstreams")
        if current >= max_per_source:
            raise OverloadedError("too many queries of this client are waiting for upstreams")
        self.total += 1
        self.by_source[source] = current + 1

    def leave(self, source: bytes) -> None:
        """Count one query of *source* less."""
        self.total -= 1
        if (remaining := self.by_source[source] - 1) == 0:
            del self.by_source[source]
        else:
            self.by_source[source] = remaining


@frozen
class InflightLimit:
    """Pass queries on while fewer than *max_queries*, and fewer than *max_queries_per_source*, are waiting below."""

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
