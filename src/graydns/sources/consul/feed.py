"""The feed: services and nodes that somebody asked for, watched in Consul and kept as a catalog.

::

    service(name) ── known ──► ServiceView                     a dictionary look-up
                 └── None ──► learn ──► a watch of its own ──► every change within milliseconds
                                    └─► past the bound: the shared watches, asked anew when it may have changed

What Consul said last is kept while it says nothing. What vanishes is believed only if Consul is in a state to know.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from graydns.model.catalog import NodeView, ServiceView
from graydns.model.errors import NotYetKnown, ResolveError, Unreadable
from graydns.model.text import printable
from graydns.sources.consul.belief import Belief
from graydns.sources.consul.figures import FeedFigures
from graydns.sources.consul.kept import Kept, Key, Told, View, is_there, key_of
from graydns.sources.consul.shared import Shared
from graydns.sources.consul.watching import begin_watch
from graydns.timing import Clock
from txconsul import Consul, Reply, Watch
from txconsul.errors import ConsulError, Failing, Unreachable

#: Services and nodes that have a watch of their own.
MOST_WATCHES = 100

#: Services and nodes that are known at all; each costs memory, and clients can ask for names without end.
MOST_KNOWN = 10_000

#: Seconds for which a query waits for what Consul says of a name for the first time.
PATIENCE = 2.0

#: Seconds after which what nobody has asked for is let go, twice that at most.
IDLE = 600.0

#: Info code of RFC 8914: No Reachable Authority.
_NO_REACHABLE_AUTHORITY = 22


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
    errors: int = field(init=False, default=0)
    _last_error: str | None = field(init=False, default=None, repr=False)
    _pinned: frozenset[Key] = field(init=False, default=frozenset(), repr=False)
    _kept: dict[Key, Kept] = field(init=False, factory=dict, repr=False)
    _watches: int = field(init=False, default=0, repr=False)
    _tasks: set[Deferred[None]] = field(init=False, factory=set, repr=False)
    _belief: Belief = field(init=False, repr=False)
    _shared: Shared = field(init=False, repr=False)
    _swept: float = field(init=False, default=0.0, repr=False)
    _ticking: Any = field(init=False, default=None, repr=False)
    #: Whether anything was told, or told again, since this was last set to False.
    fresh: bool = field(init=False, default=False)

    _log = Logger()

    def __attrs_post_init__(self) -> None:
        self._belief = Belief(self.consul, self.guarded)
        self._shared = Shared(self.clock, self._watch, self._ask, self._run, self._contact, self._confirm)

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
            watches=self._watches,
            shared=len(self._shared.members),
            stale=sum(each.stale for each in kept),
            doubted=sum(each.doubted for each in kept),
            age=max((now - each.seen for each in kept if each.view is not None), default=0.0),
            errors=self.errors,
            last_error=self._last_error,
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
        self._pinned = frozenset(("service", name) for name in names)
        for key in self._pinned:
            if key not in self._kept:
                self._begin(key)

    async def learn(self, missing: NotYetKnown) -> None:
        """Wait until what is *missing* is known. Raises ResolveError if Consul does not say it in time."""
        key = (missing.kind, missing.name)
        kept = self._kept.get(key)
        if kept is None:
            if len(self._kept) >= MOST_KNOWN:
                raise ResolveError("too many names of Consul's are asked for", ede=_NO_REACHABLE_AUTHORITY)
            kept = self._begin(key)
        if kept.view is not None:
            return
        told: Deferred[None] = Deferred()
        kept.waiting.append(told)
        timer = self.clock.callLater(PATIENCE, told.cancel)
        if kept.watch is None:
            self._run(self._ask_now(kept))
        try:
            await told
        except CancelledError:
            raise ResolveError("Consul has not said yet what it knows of it", ede=_NO_REACHABLE_AUTHORITY) from None
        finally:
            if told in kept.waiting:
                kept.waiting.remove(told)
            if timer.active():
                timer.cancel()

    def stop(self) -> None:
        """End every watch."""
        if self._ticking is not None:
            self._ticking.cancel()
        for kept in self._kept.values():
            if kept.watch is not None:
                kept.watch.cancel()
        self._shared.stop()
        for task in tuple(self._tasks):
            task.cancel()

    def _find(self, kind: str, name: str) -> View | None:
        kept = self._kept.get((kind, name))
        if kept is None:
            return None
        kept.asked = True
        return kept.view

    def _begin(self, key: Key) -> Kept:
        kept = self._kept[key] = Kept(key)
        if self._ticking is None:
            self._ticking = self.clock.callLater(1.0, self._tick)
            self._swept = self.clock.seconds()
            self._run(self._belief.note_rights())
        if self._watches < self.most_watches:
            self._watches += 1
            kept.watch = self._watch(kept.path)
            kept.watch.heard = lambda reply: self._heard(kept, reply)
            self._run(self._follow(kept, kept.watch))
        else:
            self._shared.add(kept)
        return kept

    def _watch(self, path: str, params: Mapping[str, str] | None = None) -> Watch:
        made = begin_watch(self.consul, path, params, stale_after=self.stale_after, clock=self.clock)
        made.failed = self._failed
        return made

    async def _follow(self, kept: Kept, watch: Watch) -> None:
        """Take what the watch of *kept* tells, until it ends."""
        async for reply in watch:
            await self._take(kept, reply)

    async def _ask_now(self, kept: Kept) -> None:
        await self._shared.ask_now(kept)

    async def _ask(self, kept: Kept) -> bool:
        """Ask once for *kept*, which has no watch; whether there is any use in asking for others."""
        try:
            reply = await self.consul.request("GET", kept.path, {"stale": True})
        except ConsulError as error:
            self._failed(error)
            return not isinstance(error, (Unreachable, Failing))
        self._heard(kept, reply)
        await self._take(kept, reply)
        return True

    def _failed(self, error: ConsulError) -> None:
        self.errors += 1
        self._last_error = str(error)

    def _contact(self, reply: Reply) -> float:
        """When the servers' leader last confirmed what *reply* says: a server that lost him answers on."""
        return self.clock.seconds() - (reply.last_contact or 0.0)

    def _heard(self, kept: Kept, reply: Reply) -> None:
        self.fresh = True
        kept.before, kept.index = kept.index, reply.index or 0
        self._confirm(kept, self._contact(reply))

    def _confirm(self, kept: Kept, contact: float) -> None:
        """Consul said at *contact* that *kept* is as it is."""
        kept.seen = max(kept.seen, contact)
        self._age(kept)

    def _age(self, kept: Kept) -> None:
        """Tell of *kept* if it has become stale, or is so no more."""
        stale = self.clock.seconds() - kept.seen > self.stale_after
        if kept.view is None or stale == kept.stale:
            return
        kept.stale = stale
        self.changed(kept.view)
        if isinstance(kept.view, ServiceView):
            self.told(kept.view)

    async def _take(self, kept: Kept, reply: Reply) -> None:
        name = printable(kept.key[1])
        try:
            view = kept.read(reply)
        except Unreadable as error:
            told = printable(str(error))
            self._log.warn("what Consul says of {name} is not understood: {error}", name=name, error=told)
            return
        before = kept.view
        if is_there(view):
            kept.doubted = False
        elif before is not None and is_there(before) and not await self._belief.is_gone(kept, reply):
            kept.doubted = True
            self._log.warn("{name} has vanished from a Consul that may not know it; kept as it was", name=name)
            return
        self._know(kept, view)

    def _know(self, kept: Kept, view: View) -> None:
        """Have *view*, and tell whoever wants to know."""
        before, kept.view = kept.view, view
        if before is view:
            return
        if before is not None:
            self.changed(before)
        if isinstance(view, ServiceView):
            self.told(view)
        waiting, kept.waiting = kept.waiting, []
        for told in waiting:
            told.callback(None)

    def _tick(self) -> None:
        """Once a second: what has become stale, what could not be asked, and now and then what nobody asks for."""
        now = self.clock.seconds()
        self._ticking = self.clock.callLater(1.0, self._tick)
        for kept in self._kept.values():
            self._age(kept)
        self._shared.see_to()
        self._run(self._belief.note_rights())
        if now - self._swept >= IDLE:
            self._swept = now
            self._sweep()

    def _sweep(self) -> None:
        """Let go of what nobody has asked for since the last time. Hot answers do not ask, so they are forgotten:
        whoever wants them does."""
        for kept in list(self._kept.values()):
            if kept.stale or kept.view is None or kept.waiting:
                continue
            self.changed(kept.view)
            if not kept.asked and kept.key not in self._pinned:
                self._let_go(kept)
            kept.asked = False

    def _let_go(self, kept: Kept) -> None:
        del self._kept[kept.key]
        if kept.watch is None:
            self._shared.drop(kept)
        else:
            self._watches -= 1
            kept.watch.cancel()

    def _run(self, work: Coroutine[Deferred[Any], Any, None]) -> None:
        task = Deferred.fromCoroutine(work)
        self._tasks.add(task)

        def ended(result: object) -> None:
            self._tasks.discard(task)
            if isinstance(result, Failure) and not isinstance(result.value, CancelledError):
                self._log.failure("watching Consul", result)

        task.addBoth(ended)
