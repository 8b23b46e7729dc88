"""Watches as graydns has them: each is confirmed often enough that its data are stale only if Consul is silent.

Allotting: the few watches of their own, to those who need them most; what they tell, and when it was true.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

from graydns.runtime.timing import Clock
from graydns.sources.consul.catalog_digest import NodePoller
from graydns.sources.consul.catalog_file import CatalogEntry, CatalogKey, is_registered
from graydns.sources.consul.shared_watches import SharedWatches
from txconsul import ConsulClient, ConsulReply, ConsulWatch, watch
from txconsul.reply import ConsulError, ConsulServerError, ConsulUnreachableError, RequestRefusedError

#: The longest that Consul holds a query, in seconds, and the part of *stale_after* that it is at most: with the lot's
#: third and Consul's sixteenth on top it is still well below that.
MAX_HOLD_SECONDS, MAX_HOLD_RATIO = 30.0, 0.4


def start_watch(
    consul: ConsulClient,
    path: str,
    params: Mapping[str, str | bool] | None = None,
    *,
    stale_after: float,
    clock: Clock,
    parse: bool,
) -> ConsulWatch:
    """A watch of *path* whose replies come well within *stale_after* seconds. *parse*: see ``txconsul.watch``."""
    wait = min(MAX_HOLD_SECONDS, MAX_HOLD_RATIO * stale_after)
    return watch(consul, path, params, wait=wait, parse=parse, clock=clock, random=random.random)


#: What Consul's HTTP interface says to paths that it cannot have: it leads elsewhere, or refuses them.
_INVALID_PATH_STATUSES = (301, 400)


@define(eq=False)
class WatchAllocator:
    """Decides which entries have a watch of their own; the others share one.

    *max_watches*: of watches of their own. *run*: starts work that ends by itself. *on_reply*: receives each reply.
    *on_confirmed*: is called when Consul confirms an entry. *on_invalid_name*: is called for names that Consul cannot
    be queried for.
    """

    consul: ConsulClient = field(repr=False)
    clock: Clock = field(repr=False)
    stale_after: float
    max_watches: int
    run: Callable[[Coroutine[Deferred[Any], Any, None]], None] = field(repr=False)
    on_reply: Callable[[CatalogEntry, ConsulReply], Coroutine[Deferred[Any], Any, None]] = field(repr=False)
    on_confirmed: Callable[[CatalogEntry], None] = field(repr=False)
    on_invalid_name: Callable[[CatalogEntry], None] = field(repr=False)
    dedicated: dict[CatalogKey, CatalogEntry] = field(init=False, factory=dict, repr=False)
    shared: SharedWatches = field(init=False, repr=False)
    pinned: frozenset[CatalogKey] = field(init=False, default=frozenset(), repr=False)
    errors: int = field(init=False, default=0)
    last_error: str | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self.shared = SharedWatches(
            self.clock,
            self.stale_after,
            self._start_watch,
            self._count_error,
            self.query,
            NodePoller(self.consul, self.clock),
            self.run,
            self._contact_time,
            self._confirm,
        )

    def follow(self, kept: CatalogEntry) -> None:
        """Give *kept* a watch of its own: a free one, or if it is pinned one of those that are not; else have it share
        those of all others."""
        if kept.key in self.dedicated:
            return
        if len(self.dedicated) >= self.max_watches and kept.key in self.pinned:
            self._release_watch()
        if len(self.dedicated) >= self.max_watches:
            self.shared.add(kept)
            return
        self.shared.remove(kept)
        self.dedicated[kept.key] = kept
        kept.watch = watch = self._start_watch(kept.path)
        watch.subscribe(lambda reply: self._note_reply(kept, reply), lambda error: self._on_query_error(kept, error))
        self.run(self._follow_watch(kept, watch))

    def pin(self, keys: frozenset[CatalogKey]) -> None:
        """Have *keys*, and no others, take watches from all that are not pinned."""
        self.pinned = keys

    def unfollow(self, kept: CatalogEntry) -> None:
        """Follow *kept* no more."""
        self.shared.remove(kept)
        if kept.watch is not None:
            kept.watch.cancel()
            kept.watch = None
            del self.dedicated[kept.key]

    async def query(self, kept: CatalogEntry) -> bool:
        """Ask once for *kept*; whether there is any use in asking for others."""
        try:
            reply = await self.consul.request("GET", kept.path, {"stale": True}, parse=False)
        except ConsulError as error:
            self._on_query_error(kept, error)
            return not isinstance(error, (ConsulUnreachableError, ConsulServerError))
        self._note_reply(kept, reply)
        await self.on_reply(kept, reply)
        return True

    def stop(self) -> None:
        """End every watch."""
        for kept in self.dedicated.values():
            if kept.watch is not None:
                kept.watch.cancel()
        self.shared.stop()

    def _release_watch(self) -> None:
        """Free a watch that is not pinned: first one of what does not exist, then of what was queried least
        recently."""
        free = [kept for key, kept in self.dedicated.items() if key not in self.pinned]
        if free:
            kept = min(free, key=lambda each: (each.view is not None and is_registered(each.view), each.recently_used))
            self.unfollow(kept)
            self.shared.add(kept)

    def _start_watch(self, path: str, params: Mapping[str, str] | None = None) -> ConsulWatch:
        return start_watch(self.consul, path, params, stale_after=self.stale_after, clock=self.clock, parse=False)

    async def _follow_watch(self, kept: CatalogEntry, watch: ConsulWatch) -> None:
        """Take what the watch of *kept* tells, until it ends."""
        async for reply in watch:
            await self.on_reply(kept, reply)

    def _count_error(self, error: ConsulError) -> None:
        self.errors += 1
        self.last_error = str(error)

    def _on_query_error(self, kept: CatalogEntry, error: ConsulError) -> None:
        """Consul could not be asked for *kept*; perhaps it cannot have such a name."""
        self._count_error(error)
        if (
            kept.view is None
            and isinstance(error, RequestRefusedError)
            and error.reply.status in _INVALID_PATH_STATUSES
        ):
            self.unfollow(kept)
            kept.confirmed_at = float("inf")  # it cannot become another one
            self.on_invalid_name(kept)

    def _note_reply(self, kept: CatalogEntry, reply: ConsulReply) -> None:
        kept.previous_index, kept.index = kept.index, reply.index or 0
        self._confirm(kept, self._contact_time(reply))

    def _contact_time(self, reply: ConsulReply) -> float:
        """When the servers' leader last confirmed what *reply* says: a server that lost the leader still answers."""
        return self.clock.seconds() - (reply.last_contact or 0.0)

    def _confirm(self, kept: CatalogEntry, contact: float) -> None:
        """Consul said at *contact* that *kept* is as it is."""
        kept.confirmed_at = max(kept.confirmed_at, contact)
        self.on_confirmed(kept)
