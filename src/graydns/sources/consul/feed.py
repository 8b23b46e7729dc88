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
from graydns.sources.consul.parsing import LARGE
from graydns.sources.consul.seeking import Seeking
from graydns.sources.consul.shared import Shared
from graydns.sources.consul.watching import begin_watch
from graydns.sources.slices import in_slices, rest
from graydns.steps import run
from graydns.timing import Clock
from txconsul import Consul, Reply, Watch
from txconsul.errors import ConsulError, Failing, Refused, Unreachable

#: Services and nodes that have a watch of their own.
MOST_WATCHES = 100

#: Services and nodes that are known at all; each costs memory. Past that those go that were not asked for lately.
MOST_KNOWN = 10_000

#: Seconds for which a query waits for what Consul says of a name for the first time.
PATIENCE = 2.0

#: Seconds after which what nobody has asked for is let go, twice that at most.
IDLE = 600.0

#: What Consul's HTTP interface says to paths that it cannot have: it leads elsewhere, or refuses them.
_NO_PATH = (301, 400)

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
    _seeking: Seeking = field(init=False, repr=False)
    _swept: float = field(init=False, default=0.0, repr=False)
    _ticking: Any = field(init=False, default=None, repr=False)
    #: Whether anything was told, or told again, since this was last set to False.
    fresh: bool = field(init=False, default=False)

    _log = Logger()

    def __attrs_post_init__(self) -> None:
        self._belief = Belief(self.consul, self.guarded, self._read)
        self._shared = Shared(
            self.clock, self.stale_after, self._watch, self._ask, self._run, self._contact, self._confirm
        )
        self._seeking = Seeking(self.clock, self._shared.lists, self._ask, self._adopt, self._run)

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
            doubted=sum(each.is_unseen for each in kept),
            unread=sum(each.unread for each in kept),
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
            elif key in self._shared.members:
                self._share(self._kept[key])

    async def learn(self, missing: NotYetKnown) -> None:
        """Wait until what is *missing* is known. Raises ResolveError if Consul does not say it in time."""
        key, told = (missing.kind, missing.name), Deferred[None]()
        self._wake()
        kept = self._kept.get(key)
        if kept is None and self._shared.lists(key):
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
            return self._seeking.denied((kind, name))
        kept.asked = True
        return kept.view

    def _wake(self) -> None:
        """Begin to work, at the first question."""
        if self._ticking is None:
            self._ticking = self.clock.callLater(1.0, self._tick)
            self._swept = self.clock.seconds()
            self._run(self._belief.note_rights())
            self._shared.start()

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
        self._share(kept)

    def _share(self, kept: Kept) -> None:
        """Give *kept* a watch of its own: a free one, or if it is pinned one of those that are not; else what all
        share."""
        if self._watches >= self.most_watches and kept.key in self._pinned:
            self._free_one()
        if self._watches < self.most_watches:
            self._shared.drop(kept)
            self._watches += 1
            kept.watch = watch = self._watch(kept.path)
            watch.heard = lambda reply: self._heard(kept, reply)
            watch.failed = lambda error: self._refused(kept, error)
            self._run(self._follow(kept, watch))
        else:
            self._shared.add(kept)

    def _free_one(self) -> None:
        """Take a watch from what is not pinned: first from what does not exist, then from what nobody asked for."""
        own = [kept for kept in self._kept.values() if kept.watch is not None and kept.key not in self._pinned]
        if not own:
            return
        kept = min(own, key=lambda each: (each.view is not None and is_there(each.view), each.asked))
        self._end_watch(kept)
        self._shared.add(kept)

    def _end_watch(self, kept: Kept) -> None:
        if kept.watch is not None:
            kept.watch.cancel()
            kept.watch = None
            self._watches -= 1

    def _make_room(self) -> None:
        """Let go of what was not asked for lately, if too much is known; never of what is pinned."""
        for _ in range(2 * len(self._kept)):
            if len(self._kept) < MOST_KNOWN:
                return
            key = next(iter(self._kept))
            kept = self._kept.pop(key)
            self._kept[key] = kept  # now it is the last one
            if key in self._pinned or kept.waiting:
                continue
            if kept.asked and kept.view is not None and is_there(kept.view):
                kept.asked = False
            else:
                self._let_go(kept)

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
            reply = await self.consul.request("GET", kept.path, {"stale": True}, parse=False)
        except ConsulError as error:
            self._refused(kept, error)
            return not isinstance(error, (Unreachable, Failing))
        self._heard(kept, reply)
        await self._take(kept, reply)
        return True

    def _failed(self, error: ConsulError) -> None:
        self.errors += 1
        self._last_error = str(error)

    def _refused(self, kept: Kept, error: ConsulError) -> None:
        """Consul could not be asked for *kept*. If it cannot have such a name, there is no such thing."""
        self._failed(error)
        if kept.view is None and isinstance(error, Refused) and error.reply.status in _NO_PATH:
            self._end_watch(kept)
            self._shared.drop(kept)
            kept.seen = float("inf")  # it cannot become another one
            self._know(kept, kept.nothing)

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
        self._announce(kept.view)

    async def _read(self, kept: Kept, reply: Reply) -> View:
        """What *reply* says of *kept*; of megabytes in slices. Raises Unreadable."""
        left_out: list[str] = []
        steps = kept.reading(reply, left_out.append)
        try:
            if len(reply.body) <= LARGE:
                view = run(steps)
            else:
                await rest(self.clock, 0)  # it has just been put together, and that takes long as well
                view = await in_slices(self.clock, steps)
        except Unreadable as error:
            self._note_unread(kept, max(1, len(left_out)), str(error))
            raise
        self._note_unread(kept, len(left_out), left_out[0] if left_out else "")
        return view

    def _note_unread(self, kept: Kept, count: int, why: str) -> None:
        """Note that so many instances are left out; in the log once, until all are understood again."""
        if count and not kept.unread:
            said = printable(f"{count} instances of {kept.key[1]}, the first: {why}")
            self._log.warn("what Consul says is not understood and left out: {said}", said=said)
        kept.unread = count

    async def _take(self, kept: Kept, reply: Reply) -> None:
        told = None if kept.watch is not None else (hash(reply.body), reply.filtered)
        if told is not None and kept.told == told:
            kept.doubted = False
            return
        try:
            view = await self._read(kept, reply)
        except Unreadable:
            if kept.view is None:
                kept.tell(ResolveError("what Consul says of it is not understood", ede=_NO_REACHABLE_AUTHORITY))
            return
        before, unseen = kept.view, kept.is_unseen
        if is_there(view):
            kept.doubted = False
            view = await self._belief.completed(kept, view, reply)
        elif before is not None and is_there(before) and not await self._belief.is_gone(kept, reply):
            kept.doubted = True
        if kept.is_unseen and not unseen:
            name, part = printable(kept.key[1]), "" if kept.doubted else "a part of "
            self._log.warn("{part}{name} has vanished from a Consul that may not know it; kept", part=part, name=name)
        if not kept.doubted:
            kept.told = told
            self._know(kept, view)

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
            if not kept.asked and kept.key not in self._pinned:
                self._let_go(kept)
            else:
                self.changed(kept.view)
            kept.asked = False

    def _let_go(self, kept: Kept) -> None:
        del self._kept[kept.key]
        if kept.view is not None:
            self.changed(kept.view)
        self._shared.drop(kept)
        self._end_watch(kept)

    def _run(self, work: Coroutine[Deferred[Any], Any, None]) -> None:
        task = Deferred.fromCoroutine(work)
        self._tasks.add(task)

        def ended(result: object) -> None:
            self._tasks.discard(task)
            if isinstance(result, Failure) and not isinstance(result.value, CancelledError):
                self._log.failure("watching Consul", result)

        task.addBoth(ended)
