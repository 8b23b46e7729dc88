"""Seeking: names that Consul's lists do not have are asked for once, so many in a second, and forgotten again.

::

    denied(key) ── asked a moment ago, or too many were ──► there is no such thing
                └─ None ──► seek ──► one question ──► found: it is kept from now on
                                                  └─► nothing: remembered for a while

A list may be a moment behind, and a token may be shown less of it than of the service itself; but clients can make up
names without end, so none of them gets a watch, and what is remembered of them is little.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

from graydns.model.catalog import CatalogView
from graydns.runtime.timing import Clock, sleep
from graydns.runtime.token_bucket import TokenBucket
from graydns.sources.consul.catalog_file import CatalogEntry, CatalogKey, is_registered

#: Queries for names that no list has, each second and at once.
MAX_LOOKUPS_PER_SECOND = 50.0

#: Names that are remembered not to exist, and for how many seconds.
MAX_ABSENT_NAMES, ABSENCE_TTL_SECONDS = 1000, 10.0

#: Seconds between two attempts at a name that a query waits for.
RETRY_INTERVAL_SECONDS = 0.1


@define(eq=False)
class NegativeLookup:
    """Finds out whether Consul has a name that nothing follows yet.

    *is_listed*: whether a list has it, None = not known. *query*: queries Consul once; the entry's view has the result,
    None = there was none. *on_found*: receives what exists. *run*: starts work that ends by itself.
    """

    clock: Clock = field(repr=False)
    is_listed: Callable[[CatalogKey], bool | None] = field(repr=False)
    query: Callable[[CatalogEntry], Coroutine[Deferred[Any], Any, bool]] = field(repr=False)
    on_found: Callable[[CatalogEntry], None] = field(repr=False)
    run: Callable[[Coroutine[Deferred[Any], Any, None]], None] = field(repr=False)
    pending: dict[CatalogKey, CatalogEntry] = field(init=False, factory=dict, repr=False)
    _absent_views: OrderedDict[CatalogKey, tuple[float, CatalogView]] = field(
        init=False, factory=OrderedDict, repr=False
    )
    _lookups: TokenBucket = field(init=False, factory=lambda: TokenBucket(MAX_LOOKUPS_PER_SECOND), repr=False)

    def find_absent(self, key: CatalogKey) -> CatalogView | None:
        """What says that there is no such thing; None = it has to be sought, as far as is known."""
        if self.is_listed(key):
            return None
        at, view = self._absent_views.get(key, (float("-inf"), None))
        if view is not None and self.clock.seconds() - at <= ABSENCE_TTL_SECONDS:
            return view
        if not self._lookups.has_token(self.clock.seconds()) and self.is_listed(key) is False:
            return CatalogEntry(key).absent_view
        return None

    def start_lookup(self, key: CatalogKey, told: Deferred[None]) -> CatalogEntry:
        """Look it up, as long as a query waits; *told* fires when that is done."""
        if (kept := self.pending.get(key)) is not None:
            kept.waiters.append(told)
            return kept
        kept = self.pending[key] = CatalogEntry(key, waiters=[told])
        self.run(self._look_up(kept))
        return kept

    def remember_absent(self, kept: CatalogEntry) -> None:
        """Remember that there is no such thing."""
        self._absent_views[kept.key] = self.clock.seconds(), kept.absent_view
        self._absent_views.move_to_end(kept.key)
        if len(self._absent_views) > MAX_ABSENT_NAMES:
            self._absent_views.popitem(last=False)

    async def _look_up(self, kept: CatalogEntry) -> None:
        try:
            while kept.waiters and kept.view is None:
                if self.is_listed(kept.key):
                    break
                if self._lookups.try_consume(self.clock.seconds()):
                    await self.query(kept)
                elif self.is_listed(kept.key) is False:
                    break
                if kept.view is None:
                    await sleep(self.clock, RETRY_INTERVAL_SECONDS)
        finally:
            self.pending.pop(kept.key, None)
        if is_registered(kept.view) if kept.view is not None else self.is_listed(kept.key):
            self.on_found(kept)
            return
        if kept.view is not None:
            self.remember_absent(kept)
        kept.notify_waiters()
