"""Census: whose instances were registered, changed or removed, by what each node has.

Consul tells that something was registered anywhere, but not of which service. Nodes are fewer than services as a rule:
asked for what they have, they tell it exactly, and only what the changed ones say has to be read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from attrs import define, field
from twisted.internet.defer import Deferred, FirstError, gatherResults

from graydns.runtime.slices import run_in_slices
from graydns.runtime.timing import Clock
from graydns.sources.consul.digest import ON_NODE, Digest, digest
from graydns.sources.consul.kept import Key
from txconsul import Consul

#: Requests that are under way at once.
ABREAST = 16


@define(eq=False)
class Census:
    """What every node had when it was asked last."""

    consul: Consul = field(repr=False)
    clock: Clock = field(repr=False)
    _had: dict[str, tuple[int, Digest]] = field(init=False, factory=dict, repr=False)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known."""
        return not self._had

    def forget(self) -> None:
        """Know nothing: then all that nodes have counts as changed."""
        self._had.clear()

    async def changed(self, nodes: Collection[str]) -> set[Key]:
        """The services of which instances have changed since the last time; *nodes*: all that there are.

        Raises ConsulError, Unreadable: then the next time tells of these changes.
        """
        had = self._had
        found: dict[str, tuple[int, Digest]] = {}
        left = iter(nodes)
        workers = [Deferred.fromCoroutine(self._go_through(left, found)) for _ in range(ABREAST)]
        try:
            await gatherResults(workers, consumeErrors=True)
        except FirstError as error:
            error.subFailure.raiseException()
        changed: set[Key] = set()
        for node in had.keys() | found.keys():
            (before, old), (now, new) = had.get(node, (0, {})), found.get(node, (0, {}))
            if before != now or old is not new:
                changed.update(key for key, _ in old.items() ^ new.items())
        self._had = found
        return changed

    async def _go_through(self, left: Iterator[str], found: dict[str, tuple[int, Digest]]) -> None:
        for node in left:
            found[node] = await self._ask(node)

    async def _ask(self, node: str) -> tuple[int, Digest]:
        reply = await self.consul.request("GET", ON_NODE + node, {"stale": True}, parse=False)
        told = hash(reply.body)
        before = self._had.get(node)
        if before is not None and before[0] == told:
            return before
        return told, await run_in_slices(self.clock, digest(ON_NODE, reply.body))
