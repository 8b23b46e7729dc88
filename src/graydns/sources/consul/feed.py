"""The feed: services and nodes that somebody asked for, watched in Consul and kept as a catalog.

::

    service(name) ── known ──► ServiceView                     a dictionary look-up
                 └── None ──► learn ──► a watch of its own ──► every change within milliseconds
                                    └─► past the bound: one watch for all of those, asked anew when anything changes

What Consul said last is kept while it says nothing. What vanishes is believed only if Consul is in a state to know.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from graydns.model.catalog import NodeView, ServiceView
from graydns.model.errors import NotYetKnown, ResolveError, Unreadable
from graydns.sources.consul.reading import read_node, read_service
from graydns.timing import Clock
from txconsul import Reply, watch
from txconsul.errors import ConsulError

#: Services and nodes that have a watch of their own.
MOST_WATCHES = 100

#: Services and nodes that are known at all; each costs memory, and clients can ask for names without end.
MOST_KNOWN = 10_000

#: Seconds for which a query waits for what Consul says of a name for the first time.
PATIENCE = 2.0

#: Seconds after which what nobody has asked for is let go, twice that at most.
IDLE = 600.0

#: The longest that Consul holds a query, in seconds, and the part of *stale_after* that it is at most.
HOLD, HOLD_PART = 30.0, 0.4

#: Seconds between two rounds through what has no watch of its own.
ROUND = 0.5

#: Info code of RFC 8914: No Reachable Authority.
_NO_REACHABLE_AUTHORITY = 22

View = ServiceView | NodeView
_Key = tuple[str, str]


class Told(NamedTuple):
    """What Consul said of a service or node, and *known*: the index that it had then."""

    view: View
    known: int


class Asking(Protocol):
    """What is needed of ``txconsul.Consul``."""

    def request(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        *,
        wait: float | None = None,
    ) -> Deferred[Reply]:
        """Ask."""


@define(eq=False)
class _Kept:
    """One service or node. *view*: None until Consul has told it. *asked*: since the last look for idle ones. *index*,
    *before*: of the last reply and of the one before. *doubted*: Consul may have lost sight of it: until it is there
    again, nothing it says of its absence is believed."""

    key: _Key
    path: str
    view: View | None = None
    index: int = 0
    before: int = 0
    doubted: bool = False
    seen: float = 0.0
    asked: bool = True
    stale: bool = False
    watch: Any = None
    waiting: list[Deferred[None]] = field(factory=list)


@define(eq=False)
class Feed:
    """Implements ``model.catalog.Catalog``.

    *changed*: is told each view that is not current any more, or whose data have become stale. *stale_after*: seconds
    without a word from Consul after which they are. *guarded*: whether requests carry a token, which may lose its
    rights. *told*: is told each new view of a service that is pinned.
    """

    consul: Asking = field(repr=False)
    clock: Clock = field(repr=False)
    stale_after: float
    changed: Callable[[View], None] = field(repr=False)
    guarded: bool = False
    most_watches: int = MOST_WATCHES
    told: Callable[[ServiceView], None] = field(init=False, default=lambda view: None, repr=False)
    _pinned: frozenset[_Key] = field(init=False, default=frozenset(), repr=False)
    _kept: dict[_Key, _Kept] = field(init=False, factory=dict, repr=False)
    _tasks: set[Deferred[None]] = field(init=False, factory=set, repr=False)
    _shared: list[Any] = field(init=False, factory=list, repr=False)
    _swept: float = field(init=False, default=0.0, repr=False)
    _ticking: Any = field(init=False, default=None, repr=False)
    _rights: object = field(init=False, default=None, repr=False)
    _due: bool = field(init=False, default=False, repr=False)
    #: Whether anything was told, or told again, since this was last set to False.
    fresh: bool = field(init=False, default=False)

    _log = Logger()

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
        kept = self._kept.get(_key_of(view))
        return kept is not None and kept.view is view and not kept.stale

    def is_stale(self, view: View) -> bool:
        """Whether nothing has been heard of *view* for too long."""
        kept = self._kept.get(_key_of(view))
        return kept is not None and kept.stale

    @property
    def status(self) -> dict[str, Any]:
        """What is watched, and how long ago Consul last said anything of what has been silent longest."""
        now = self.clock.seconds()
        heard = [now - kept.seen for kept in self._kept.values() if kept.view is not None]
        return {
            "known": len(self._kept),
            "watches": sum(kept.watch is not None for kept in self._kept.values()),
            "stale": sum(kept.stale for kept in self._kept.values()),
            "oldest": round(max(heard, default=0.0), 1),
        }

    def remembered(self) -> list[Told]:
        """Everything that is there, to be kept for :meth:`recall`."""
        return [Told(kept.view, kept.index) for kept in self._kept.values() if kept.view and _is_there(kept.view)]

    def recall(self, told: Iterable[Told], age: float) -> None:
        """Know what was *told* before, *age* seconds ago, until Consul says more."""
        for view, index in told:
            kept = self._begin(NotYetKnown(*_key_of(view)), view)
            kept.view, kept.index = view, index
            kept.seen, kept.stale = self.clock.seconds() - age, age > self.stale_after
            if isinstance(view, ServiceView):
                self.told(view)

    def pin(self, names: Iterable[str]) -> None:
        """Watch these services from now on, and never let them go, whether anybody asks or not; no others that were
        pinned before."""
        self._pinned = frozenset(("service", name) for name in names)
        for kind, name in self._pinned:
            if (kind, name) not in self._kept:
                self._begin(NotYetKnown(kind, name))

    async def learn(self, missing: NotYetKnown) -> None:
        """Wait until what is *missing* is known. Raises ResolveError if Consul does not say it in time."""
        kept = self._kept.get((missing.kind, missing.name)) or self._begin(missing)
        if kept.view is not None:
            return
        told: Deferred[None] = Deferred()
        kept.waiting.append(told)
        timer = self.clock.callLater(PATIENCE, lambda: None if told.called else told.cancel())
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
        for each in self._shared:
            each.cancel()
        for task in tuple(self._tasks):
            task.cancel()

    def _find(self, kind: str, name: str) -> View | None:
        kept = self._kept.get((kind, name))
        if kept is None:
            return None
        kept.asked = True
        return kept.view

    def _begin(self, missing: NotYetKnown, view: View | None = None) -> _Kept:
        if len(self._kept) >= MOST_KNOWN and (missing.kind, missing.name) not in self._pinned:
            raise ResolveError("too many names of Consul's are asked for", ede=_NO_REACHABLE_AUTHORITY)
        part = "health/service" if missing.kind == "service" else "catalog/node"
        kept = _Kept((missing.kind, missing.name), f"{part}/{quote(missing.name, safe='')}", view)
        self._kept[kept.key] = kept
        if self._ticking is None:
            self._ticking = self.clock.callLater(1.0, self._tick)
            self._swept = self.clock.seconds()
            if self.guarded:
                self._run(self._note_rights())
        if sum(each.watch is not None for each in self._kept.values()) < self.most_watches:
            kept.watch = self._watch(kept.path)
            self._run(self._follow(kept))
        else:
            self._share()
            self._run(self._ask(kept))
        return kept

    def _watch(self, path: str) -> Any:
        wait = min(HOLD, HOLD_PART * self.stale_after)
        return watch(self.consul, path, wait=wait, clock=self.clock, random=random.random)

    async def _follow(self, kept: _Kept) -> None:
        """Take what the watch of *kept* tells, until it ends."""
        kept.watch.heard = lambda reply: self._heard(kept, reply)
        async for reply in _until_cancelled(kept.watch):
            await self._take(kept, reply)

    async def _ask(self, kept: _Kept) -> None:
        """Ask once for *kept*, which has no watch."""
        try:
            reply = await self.consul.request("GET", kept.path, {"stale": True})
        except ConsulError:
            return
        self._heard(kept, reply)
        await self._take(kept, reply)

    def _heard(self, kept: _Kept, reply: Reply) -> None:
        self.fresh = True
        kept.before, kept.index = kept.index, reply.index or 0
        kept.seen = self.clock.seconds()
        kept.stale = False

    async def _take(self, kept: _Kept, reply: Reply) -> None:
        try:
            view = _read(kept, reply)
        except Unreadable as error:
            self._log.warn("what Consul says of {name} is not understood: {error}", name=kept.key[1], error=str(error))
            return
        before = kept.view
        if _is_there(view):
            kept.doubted = False
        elif before is not None and _is_there(before) and not await self._is_sure(kept, reply):
            kept.doubted = True
            self._log.warn("{name} has vanished from a Consul that may not know it; kept as it was", name=kept.key[1])
            return
        kept.view = view
        if before is not None and before is not view:
            self.changed(before)
        if before is not view and kept.key in self._pinned and isinstance(view, ServiceView):
            self.told(view)
        waiting, kept.waiting = kept.waiting, []
        for told in waiting:
            told.callback(None)

    async def _is_sure(self, kept: _Kept, reply: Reply) -> bool:
        """Whether Consul is in a state to know that what was there is not there any more.

        What goes has a higher index than what was there. A lower one is that of a Consul that was restored or has begun
        anew; the same one is that of a list from which we are not shown everything any more. The leader has to say so.
        """
        if kept.doubted or reply.filtered or (reply.index or 0) <= kept.before:
            return False
        try:
            if self.guarded and not await self._has_rights():
                return False
            again = await self.consul.request("GET", kept.path)
        except ConsulError:
            return False
        return (again.index or 0) >= (reply.index or 0) and not _is_there(_read(kept, again))

    async def _has_rights(self) -> bool:
        """Whether the token is what it was when this was asked for the first time."""
        token = (await self.consul.request("GET", "acl/token/self")).json
        rights = [token.get(part) for part in ("Policies", "Roles", "ServiceIdentities")]
        if self._rights is None:
            self._rights = rights
        return rights == self._rights

    async def _note_rights(self) -> None:
        with suppress(ConsulError):
            await self._has_rights()

    def _share(self) -> None:
        """Watch for any change of anything, for those that have no watch of their own."""
        if self._shared:
            return
        for path in ("health/state/any", "catalog/services"):
            each = self._watch(path)
            self._shared.append(each)
            self._run(self._follow_all(each))

    async def _follow_all(self, shared: Any) -> None:
        async for _ in _until_cancelled(shared):
            if not self._due:
                self._due = True
                self.clock.callLater(ROUND, lambda: self._run(self._ask_all()))

    async def _ask_all(self) -> None:
        self._due = False
        for kept in [each for each in self._kept.values() if each.watch is None]:
            await self._ask(kept)

    def _tick(self) -> None:
        """Once a second: what has become stale, and now and then what nobody asks for."""
        now = self.clock.seconds()
        self._ticking = self.clock.callLater(1.0, self._tick)
        for kept in self._kept.values():
            if (
                kept.watch is not None
                and kept.view is not None
                and not kept.stale
                and now - kept.seen > self.stale_after
            ):
                kept.stale = True
                self.changed(kept.view)
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
                del self._kept[kept.key]
                if kept.watch is not None:
                    kept.watch.cancel()
            kept.asked = False

    def _run(self, work: Any) -> None:
        task = Deferred.fromCoroutine(work)
        self._tasks.add(task)

        def ended(result: object) -> None:
            self._tasks.discard(task)
            if isinstance(result, Failure) and not isinstance(result.value, CancelledError):
                self._log.failure("watching Consul", result)

        task.addBoth(ended)


async def _until_cancelled(watched: Any) -> AsyncIterator[Reply]:
    async for reply in watched:
        yield reply


def _key_of(view: View) -> _Key:
    return ("service" if isinstance(view, ServiceView) else "node"), view.name.lower()


def _read(kept: _Kept, reply: Reply) -> View:
    """What *reply* says of *kept*. Raises Unreadable."""
    name = kept.key[1]
    if kept.key[0] == "service":
        return read_service(name, reply.json, kept.view if isinstance(kept.view, ServiceView) else None)
    return read_node(name, reply.json, kept.view if isinstance(kept.view, NodeView) else None)


def _is_there(view: View) -> bool:
    """Whether Consul has it at all."""
    return bool(view.instances) if isinstance(view, ServiceView) else view.address is not None
