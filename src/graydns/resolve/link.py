"""The resolver chain: what a link is, and how links are set on one another. Their order: ``pipeline``.

Stage: tells the trace of a query when it went into a link and when it came out. Only traced queries meet it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Protocol

from attrs import field, frozen

from graydns.model.answer import Answer
from graydns.model.query import Query


class Resolver(Protocol):
    """Whatever can answer: a link with all that is below it, or the end of a chain."""

    async def resolve(self, query: Query) -> Answer:
        """The answer to *query*; NXDOMAIN and NODATA are answers. Raises ResolveError where there is none."""


#: Sets one link on the resolver below it.
Link = Callable[[Resolver], Resolver]


def stack_links(*links: Link, last: Resolver) -> Resolver:
    """Set each link on the one written after it, the last of them on *last*."""
    return reduce(lambda below, link: link(below), reversed(links), last)


@frozen
class Stage:
    """Resolve *below*, whose class names the stage."""

    below: Resolver
    clock: Callable[[], float] = field(kw_only=True, repr=False)

    async def resolve(self, query: Query) -> Answer:
        """The answer from below."""
        began = self.clock()
        try:
            return await self.below.resolve(query)
        finally:
            if query.trace is not None:
                query.trace.passed(type(self.below).__name__, began, self.clock())
