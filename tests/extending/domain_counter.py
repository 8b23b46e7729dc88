"""A link as another package would have it: counts queries by top-level domain."""

from __future__ import annotations

from collections import Counter

from attrs import frozen

from graydns.model.answer import Answer
from graydns.model.query import Query
from graydns.resolve.link import Resolver
from graydns.resolve.stores import LinkContext


@frozen
class DomainCounter:
    """Count the queries that pass, by the last label of their name."""

    below: Resolver
    counts: Counter[str]

    async def resolve(self, query: Query) -> Answer:
        """The answer from below."""
        self.counts[query.qname[:-1].decode("ascii", "replace").rsplit("\x04", 1)[-1]] += 1
        return await self.below.resolve(query)


def make_counter(context: LinkContext, below: Resolver) -> Resolver:
    """The link, with counts that survive reloads."""
    return DomainCounter(below, context.state(Counter[str]))


not_a_factory = "text"
