"""The resolver chain: what a link is, and how links are set on one another. Their order: ``pipeline``."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Protocol

from graydns.model.answer import Answer
from graydns.model.query import Query


class Resolver(Protocol):
    """Whatever can answer: a link with all that is below it, or the end of a chain."""

    async def resolve(self, query: Query) -> Answer:
        """The answer to *query*; NXDOMAIN and NODATA are answers. Raises ResolveError where there is none."""


#: Sets one link on the resolver below it.
Link = Callable[[Resolver], Resolver]


def stack(*links: Link, last: Resolver) -> Resolver:
    """Set each link on the one written after it, the last of them on *last*."""
    return reduce(lambda below, link: link(below), reversed(links), last)
