"""Allotting: the few watches of their own, to those who need them most; what they tell, and when it was true."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

from graydns.runtime.timing import Clock
from graydns.sources.consul.census import Census
from graydns.sources.consul.kept import Kept, Key, is_there
from graydns.sources.consul.shared import Shared
from graydns.sources.consul.watching import begin_watch
from txconsul import Consul, Reply, Watch
from txconsul.errors import ConsulError, Failing, Refused, Unreachable

#: What Consul's HTTP interface says to paths that it cannot have: it leads elsewhere, or refuses them.
_NO_PATH = (301, 400)


@define(eq=False)
class Allotting:
    """*most*: watches of their own. *run*: starts work that ends by itself. *take*: takes a Reply that was heard.
    *confirmed*: is told when something was. *impossible*: is told of names that Consul cannot be asked for."""

    consul: Consul = field(repr=False)
    clock: Clock = field(repr=False)
    stale_after: float
    most: int
    run: Callable[[Coroutine[Deferred[Any], Any, None]], None] = field(repr=False)
    take: Callable[[Kept, Reply], Coroutine[Deferred[Any], Any, None]] = field(repr=False)
    confirmed: Callable[[Kept], None] = field(repr=False)
    impossible: Callable[[Kept], None] = field(repr=False)
    own: dict[Key, Kept] = field(init=False, factory=dict, repr=False)
    shared: Shared = field(init=False, repr=False)
    pinned: frozenset[Key] = field(init=False, default=frozenset(), repr=False)
    errors: int = field(init=False, default=0)
    last_error: str | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self.shared = Shared(
            self.clock,
            self.stale_after,
            self._watch,
            self.ask,
            Census(self.consul, self.clock),
            self.run,
            self._contact,
            self._confirm,
        )

    def follow(self, kept: Kept) -> None:
        """Give *kept* a watch of its own: a free one, or if it is pinned one of those that are not; else have it share
        those of all others."""
        if kept.key in self.own:
            return
        if len(self.own) >= self.most and kept.key in self.pinned:
            self._free_one()
        if len(self.own) >= self.most:
            self.shared.add(kept)
            return
        self.shared.drop(kept)
        self.own[kept.key] = kept
        kept.watch = watch = self._watch(kept.path)
        watch.heard = lambda reply: self._heard(kept, reply)
        watch.failed = lambda error: self._refused(kept, error)
        self.run(self._read(kept, watch))

    def leave(self, kept: Kept) -> None:
        """Follow *kept* no more."""
        self.shared.drop(kept)
        if kept.watch is not None:
            kept.watch.cancel()
            kept.watch = None
            del self.own[kept.key]

    async def ask(self, kept: Kept) -> bool:
        """Ask once for *kept*; whether there is any use in asking for others."""
        try:
            reply = await self.consul.request("GET", kept.path, {"stale": True}, parse=False)
        except ConsulError as error:
            self._refused(kept, error)
            return not isinstance(error, (Unreachable, Failing))
        self._heard(kept, reply)
        await self.take(kept, reply)
        return True

    def stop(self) -> None:
        """End every watch."""
        for kept in self.own.values():
            if kept.watch is not None:
                kept.watch.cancel()
        self.shared.stop()

    def _free_one(self) -> None:
        """Take a watch from what is not pinned: first from what does not exist, then from what nobody asked for."""
        free = [kept for key, kept in self.own.items() if key not in self.pinned]
        if free:
            kept = min(free, key=lambda each: (each.view is not None and is_there(each.view), each.asked))
            self.leave(kept)
            self.shared.add(kept)

    def _watch(self, path: str, params: Mapping[str, str] | None = None) -> Watch:
        made = begin_watch(self.consul, path, params, stale_after=self.stale_after, clock=self.clock, parse=False)
        made.failed = self._failed
        return made

    async def _read(self, kept: Kept, watch: Watch) -> None:
        """Take what the watch of *kept* tells, until it ends."""
        async for reply in watch:
            await self.take(kept, reply)

    def _failed(self, error: ConsulError) -> None:
        self.errors += 1
        self.last_error = str(error)

    def _refused(self, kept: Kept, error: ConsulError) -> None:
        """Consul could not be asked for *kept*; perhaps it cannot have such a name."""
        self._failed(error)
        if kept.view is None and isinstance(error, Refused) and error.reply.status in _NO_PATH:
            self.leave(kept)
            kept.seen = float("inf")  # it cannot become another one
            self.impossible(kept)

    def _heard(self, kept: Kept, reply: Reply) -> None:
        kept.before, kept.index = kept.index, reply.index or 0
        self._confirm(kept, self._contact(reply))

    def _contact(self, reply: Reply) -> float:
        """When the servers' leader last confirmed what *reply* says: a server that lost him answers on."""
        return self.clock.seconds() - (reply.last_contact or 0.0)

    def _confirm(self, kept: Kept, contact: float) -> None:
        """Consul said at *contact* that *kept* is as it is."""
        kept.seen = max(kept.seen, contact)
        self.confirmed(kept)
