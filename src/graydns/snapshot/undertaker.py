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
_TOGETHER = 50


@define(eq=False)
class Undertaker:
    """*wake*: called when there is work and nobody at it: let it run :meth:`work` to its end, in slices."""

    wake: Callable[[], None] = field(repr=False)
    _held: dict[int, ref[Any]] = field(init=False, factory=dict, repr=False)
    _waiting: deque[Iterator[None]] = field(init=False, factory=deque, repr=False)
    _busy: bool = field(init=False, default=False)

    def watch(self, snapshot: Snapshot) -> None:
        """Take care of what *snapshot* holds once it is gone."""
        for router in snapshot.routers.values():
            self.follow(router)
        for zone in snapshot.zones:
            self._hold(zone, partial(_drop, zone.shards))
        for file in snapshot.zone_files:
            self._hold(file, partial(_drop_values, file.services))

    def follow(self, router: Router) -> None:
        """Take care of what *router* holds once it is gone."""
        self._hold(router, router.remains)
        self._hold(router.scopes, partial(_policy, router))

    def take(self, remains: Iterator[None]) -> None:
        """Go through *remains*, which drops something at every step, beside queries."""
        self._waiting.append(remains)
        if not self._busy:
            self._busy = True
            self.wake()

    def work(self) -> Generator[None, None, None]:
        """All that there is to do, in small steps."""
        while self._waiting:
            remains = self._waiting.popleft()
            while sum(1 for _ in islice(remains, _TOGETHER)) == _TOGETHER:
                yield
            yield
        self._busy = False

    def _hold(self, owner: object, remains: Callable[[], Iterator[None]]) -> None:
        """Take what *remains* gives once *owner* is gone."""
        if (key := id(owner)) in self._held:
            return
        kept = remains()

        def bury(_: ref[Any]) -> None:
            del self._held[key]
            self.take(kept)

        self._held[key] = ref(owner, bury)


def _policy(router: Router) -> Iterator[None]:
    """What takes apart all that the Routers of one policy share; it does not hold the Scopes that stand for it."""
    first = chain(router.scopes.remains(), router.networks.release())
    return chain(first, _drop_values(router.services), _drop(router.rules))


def _drop_values(mapping: Mapping[Any, Any]) -> Iterator[None]:
    """Drop what *mapping* holds, which somebody else may hold too."""
    rest = [*mapping.keys(), *mapping.values()]
    del mapping
    while rest:
        rest.pop()
        yield


def _drop(items: Sequence[object]) -> Iterator[None]:
    rest = list(items)
    del items  # or all would be held to the end, and freed in one go
    while rest:
        rest.pop()
        yield
