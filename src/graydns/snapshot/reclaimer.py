"""Lets go of what an old Snapshot leaves behind, a little at a time.

A policy of 100,000 rules is some million objects; freed in one go they would stop answers for a fifth of a second.
So the undertaker holds on to the large collections of every Router and Zone from the day they are served, and takes
them apart once the Router or Zone itself is gone, when no query can use them any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice
from typing import Any
from weakref import ref

from attrs import define, field

from graydns.gray.router import Router
from graydns.snapshot.snapshot import Snapshot

#: Steps of a few small objects each that are made in one.
_STEPS_PER_YIELD = 50


@define(eq=False)
class DeferredReclaimer:
    """*wake*: called when there is work and nobody at it: let it run :meth:`work` to its end, in slices."""

    wake: Callable[[], None] = field(repr=False)
    _watched: dict[int, ref[Any]] = field(init=False, factory=dict, repr=False)
    _pending: deque[Iterator[None]] = field(init=False, factory=deque, repr=False)
    _busy: bool = field(init=False, default=False)

    def watch_snapshot(self, snapshot: Snapshot) -> None:
        """Take care of what *snapshot* holds once it is gone."""
        for router in snapshot.routers.values():
            self.watch_router(router)
        for zone in snapshot.zones:
            self._reclaim_after(zone, partial(_reclaim_items, zone.shards))
        for file in snapshot.zone_files:
            self._reclaim_after(file, partial(_reclaim_mapping, file.services))

    def watch_router(self, router: Router) -> None:
        """Take care of what *router* holds once it is gone."""
        self._reclaim_after(router, router.reclaim_steps)
        self._reclaim_after(router.rule_index, partial(_reclaim_policy, router))

    def schedule(self, remains: Iterator[None]) -> None:
        """Go through *remains*, which drops something at every step, beside queries."""
        self._pending.append(remains)
        if not self._busy:
            self._busy = True
            self.wake()

    def reclaim_steps(self) -> Generator[None, None, None]:
        """All that there is to do, in small steps."""
        while self._pending:
            remains = self._pending.popleft()
            while sum(1 for _ in islice(remains, _STEPS_PER_YIELD)) == _STEPS_PER_YIELD:
                yield
            yield
        self._busy = False

    def _reclaim_after(self, owner: object, remains: Callable[[], Iterator[None]]) -> None:
        """Take what *remains* gives once *owner* is gone."""
        if (key := id(owner)) in self._watched:
            return
        kept = remains()

        def bury(_: ref[Any]) -> None:
            del self._watched[key]
            self.schedule(kept)

        self._watched[key] = ref(owner, bury)


def _reclaim_policy(router: Router) -> Iterator[None]:
    """What takes apart all that the Routers of one policy share; it does not hold the Scopes that stand for it."""
    first = chain(router.rule_index.reclaim_steps(), router.networks.reclaim_steps())
    return chain(first, _reclaim_mapping(router.services), _reclaim_items(router.rules))


def _reclaim_mapping(mapping: Mapping[Any, Any]) -> Iterator[None]:
    """Drop what *mapping* holds, which somebody else may hold too."""
    rest = [*mapping.keys(), *mapping.values()]
    del mapping
    while rest:
        rest.pop()
        yield


def _reclaim_items(items: Sequence[object]) -> Iterator[None]:
    rest = list(items)
    del items  # or all would be held to the end, and freed in one go
    while rest:
        rest.pop()
        yield
