"""CatalogFeed: services and nodes that clients query, watched in Consul and kept as a catalog.

::

    service(name) ── known ──► ServiceView                     a dictionary look-up
                 ├── not in Consul's list, and asked for a moment ago ──► a ServiceView without instances
                 └── None ──► learn ──► in the list ──► a watch of its own ──► every change within milliseconds
                                     │             └──► past the limit: the shared watches, queried again on a change
                                     └► not in it ──► sought by one question

The last data are kept while Consul is unreachable. What vanishes is removed only if Consul is in a state to know.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from graydns.model.catalog import CatalogFeedFigures, CatalogView, NodeView, ServiceView
from graydns.model.errors import CatalogPendingError, ResolveError
from graydns.runtime.timing import Clock
from graydns.sources.consul.catalog_file import CatalogEntry, CatalogKey, SavedView, is_registered, key_for_view
from graydns.sources.consul.negative_lookup import NegativeLookup
from graydns.sources.consul.reply_processor import NO_REACHABLE_AUTHORITY, ReplyProcessor
from graydns.sources.consul.watches import WatchAllocator
from txconsul import ConsulClient

#: Services and nodes that have a watch of their own.
MAX_WATCHES = 100

#: Services and nodes that are known at all; each costs memory. Past that those go that were not asked for lately.
MAX_CATALOG_ENTRIES = 10_000

#: Seconds for which a query waits for what Consul says of a name for the first time.
LOOKUP_TIMEOUT_SECONDS = 2.0

#: Seconds after which a service or node that was not queried is dropped, twice that at most.
IDLE_TIMEOUT_SECONDS = 600.0


@define(eq=False)
class CatalogFeed:
    """Implements ``model.catalog.Catalog``.

    *stale_after*: seconds without a word from Consul after which its data are stale. *has_token*: whether requests
    carry a token, which may lose its rights.
    """

    consul: ConsulClient = field(repr=False)
    clock: Clock = field(repr=False)
    stale_after: float
    has_token: bool = False
    max_watches: int = MAX_WATCHES
    _service_view_callbacks: list[Callable[[ServiceView], None]] = field(init=False, factory=list, repr=False)
    _outdated_view_callbacks: list[Callable[[CatalogView], None]] = field(init=False, factory=list, repr=False)
    _entries: dict[CatalogKey, CatalogEntry] = field(init=False, factory=dict, repr=False)
    _tasks: set[Deferred[None]] = field(init=False, factory=set, repr=False)
    _reply_processor: ReplyProcessor = field(init=False, repr=False)
    _allocator: WatchAllocator = field(init=False, repr=False)
    _negative_lookup: NegativeLookup = field(init=False, repr=False)
    _swept_at: float = field(init=False, default=0.0, repr=False)
    _tick_call: Any = field(init=False, default=None, repr=False)
    _has_unsaved_news: bool = field(init=False, default=False)

    _log = Logger()

    def __attrs_post_init__(self) -> None:
        self._reply_processor = ReplyProcessor(self.consul, self.clock, self.has_token, self._set_view)
        self._allocator = watches = WatchAllocator(
            self.consul,
            self.clock,
            self.stale_after,
            self.max_watches,
            self._run,
            self._reply_processor.process,
            self._on_confirmed,
            self._on_invalid_name,
        )
        self._negative_lookup = NegativeLookup(
            self.clock, watches.shared.is_listed, watches.query, self._adopt_found, self._run
        )

    def subscribe(self, on_outdated_view: Callable[[CatalogView], None]) -> None:
        """Call *on_outdated_view* with each view that is not current any more, or whose data have become stale."""
        self._outdated_view_callbacks.append(on_outdated_view)

    def subscribe_to_services(self, on_service_view: Callable[[ServiceView], None]) -> None:
        """Call *on_service_view* with each new view of a service, and with a view that has become stale or current."""
        self._service_view_callbacks.append(on_service_view)

    def service(self, name: str) -> ServiceView | None:
        """As ``Catalog``."""
        view = self._find_view("service", name)
        return view if isinstance(view, ServiceView) else None

    def node(self, name: str) -> NodeView | None:
        """As ``Catalog``."""
        view = self._find_view("node", name)
        return view if isinstance(view, NodeView) else None

    def is_current(self, view: CatalogView) -> bool:
        """Whether *view* is what Consul said last, and not too long ago."""
        kept = self._entries.get(key_for_view(view))
        return kept is not None and kept.view is view and not kept.stale

    def is_stale(self, view: CatalogView) -> bool:
        """Whether *view* has not been confirmed for too long."""
        kept = self._entries.get(key_for_view(view))
        return kept is not None and kept.stale

    def figures(self) -> CatalogFeedFigures:
        """What is known, and how old that is."""
        now = self.clock.seconds()
        kept = self._entries.values()
        return CatalogFeedFigures(
            known=sum(each.view is not None for each in kept),
            watches=len(self._allocator.dedicated),
            shared=len(self._allocator.shared.members),
            stale=sum(each.stale for each in kept),
            doubted=sum(each.is_partly_unconfirmed for each in kept),
            unread=sum(each.unreadable_count for each in kept),
            age=max((now - each.confirmed_at for each in kept if each.view is not None), default=0.0),
            errors=self._allocator.errors,
            last_error=self._allocator.last_error,
        )

    def take_unsaved_views(self) -> list[SavedView] | None:
        """All views, if any has changed or was confirmed since the last call; else None."""
        if not self._has_unsaved_news:
            return None
        self._has_unsaved_news = False
        return self.export_views()

    def export_views(self) -> list[SavedView]:
        """All views, to be kept for :meth:`restore_views`."""
        return [
            SavedView(kept.view, kept.index)
            for kept in self._entries.values()
            if kept.view and is_registered(kept.view)
        ]

    def restore_views(self, saved: Iterable[SavedView], age: float) -> None:
        """Use the *saved* views, *age* seconds old, until Consul delivers newer ones."""
        for view, index in saved:
            kept = self._entries.get(key_for_view(view))
            if kept is None:
                if len(self._entries) >= MAX_CATALOG_ENTRIES:
                    self._log.warn(
                        "of the catalog that was kept, {most} names are known again", most=MAX_CATALOG_ENTRIES
                    )
                    return
                kept = self._add_entry(key_for_view(view))
            kept.index, kept.confirmed_at, kept.stale = index, self.clock.seconds() - age, age > self.stale_after
            self._set_view(kept, view)

    def pin(self, names: Iterable[str]) -> None:
        """Watch these services from now on, whether they are queried or not, in place of those pinned before."""
        pinned = frozenset(("service", name) for name in names)
        self._allocator.pin(pinned)
        for key in pinned:
            if (kept := self._entries.get(key)) is None:
                self._add_entry(key)
            elif key in self._allocator.shared.members:
                self._allocator.follow(kept)

    async def wait_for(self, missing: CatalogPendingError) -> None:
        """Wait until what is *missing* is known. Raises ResolveError if Consul does not say it in time."""
        key, told = (missing.kind, missing.name), Deferred[None]()
        self._start()
        kept = self._entries.get(key)
        if kept is None and self._allocator.shared.is_listed(key):
            kept = self._add_entry(key)
        if kept is None:
            if self._negative_lookup.find_absent(key) is not None:
                return
            kept = self._negative_lookup.start_lookup(key, told)
        elif kept.view is not None:
            return
        else:
            kept.waiters.append(told)
            if kept.watch is None:
                self._run(self._query_now(kept))
        timer = self.clock.callLater(LOOKUP_TIMEOUT_SECONDS, told.cancel)
        try:
            await told
        except CancelledError:
            raise ResolveError("Consul has not said yet what it knows of it", ede=NO_REACHABLE_AUTHORITY) from None
        finally:
            if told in kept.waiters:
                kept.waiters.remove(told)
            if timer.active():
                timer.cancel()

    def stop(self) -> None:
        """End every watch."""
        if self._tick_call is not None:
            self._tick_call.cancel()
        self._allocator.stop()
        for task in tuple(self._tasks):
            task.cancel()

    def _find_view(self, kind: str, name: str) -> CatalogView | None:
        kept = self._entries.get((kind, name))
        if kept is None:
            return self._negative_lookup.find_absent((kind, name))
        kept.recently_used = True
        return kept.view

    def _start(self) -> None:
        """Begin to work, at the first question."""
        if self._tick_call is None:
            self._tick_call = self.clock.callLater(1.0, self._tick)
            self._swept_at = self.clock.seconds()
            self._run(self._reply_processor.absence_verifier.record_rights())
            self._allocator.shared.start()

    def _add_entry(self, key: CatalogKey) -> CatalogEntry:
        """Have it followed from now on."""
        kept = CatalogEntry(key)
        self._insert(kept)
        return kept

    def _adopt_found(self, kept: CatalogEntry) -> None:
        """Have what was sought followed from now on."""
        if kept.key in self._entries:
            kept.notify_waiters()
            return
        self._insert(kept)
        if kept.view is not None:
            self._announce(kept.view)
            kept.notify_waiters()

    def _insert(self, kept: CatalogEntry) -> None:
        self._start()
        self._evict()
        self._entries[kept.key] = kept
        self._allocator.follow(kept)

    def _evict(self) -> None:
        """Drop what was not queried lately, if the catalog is too large; never what is pinned."""
        for _ in range(2 * len(self._entries)):
            if len(self._entries) < MAX_CATALOG_ENTRIES:
                return
            key = next(iter(self._entries))
            kept = self._entries.pop(key)
            self._entries[key] = kept  # now it is the last one
            if key in self._allocator.pinned or kept.waiters:
                continue
            if kept.recently_used and kept.view is not None and is_registered(kept.view):
                kept.recently_used = False
            else:
                self._remove(kept)

    async def _query_now(self, kept: CatalogEntry) -> None:
        await self._allocator.shared.query_now(kept)

    def _on_confirmed(self, kept: CatalogEntry) -> None:
        self._has_unsaved_news = True
        self._update_staleness(kept)

    def _on_invalid_name(self, kept: CatalogEntry) -> None:
        self._set_view(kept, kept.absent_view)

    def _update_staleness(self, kept: CatalogEntry) -> None:
        """Tell of *kept* if it has become stale, or is so no more."""
        stale = self.clock.seconds() - kept.confirmed_at > self.stale_after
        if kept.view is None or stale == kept.stale:
            return
        kept.stale = stale
        self._announce_outdated(kept.view)
        self._announce(kept.view)

    def _set_view(self, kept: CatalogEntry, view: CatalogView) -> None:
        """Store *view*, and call the subscribers."""
        before, kept.view = kept.view, view
        if before is view or self._entries.get(kept.key) is not kept:
            return
        if before is not None:
            self._announce_outdated(before)
        self._announce(view)
        kept.notify_waiters()

    def _announce_outdated(self, view: CatalogView) -> None:
        for on_outdated_view in self._outdated_view_callbacks:
            on_outdated_view(view)

    def _announce(self, view: CatalogView) -> None:
        if isinstance(view, ServiceView):
            for on_service_view in self._service_view_callbacks:
                on_service_view(view)

    def _tick(self) -> None:
        """Once a second: handle what has become stale, what could not be queried, and at intervals what is idle."""
        now = self.clock.seconds()
        self._tick_call = self.clock.callLater(1.0, self._tick)
        for kept in self._entries.values():
            self._update_staleness(kept)
        self._allocator.shared.schedule()
        self._run(self._reply_processor.absence_verifier.record_rights())
        if now - self._swept_at >= IDLE_TIMEOUT_SECONDS:
            self._swept_at = now
            self._remove_idle()

    def _remove_idle(self) -> None:
        """Drop what was not queried since the last time. Hot answers do not query the catalog, so they are removed:
        the next query then does."""
        for kept in list(self._entries.values()):
            if kept.stale or kept.view is None or kept.waiters:
                continue
            if not kept.recently_used and kept.key not in self._allocator.pinned:
                self._remove(kept)
            else:
                self._announce_outdated(kept.view)
            kept.recently_used = False

    def _remove(self, kept: CatalogEntry) -> None:
        del self._entries[kept.key]
        if kept.view is not None:
            self._announce_outdated(kept.view)
        self._allocator.unfollow(kept)

    def _run(self, work: Coroutine[Deferred[Any], Any, None]) -> None:
        task = Deferred.fromCoroutine(work)
        self._tasks.add(task)

        def ended(result: object) -> None:
            self._tasks.discard(task)
            if isinstance(result, Failure) and not isinstance(result.value, CancelledError):
                self._log.failure("watching Consul", result)

        task.addBoth(ended)
