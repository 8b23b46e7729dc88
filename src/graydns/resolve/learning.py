"""Learning: waiting until the catalog knows what a query asks for."""

from __future__ import annotations

from typing import Protocol

from graydns.model.catalog import View
from graydns.model.errors import NotYetKnown


class Learning(Protocol):
    """The part of a catalog's source that queries wait for (``sources.consul.feed``)."""

    async def learn(self, missing: NotYetKnown) -> None:
        """Wait until what is *missing* is known. Raises ResolveError if that takes too long."""

    def is_current(self, view: View) -> bool:
        """Whether answers made of *view* may be remembered."""

    def is_stale(self, view: View) -> bool:
        """Whether nothing has been heard of *view* for too long."""


class Nothing:
    """For servers without a catalog."""

    async def learn(self, missing: NotYetKnown) -> None:
        """Nothing has to be learnt."""
        raise missing

    def is_current(self, view: View) -> bool:
        """There is none."""
        return False

    def is_stale(self, view: View) -> bool:
        """There is none."""
        return False
