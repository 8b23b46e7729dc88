"""Shared watches: three of them tell of any change, for all services and nodes that have no watch of their own.

::

    health/state/any, catalog/nodes ── whose checks, which nodes ──► these are not settled any more ──► asked anew
    catalog/services ──┬─ whose tags, who is new ──────────────────► these are not settled any more ──┘
                       └─ something was registered or removed ──┬──► census: whose instances ──► asked anew
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
from graydns.runtime.slices import run_in_slices, sleep
from graydns.runtime.steps import run_steps
from graydns.runtime.timing import Clock
from graydns.sources.consul.census import Census
from graydns.sources.consul.digest import CHECKS, NODES, SERVICES, Digest, digest
from graydns.sources.consul.kept import Kept, Key
from graydns.sources.consul.parsing import LARGE
from graydns.sources.consul.rounds import Rounds
from txconsul import Reply, Watch
from txconsul.errors import ConsulError

#: The parameters that go with the requests of each watch.
PARAMETERS: Mapping[str, Mapping[str, str]] = {SERVICES: {}, CHECKS: {"filter": "Status != passing"}, NODES: {}}

#: A census is worth it for so many members, and so many of them for each node. The least time between two, in seconds.
WORTH, WORTH_EACH, INTERVAL = 64, 4, 0.25

#: Which list has the names of a kind.
LISTS = {"service": SERVICES, "node": NODES}


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
    *census*: tells whose instances changed. *run*: starts work that ends by itself. *contact*: when the data of a reply
    were confirmed, *confirm*: takes that for one of the members. *stale_after*: how long the lists are believed. All in
    seconds of *clock*.
    """

    clock: Clock = field(repr=False)
    stale_after: float
    begin: Callable[[str, Mapping[str, str]], Watch] = field(repr=False)
    ask: Callable[[Kept], Coroutine[Deferred[Any], Any, bool]] = field(repr=False)
    census: Census = field(repr=False)
    run: Callable[[Coroutine[Deferred[Any], Any, None]], None] = field(repr=False)
    contact: Callable[[Reply], float] = field(repr=False)
    confirm: Callable[[Kept, float], None] = field(repr=False)
    members: dict[Key, Kept] = field(init=False, factory=dict, repr=False)
    _watches: dict[str, _One] = field(init=False, factory=dict, repr=False)
    _rounds: Rounds = field(init=False, repr=False)
    _counting: bool = field(init=False, default=False, repr=False)
    _to_count: bool = field(init=False, default=False, repr=False)
    #: Whether the last census failed: the next one waits for the next change.
    _uncounted: bool = field(init=False, default=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._rounds = Rounds(self.clock, self.members, self.ask_now, self.run, self.stale_after)

    def start(self) -> None:
        """Follow the lists of names."""
        for path in LISTS.values():
            self._follow(path)

    def lists(self, key: Key) -> bool | None:
        """Whether Consul's list has it; None = that is not known, or not any more."""
        one = self._watches.get(LISTS[key[0]])
        if one is None or one.digest is None or self.clock.seconds() - one.contact > self.stale_after:
            return None
        return key in one.digest

    def add(self, kept: Kept) -> None:
        """Ask for *kept* soon, and again whenever it may have changed."""
        self.members[kept.key] = kept
        kept.settled = False
        for path in PARAMETERS:
            self._follow(path)
        self.see_to()

    def drop(self, kept: Kept) -> None:
        """Leave *kept* alone."""
        self.members.pop(kept.key, None)

    def see_to(self) -> None:
        """Begin a round soon if anything has to be asked."""
        if self.census.is_empty and not self._uncounted and self._is_worth():
            self._count()
        self._rounds.see_to()

    async def ask_now(self, kept: Kept) -> bool:
        """Ask for *kept*, unless that is being done; whether Consul can be reached, for all that we know."""
        if kept.asking:
            return True
        kept.asking = kept.settled = True  # what changes from now on unsettles it again
        kept.unsure = False
        reached = False
        try:
            reached = await self.ask(kept)
        finally:
            kept.asking = False
            kept.settled = kept.settled and reached
        return reached

    def stop(self) -> None:
        """End the watches."""
        self._rounds.stop()
        for one in self._watches.values():
            one.watch.cancel()

    def _follow(self, path: str) -> None:
        if path in self._watches:
            return
        one = self._watches[path] = _One(self.begin(path, PARAMETERS[path]))
        failed = one.watch.failed

        def lost(error: ConsulError) -> None:
            one.index = None
            failed(error)

        one.watch.heard, one.watch.failed = partial(self._heard, path, one), lost
        self.run(self._read(path, one))

    def _heard(self, path: str, one: _One, reply: Reply) -> None:
        if not one.watch.changed:
            self._told(path, one, reply, one.digest)

    async def _read(self, path: str, one: _One) -> None:
        """Read what *one* tells, until it ends."""
        async for reply in one.watch:
            steps: Generator[None, None, Digest] = digest(path, reply.body)
            try:
                found = run_steps(steps) if len(reply.body) <= LARGE else await run_in_slices(self.clock, steps)
            except ConsulReplyError:
                self._told(path, one, reply, None)
            else:
                self._told(path, one, reply, found)

    def _told(self, path: str, one: _One, reply: Reply, found: Digest | None) -> None:
        before, one.digest = one.digest, found
        woken, lost, one.index = one.index != reply.index, one.index is None, reply.index
        if lost or before is None or found is None:
            for kept in self.members.values() if woken or found is None else ():
                kept.settled = False
        else:
            changed = {key for key, _ in before.items() ^ found.items()} if found is not before else set()
            self._unsettle(changed)
        one.contact = self.contact(reply)
        if woken and path != CHECKS:
            self._count()
        self._confirm_all()
        self.see_to()

    def _confirm_all(self) -> None:
        """What is settled is as it was when the one of them that was silent longest last said so."""
        if self._counting:
            return
        contact = min(each.contact for each in self._watches.values())
        for kept in self.members.values():
            if kept.settled and not kept.unsure and not kept.asking:
                self.confirm(kept, contact)

    def _unsettle(self, changed: set[Key]) -> None:
        """Have those asked for that *changed*, or whose nodes did."""
        nodes = {name for kind, name in changed if kind == "node"}
        for key, kept in self.members.items() if changed else ():
            if key in changed or (nodes and _is_on(kept, nodes)):
                kept.settled = False

    def _nodes(self) -> list[str]:
        one = self._watches.get(NODES)
        return [] if one is None else [name for _, name in one.digest or ()]

    def _is_worth(self) -> bool:
        """Whether a census is less work than to ask for all members."""
        return len(self.members) > WORTH and 0 < len(self._nodes()) <= len(self.members) / WORTH_EACH

    def _count(self) -> None:
        """Something was registered or removed: find out whose instances, or be unsure of all."""
        if not self._is_worth():
            self._doubt_all()
        elif self._counting:
            self._to_count = True
        else:
            self._counting = True
            self.run(self._take_census())

    def _doubt_all(self) -> None:
        self.census.forget()
        for kept in self.members.values():
            kept.unsure = True

    async def _take_census(self) -> None:
        try:
            self._to_count = True
            while self._to_count:
                self._to_count, began = False, self.clock.seconds()
                self._unsettle(await self.census.changed(self._nodes()))
                self._rounds.see_to()
                if self._to_count:
                    await sleep(self.clock, max(INTERVAL, self.clock.seconds() - began))
            self._uncounted = False
        except (ConsulError, ConsulReplyError):
            self._uncounted = True
            self._doubt_all()
        finally:
            self._counting = False
        self._confirm_all()
        self._rounds.see_to()


def _is_on(kept: Kept, nodes: set[str]) -> bool:
    view = kept.view
    return isinstance(view, ServiceView) and any(instance.node.lower() in nodes for instance in view.instances)
