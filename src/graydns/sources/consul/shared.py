"""Shared watches: three of them tell of any change, for all services and nodes that have no watch of their own.

::

    health/state/any, catalog/nodes ── whose checks, which nodes ──► these are not settled any more ──┐
    catalog/services ── something was registered or removed ───────► none is ────────────────────────┴► asked anew

Of the checks only those are listed that do not pass: they are few, and one that comes or goes changes the list.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping
from functools import partial
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

from graydns.model.catalog import ServiceView
from graydns.sources.consul.kept import Kept, Key
from graydns.timing import Clock
from txconsul import Reply, Watch
from txconsul.errors import ConsulError

#: Seconds at least between two rounds through what has changed. A long round is followed by as long a rest.
ROUND = 0.25

#: Requests of a round that are under way at once.
ABREAST = 16

SERVICES, CHECKS, NODES = "catalog/services", "health/state/any", "catalog/nodes"

#: The watches, and what goes with their requests.
WATCHES: Mapping[str, Mapping[str, str]] = {SERVICES: {}, CHECKS: {"filter": "Status != passing"}, NODES: {}}

#: A number by service or node that is another one when what was told of it is.
Digest = Mapping[Key, int]


@define(eq=False)
class _One:
    """One of the watches. *index*: of its last reply; None = anything may have changed since. *contact*: when
    that was confirmed."""

    watch: Watch
    index: int | None = None
    digest: Digest | None = None
    contact: float = float("-inf")


@define(eq=False)
class Shared:
    """*begin*: a watch of a path, with parameters. *ask*: asks for one service or node; whether Consul can be reached.
    *run*: starts work that ends by itself. *contact*: when the data of a reply were confirmed, *confirm*: takes that
    for one of the members. All in seconds of *clock*.
    """

    clock: Clock = field(repr=False)
    begin: Callable[[str, Mapping[str, str]], Watch] = field(repr=False)
    ask: Callable[[Kept], Coroutine[Deferred[Any], Any, bool]] = field(repr=False)
    run: Callable[[Coroutine[Deferred[Any], Any, None]], None] = field(repr=False)
    contact: Callable[[Reply], float] = field(repr=False)
    confirm: Callable[[Kept, float], None] = field(repr=False)
    members: dict[Key, Kept] = field(init=False, factory=dict, repr=False)
    _watches: dict[str, _One] = field(init=False, factory=dict, repr=False)
    _timer: Any = field(init=False, default=None, repr=False)
    _rests_until: float = field(init=False, default=0.0, repr=False)
    _abreast: int = field(init=False, default=0, repr=False)

    def add(self, kept: Kept) -> None:
        """Ask for *kept* soon, and again whenever it may have changed."""
        self.members[kept.key] = kept
        for path, params in () if self._watches else WATCHES.items():
            self._follow(path, params)
        self.see_to()

    def drop(self, kept: Kept) -> None:
        """Leave *kept* alone."""
        self.members.pop(kept.key, None)

    def see_to(self) -> None:
        """Begin a round soon if anything has to be asked."""
        if self._timer is None and not self._abreast and any(self._unsettled()):
            wait = max(0.0, self._rests_until - self.clock.seconds())
            self._timer = self.clock.callLater(wait, self._begin_round)

    async def ask_now(self, kept: Kept) -> bool:
        """Ask for *kept*, unless that is being done; whether Consul can be reached, for all that we know."""
        if kept.asking:
            return True
        kept.asking = kept.settled = True  # what changes from now on unsettles it again
        reached = False
        try:
            reached = await self.ask(kept)
        finally:
            kept.asking = False
            kept.settled = kept.settled and reached
        return reached

    def stop(self) -> None:
        """End the watches."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for one in self._watches.values():
            one.watch.cancel()

    def _follow(self, path: str, params: Mapping[str, str]) -> None:
        one = self._watches[path] = _One(self.begin(path, params))
        failed = one.watch.failed

        def lost(error: ConsulError) -> None:
            one.index = None
            failed(error)

        one.watch.heard, one.watch.failed = partial(self._heard, path), lost
        self.run(_exhaust(one.watch))

    def _unsettled(self) -> Iterator[Kept]:
        return (kept for kept in self.members.values() if not kept.settled and not kept.asking)

    def _heard(self, path: str, reply: Reply) -> None:
        one = self._watches[path]
        if one.index != reply.index:
            self._unsettle(path, one, reply)
        one.contact = self.contact(reply)
        # What is settled is as it was when the one of them that was silent longest last said so.
        contact = min(each.contact for each in self._watches.values())
        for kept in self.members.values():
            if kept.settled and not kept.asking:
                self.confirm(kept, contact)
        self.see_to()

    def _unsettle(self, path: str, one: _One, reply: Reply) -> None:
        """Find out who may have changed."""
        before, lost = one.digest, one.index is None
        one.index, one.digest = reply.index, _digest(path, reply.json)
        if before is None or one.digest is None or lost:
            for kept in self.members.values():
                kept.settled = False
            return
        changed = {key for key, _ in before.items() ^ one.digest.items()}
        nodes = {name for kind, name in changed if kind == "node"}
        for key, kept in self.members.items():
            if key in changed or (nodes and _is_on(kept, nodes)):
                kept.settled = False

    def _begin_round(self) -> None:
        self._timer, self._abreast = None, ABREAST
        left, began = iter(list(self._unsettled())), self.clock.seconds()
        for _ in range(ABREAST):
            self.run(self._go_through(left, began))

    async def _go_through(self, left: Iterator[Kept], began: float) -> None:
        """Ask for what is *left*; if Consul cannot be reached, another second may do better."""
        reached = True
        try:
            while reached and (kept := next(left, None)) is not None:
                reached = kept.settled or await self.ask_now(kept)
        finally:
            self._abreast -= 1
            if not self._abreast:
                now = self.clock.seconds()
                self._rests_until = now + max(ROUND, now - began)
        if reached:
            self.see_to()


async def _exhaust(watch: Watch) -> None:
    """Keep *watch* going; what it says is heard already."""
    async for _ in watch:
        pass


def _is_on(kept: Kept, nodes: set[str]) -> bool:
    view = kept.view
    return isinstance(view, ServiceView) and any(instance.node.lower() in nodes for instance in view.instances)


def _digest(path: str, document: Any) -> Digest | None:
    """What *document* says of each, in short; None if that cannot be told, as of registrations, whose list has no
    more than names and tags."""
    found: dict[Key, int] = {}
    if path == SERVICES or not isinstance(document, list):
        return None
    try:
        for entry in document:
            if path == NODES:
                key, told = ("node", entry["Node"].lower()), hash((entry["Address"], str(entry["Meta"])))
            else:
                service, node = entry["ServiceName"], entry["Node"]
                key = ("service", service.lower()) if service else ("node", node.lower())
                told = hash((node, entry["CheckID"], entry["ServiceID"], entry["Status"]))
            found[key] = found.get(key, 0) ^ told
    except (TypeError, KeyError, AttributeError):
        return None
    return found
