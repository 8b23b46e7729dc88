"""The resolver chain: what a link is, how links are set on one another, and the Stage that traces one of them.

``pipeline`` states their order.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import reduce
from typing import Protocol

from attrs import field, frozen

from graydns.model.answer import Answer
from graydns.model.query import Query, QueryTrace


class Resolver(Protocol):
    """Answers queries: a link with all that is below it, or the end of a chain."""

    def resolve(self, query: Query) -> Awaitable[Answer]:
        """The answer to *query*; NXDOMAIN and NODATA are answers. Raises ResolveError where there is none."""


#: Sets one link on the resolver below it.
Link = Callable[[Resolver], Resolver]


def stack_links(*links: Link, last: Resolver) -> Resolver:
    """Set each link on the one written after it, the last of them on *last*."""
    return reduce(lambda below, link: link(below), reversed(links), last)


@frozen
class Stage:
    """One *link* of the pipeline, under its *name* in traces. Records when a traced query enters and leaves the link.

    *clock*: monotonic seconds.
    """

    link: Resolver
    name: str
    clock: Callable[[], float] = field(repr=False)

    def resolve(self, query: Query) -> Awaitable[Answer]:
        """As the link does. Not a coroutine function: a query without a trace costs one plain call."""
        if query.trace is None:
            return self.link.resolve(query)
        return self._resolve_traced(query, query.trace)

    async def _resolve_traced(self, query: Query, trace: QueryTrace) -> Answer:
        began = self.clock()
        try:
            return await self.link.resolve(query)
        finally:
            trace.passed(self.name, began, self.clock())
