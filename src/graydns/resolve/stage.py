"""Stage: tells the trace of a query when it went into a link and when it came out. Only traced queries meet it."""

from __future__ import annotations

from collections.abc import Callable

from attrs import field, frozen

from graydns.model.answer import Answer
from graydns.model.query import Query
from graydns.resolve.link import Resolver


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
