"""The feed: services and nodes that somebody asked for, watched in Consul and kept as a catalog.

::

    service(name) ── known ──► ServiceView                     a dictionary look-up
                 ├── not in Consul's list, and asked for a moment ago ──► a ServiceView without instances
                 └── None ──► learn ──► in the list ──► a watch of its own ──► every change within milliseconds
                                     │             └──► past the bound: the shared watches, asked anew when it changes
                                     └► not in it ──► sought by one question

What Consul said last is kept while it says nothing. What vanishes is believed only if Consul is in a state to know.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from graydns.model.catalog import NodeView, ServiceView, View
from graydns.model.errors import CatalogPendingError, ResolveError
from graydns.runtime.timing import Clock
from graydns.sources.consul.allotting import Allotting
from graydns.sources.consul.figures import FeedFigures
from graydns.sources.consul.kept import Kept, Key, Told, is_there, key_of
from graydns.sources.consul.seeking import Seeking
from graydns.sources.consul.taking import NO_REACHABLE_AUTHORITY, Taking
from txconsul import Consul

#: Services and nodes that have a watch of their own.
MOST_WATCHES = 100

#: Services and nodes that are known at all; each costs memory. Past that those go that were not asked for lately.
MOST_KNOWN = 10_000

#: Seconds for which a query waits for what Consul says of a name for the first time.
PATIENCE = 2.0

#: Seconds after which what nobody has asked for is let go, twice that at most.
IDLE = 600.0


@define(eq=False)
class Feed:
    """Implements ``model.catalog.Catalog``.

    *changed*: is told each view that is not current any more, or whose data have become stale. *stale_after*: seconds
    without a word from Consul after which they are. *guarded*: whether requests carry a token, which may lose its
    rights. *told*: is told each new view of a service, and again a view that has become stale or is so no more.
    """

    consul: Consul = field(repr=False)
    clock: Clock = field(repr=False)
    stale_after: float
    changed: Callable[[View], None] = field(repr=False)
    guarded: bool = False
    most_watches: int = MOST_WATCHES
    told: Callable[[ServiceView], None] = field(init=False, default=lambda view: None, repr=False)
    _kept: dict[Key, Kept] = field(init=False, factory=dict, repr=False)
    _tasks: set[Deferred[None]] = field(init=False, factory=set, repr=False)
    _taking: Taking = field(init=False, repr=False)
    _allotting: Allotting = field(init=False, repr=False)
    _seeking: Seeking = field(init=False, repr=False)
    _swept: float = field(init=False, default=0.0, repr=False)
    _ticking: Any = field(init=False, default=None, repr=False)
    #: Whether anything was told, or told again, since this was last set to False.
    fresh: bool = field(init=False, default=False)

    _log = Logger()

    def __attrs_post_init__(self) -> None:
        self._taking = Taking(self.consul, self.clock, self.guarded, self._know)
        self._allotting = watches = Allotting(
            self.consul,
            self.clock,
            self.stale_after,
            self.most_watches,
            self._run,
            self._taking.take,
            self._confirmed,
            self._impossible,
        )
        self._seeking = Seeking(self.clock, watches.shared.lists, watches.ask, self._adopt, self._run)

    def service(self, name: str) -> ServiceView | None:
        """As ``Catalog``."""
        view = self._find("service", name)
        return view if isinstance(view, ServiceView) else None

    def node(self, name: str) -> NodeView | None:
        """As ``Catalog``."""
        view = self._find("node", name)
        return view if isinstance(view, NodeView) else None

    def is_current(self, view: View) -> bool:
        """Whether *view* is what Consul said last, and not too long ago."""
        kept = self._kept.get(key_of(view))
        return kept is not None and kept.view is view and not kept.stale

    def is_stale(self, view: View) -> bool:
        """Whether nothing has been heard of *view* for too long."""
        kept = self._kept.get(key_of(view))
        return kept is not None and kept.stale

    def figures(self) -> FeedFigures:
        """What is known, and how old that is."""
        now = self.clock.seconds()
        kept = self._kept.values()
        return FeedFigures(
            known=sum(each.view is not None for each in kept),
            watches=len(self._allotting.own),
            shared=len(self._allotting.shared.members),
            stale=sum(each.stale for each in kept),
            doubted=sum(each.is_unseen for each in kept),
            unread=sum(each.unread for each in kept),
            age=max((now - each.seen for each in kept if each.view is not None), default=0.0),
            errors=self._allotting.errors,
            last_error=self._allotting.last_error,
        )

    def remembered(self) -> list[Told]:
        """Everything that is there, to be kept for :meth:`recall`."""
        return [Told(kept.view, kept.index) for kept in self._kept.values() if kept.view and is_there(kept.view)]

    def recall(self, told: Iterable[Told], age: float) -> None:
        """Know what was *told* before, *age* seconds ago, until Consul says more."""
        for view, index in told:
            kept = self._kept.get(key_of(view))
            if kept is None:
                if len(self._kept) >= MOST_KNOWN:
                    self._log.warn("of the catalog that was kept, {most} names are known again", most=MOST_KNOWN)
                    return
                kept = self._begin(key_of(view))
            kept.index, kept.seen, kept.stale = index, self.clock.seconds() - age, age > self.stale_after
            self._know(kept, view)

    def pin(self, names: Iterable[str]) -> None:
        """Watch these services from now on, and never let them go, whether anybody asks or not; no others that were
        pinned before."""
        self._allotting.pinned = frozenset(("service", name) for name in names)
        for key in self._allotting.pinned:
            if (kept := self._kept.get(key)) is None:
                self._begin(key)
            elif key in self._allotting.shared.members:
                self._allotting.follow(kept)

    async def wait_for(self, missing: CatalogPendingError) -> None:
        """Wait until what is *missing* is known. Raises ResolveError if Consul does not say it in time."""
        key, told = (missing.kind, missing.name), Deferred[None]()
        self._wake()
        kept = self._kept.get(key)
        if kept is None and self._allotting.shared.lists(key):
            kept = self._begin(key)
        if kept is None:
            if self._seeking.denied(key) is not None:
                return
            kept = self._seeking.seek(key, told)
        elif kept.view is not None:
            return
        else:
            kept.waiting.append(told)
            if kept.watch is None:
                self._run(self._ask_now(kept))
        timer = self.clock.callLater(PATIENCE, told.cancel)
        try:
            await told
        except CancelledError:
            raise ResolveError("Consul has not said yet what it knows of it", ede=NO_REACHABLE_AUTHORITY) from None
        finally:
            if told in kept.waiting:
                kept.waiting.remove(told)
            if timer.active():
                timer.cancel()

    def stop(self) -> None:
        """End every watch."""
        if self._ticking is not None:
            self._ticking.cancel()
        self._allotting.stop()
        for task in tuple(self._tasks):
            task.cancel()

    def _find(self, kind: str, name: str) -> View | None:
        kept = self._kept.get((kind, name))
        if kept is None:
            return self._seeking.denied((kind, name))
        kept.asked = True
        return kept.view

    def _wake(self) -> None:
        """Begin to work, at the first question."""
        if self._ticking is None:
            self._ticking = self.clock.callLater(1.0, self._tick)
            self._swept = self.clock.seconds()
            self._run(self._taking.belief.note_rights())
            self._allotting.shared.start()

    def _begin(self, key: Key) -> Kept:
        """Have it followed from now on."""
        kept = Kept(key)
        self._keep(kept)
        return kept

    def _adopt(self, kept: Kept) -> None:
        """Have what was sought followed from now on."""
        if kept.key in self._kept:
            kept.tell()
            return
        self._keep(kept)
        if kept.view is not None:
            self._announce(kept.view)
            kept.tell()

    def _keep(self, kept: Kept) -> None:
        self._wake()
        self._make_room()
        self._kept[kept.key] = kept
        self._allotting.follow(kept)

    def _make_room(self) -> None:
        """Let go of what was not asked for lately, if too much is known; never of what is pinned."""
        for _ in range(2 * len(self._kept)):
            if len(self._kept) < MOST_KNOWN:
                return
            key = next(iter(self._kept))
            kept = self._kept.pop(key)
            self._kept[key] = kept  # now it is the last one
            if key in self._allotting.pinned or kept.waiting:
                continue
            if kept.asked and kept.view is not None and is_there(kept.view):
                kept.asked = False
            else:
                self._let_go(kept)

    async def _ask_now(self, kept: Kept) -> None:
        await self._allotting.shared.ask_now(kept)

    def _confirmed(self, kept: Kept) -> None:
        self.fresh = True
        self._age(kept)

    def _impossible(self, kept: Kept) -> None:
        self._know(kept, kept.nothing)

    def _age(self, kept: Kept) -> None:
        """Tell of *kept* if it has become stale, or is so no more."""
        stale = self.clock.seconds() - kept.seen > self.stale_after
        if kept.view is None or stale == kept.stale:
            return
        kept.stale = stale
        self.changed(kept.view)
        self._announce(kept.view)

    def _know(self, kept: Kept, view: View) -> None:
        """Have *view*, and tell whoever wants to know."""
        before, kept.view = kept.view, view
        if before is view or self._kept.get(kept.key) is not kept:
            return
        if before is not None:
            self.changed(before)
        self._announce(view)
        kept.tell()

    def _announce(self, view: View) -> None:
        if isinstance(view, ServiceView):
            self.told(view)

    def _tick(self) -> None:
        """Once a second: what has become stale, what could not be asked, and now and then what nobody asks for."""
        now = self.clock.seconds()
        self._ticking = self.clock.callLater(1.0, self._tick)
        for kept in self._kept.values():
            self._age(kept)
        self._allotting.shared.see_to()
        self._run(self._taking.belief.note_rights())
        if now - self._swept >= IDLE:
            self._swept = now
            self._sweep()

    def _sweep(self) -> None:
        """Let go of what nobody has asked for since the last time. Hot answers do not ask, so they are forgotten:
        whoever wants them does."""
        for kept in list(self._kept.values()):
            if kept.stale or kept.view is None or kept.waiting:
                continue
            if not kept.asked and kept.key not in self._allotting.pinned:
                self._let_go(kept)
            else:
                self.changed(kept.view)
            kept.asked = False

    def _let_go(self, kept: Kept) -> None:
        del self._kept[kept.key]
        if kept.view is not None:
            self.changed(kept.view)
        self._allotting.leave(kept)

    def _run(self, work: Coroutine[Deferred[Any], Any, None]) -> None:
        task = Deferred.fromCoroutine(work)
        self._tasks.add(task)

        def ended(result: object) -> None:
            self._tasks.discard(task)
            if isinstance(result, Failure) and not isinstance(result.value, CancelledError):
                self._log.failure("watching Consul", result)

        task.addBoth(ended)
