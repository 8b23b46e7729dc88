"""Shared watches: three of them tell of any change, for all services and nodes that have no watch of their own.

::

    health/state/any, catalog/nodes ── whose checks, which nodes ──► these are not current any more ──► queried again
    catalog/services ──┬─ whose tags, who is new ──────────────────► these are not settled any more ──┘
                       └─ something was registered or removed ──┬──► census: whose instances ──► queried again
                                 more nodes than is worth it ───┴──► all others are unsure ────► asked, at a pace

Of the checks only those are listed that do not pass: they are few, and one that comes or goes changes the list. The
lists of services and of nodes tell also which names there are at all.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Mapping
from functools import partial
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

from graydns.model.catalog import ServiceView
from graydns.model.errors import ConsulReplyError
from graydns.runtime.slices import run_in_slices
from graydns.runtime.steps import run_steps
from graydns.runtime.timing import Clock, sleep
from graydns.sources.consul.catalog_digest import (
    CHECKS_PATH,
    NODES_PATH,
    SERVICES_PATH,
    CatalogDigest,
    NodePoller,
    digest,
)
from graydns.sources.consul.catalog_file import CatalogEntry, CatalogKey
from graydns.sources.consul.catalog_parser import MAX_INLINE_PARSE_BYTES
from graydns.sources.consul.refresh_scheduler import RefreshScheduler
from txconsul import ConsulReply, ConsulWatch
from txconsul.reply import ConsulError

#: The parameters that go with the requests of each watch.
WATCH_PARAMETERS: Mapping[str, Mapping[str, str]] = {
    SERVICES_PATH: {},
    CHECKS_PATH: {"filter": "Status != passing"},
    NODES_PATH: {},
}

#: A census is worth it for so many members, and so many of them for each node. The least time between two, in seconds.
MIN_POLLED_MEMBERS, MIN_MEMBERS_PER_NODE, MIN_POLL_INTERVAL_SECONDS = 64, 4, 0.25

#: Which list has the names of a kind.
LIST_PATH_BY_KIND = {"service": SERVICES_PATH, "node": NODES_PATH}


@define(eq=False)
class _ListWatch:
    """One of the watches. *index*: of its last reply; None = anything may have changed since. *confirmed_at*: when
    that was confirmed."""

    watch: ConsulWatch
    index: int | None = None
    digest: CatalogDigest | None = None
    confirmed_at: float = float("-inf")


@define(eq=False)
class SharedWatches:
    """The watches of Consul's lists, which all services and nodes without a watch of their own share.

    *stale_after*: seconds of *clock* for which a list counts without a word from Consul. *start_watch*: watches a path,
    with parameters. *count_error*: called with each error of a watch. *query*: asks for one service or node; returns
    whether Consul can be reached. *node_poller*: tells whose instances changed. *run*: starts work that ends by itself.
    """

    clock: Clock = field(repr=False)
    stale_after: float
    start_watch: Callable[[str, Mapping[str, str]], ConsulWatch] = field(repr=False)
    count_error: Callable[[ConsulError], None] = field(repr=False)
    query: Callable[[CatalogEntry], Coroutine[Deferred[Any], Any, bool]] = field(repr=False)
    node_poller: NodePoller = field(repr=False)
    run: Callable[[Coroutine[Deferred[Any], Any, None]], None] = field(repr=False)
    contact_time: Callable[[ConsulReply], float] = field(repr=False)
    on_confirmed: Callable[[CatalogEntry, float], None] = field(repr=False)
    members: dict[CatalogKey, CatalogEntry] = field(init=False, factory=dict, repr=False)
    _watches: dict[str, _ListWatch] = field(init=False, factory=dict, repr=False)
    _scheduler: RefreshScheduler = field(init=False, repr=False)
    _is_polling: bool = field(init=False, default=False, repr=False)
    _poll_again: bool = field(init=False, default=False, repr=False)
    #: Whether the last census failed: the next one waits for the next change.
    _poll_failed: bool = field(init=False, default=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._scheduler = RefreshScheduler(self.clock, self.members, self.query_now, self.run, self.stale_after)

    def start(self) -> None:
        """Follow the lists of names."""
        for path in LIST_PATH_BY_KIND.values():
            self._follow(path)

    def is_listed(self, key: CatalogKey) -> bool | None:
        """Whether Consul's list has it; None = that is not known, or not any more."""
        one = self._watches.get(LIST_PATH_BY_KIND[key[0]])
        if one is None or one.digest is None or self.clock.seconds() - one.confirmed_at > self.stale_after:
            return None
        return key in one.digest

    def add(self, kept: CatalogEntry) -> None:
        """Ask for *kept* soon, and again whenever it may have changed."""
        self.members[kept.key] = kept
        kept.is_current = False
        for path in WATCH_PARAMETERS:
            self._follow(path)
        self.schedule()

    def remove(self, kept: CatalogEntry) -> None:
        """Leave *kept* alone."""
        self.members.pop(kept.key, None)

    def schedule(self) -> None:
        """Begin a round soon if anything has to be asked."""
        if self.node_poller.is_empty and not self._poll_failed and self._is_polling_cheaper():
            self._find_changed_members()
        self._scheduler.schedule()

    async def query_now(self, kept: CatalogEntry) -> bool:
        """Ask for *kept*, unless that is being done; whether Consul can be reached, for all that we know."""
        if kept.is_polling:
            return True
        kept.is_polling = kept.is_current = True  # what changes from now on unsettles it again
        kept.may_have_changed = False
        reached = False
        try:
            reached = await self.query(kept)
        finally:
            kept.is_polling = False
            kept.is_current = kept.is_current and reached
        return reached

    def stop(self) -> None:
        """End the watches."""
        self._scheduler.stop()
        for one in self._watches.values():
            one.watch.cancel()

    def _follow(self, path: str) -> None:
        if path in self._watches:
            return
        one = self._watches[path] = _ListWatch(self.start_watch(path, WATCH_PARAMETERS[path]))

        def on_error(error: ConsulError) -> None:
            one.index = None
            self.count_error(error)

        one.watch.subscribe(partial(self._on_reply, path, one), on_error)
        self.run(self._follow_list(path, one))

    def _on_reply(self, path: str, one: _ListWatch, reply: ConsulReply) -> None:
        if not one.watch.changed:
            self._apply_digest(path, one, reply, one.digest)

    async def _follow_list(self, path: str, one: _ListWatch) -> None:
        """Read what *one* tells, until it ends."""
        async for reply in one.watch:
            steps: Generator[None, None, CatalogDigest] = digest(path, reply.body)
            try:
                found = (
                    run_steps(steps)
                    if len(reply.body) <= MAX_INLINE_PARSE_BYTES
                    else await run_in_slices(self.clock, steps)
                )
            except ConsulReplyError:
                self._apply_digest(path, one, reply, None)
            else:
                self._apply_digest(path, one, reply, found)

    def _apply_digest(self, path: str, one: _ListWatch, reply: ConsulReply, found: CatalogDigest | None) -> None:
        before, one.digest = one.digest, found
        woken, lost, one.index = one.index != reply.index, one.index is None, reply.index
        if lost or before is None or found is None:
            for kept in self.members.values() if woken or found is None else ():
                kept.is_current = False
        else:
            changed = {key for key, _ in before.items() ^ found.items()} if found is not before else set()
            self._mark_changed(changed)
        one.confirmed_at = self.contact_time(reply)
        if woken and path != CHECKS_PATH:
            self._find_changed_members()
        self._confirm_all()
        self.schedule()

    def _confirm_all(self) -> None:
        """When the list that was confirmed longest ago was confirmed: current entries are at most so old."""
        if self._is_polling:
            return
        contact = min(each.confirmed_at for each in self._watches.values())
        for kept in self.members.values():
            if kept.is_current and not kept.may_have_changed and not kept.is_polling:
                self.on_confirmed(kept, contact)

    def _mark_changed(self, changed: set[CatalogKey]) -> None:
        """Have those asked for that *changed*, or whose nodes did."""
        nodes = {name for kind, name in changed if kind == "node"}
        for key, kept in self.members.items() if changed else ():
            if key in changed or (nodes and _is_on_node(kept, nodes)):
                kept.is_current = False

    def _nodes(self) -> list[str]:
        one = self._watches.get(NODES_PATH)
        return [] if one is None else [name for _, name in one.digest or ()]

    def _is_polling_cheaper(self) -> bool:
        """Whether a census is less work than to ask for all members."""
        return (
            len(self.members) > MIN_POLLED_MEMBERS
            and 0 < len(self._nodes()) <= len(self.members) / MIN_MEMBERS_PER_NODE
        )

    def _find_changed_members(self) -> None:
        """Something was registered or removed: find out whose instances, or be unsure of all."""
        if not self._is_polling_cheaper():
            self._mark_all_uncertain()
        elif self._is_polling:
            self._poll_again = True
        else:
            self._is_polling = True
            self.run(self._poll_nodes())

    def _mark_all_uncertain(self) -> None:
        self.node_poller.reset()
        for kept in self.members.values():
            kept.may_have_changed = True

    async def _poll_nodes(self) -> None:
        try:
            self._poll_again = True
            while self._poll_again:
                self._poll_again, began = False, self.clock.seconds()
                self._mark_changed(await self.node_poller.find_changed(self._nodes()))
                self._scheduler.schedule()
                if self._poll_again:
                    await sleep(self.clock, max(MIN_POLL_INTERVAL_SECONDS, self.clock.seconds() - began))
            self._poll_failed = False
        except (ConsulError, ConsulReplyError):
            self._poll_failed = True
            self._mark_all_uncertain()
        finally:
            self._is_polling = False
        self._confirm_all()
        self._scheduler.schedule()


def _is_on_node(kept: CatalogEntry, nodes: set[str]) -> bool:
    view = kept.view
    return isinstance(view, ServiceView) and any(instance.node.lower() in nodes for instance in view.instances)
