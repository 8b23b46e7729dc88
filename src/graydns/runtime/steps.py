"""Generators as work in small steps, and deferred deallocation in such steps. Pure: nothing here waits.

A policy of 100,000 rules is about a million objects. Freed at once they would stop answers for a fifth of a second, so
the DeferredReclaimer keeps their collections alive when their owner goes away, and empties them beside queries; the
caller of :meth:`DeferredReclaimer.reclaim_steps` decides when the steps run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar
from weakref import ref

from attrs import define, field

ResultT = TypeVar("ResultT")


def run_steps(steps: Generator[None, None, ResultT]) -> ResultT:
    """Run *steps* to the end without a break; returns what they return."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: ResultT = done.value
            return result


def reclaim(*collections: list[Any] | dict[Any, Any]) -> Iterator[None]:
    """Empty *collections* in place, one item a step."""
    for collection in collections:
        take = collection.popitem if isinstance(collection, dict) else collection.pop
        while collection:
            take()
            yield


def release_mapping(mapping: Mapping[Any, Any]) -> Iterator[None]:
    """Drop references to the keys and values of *mapping*, one a step; *mapping* itself is not changed."""
    rest = [*mapping.keys(), *mapping.values()]
    del mapping  # or all would be referenced to the end, and freed at once
    while rest:
        rest.pop()
        yield


def release_items(items: Sequence[object]) -> Iterator[None]:
    """Drop references to *items*, one a step; the sequence itself is not changed."""
    rest = list(items)
    del items  # as above
    while rest:
        rest.pop()
        yield


#: Deallocations, of a few small objects each, between two yields.
_DEALLOCATIONS_PER_STEP = 50


@define(eq=False)
class DeferredReclaimer:
    """Collects deallocations and runs them in small steps.

    *wake* is called when there is work and none is running: it has to run :meth:`reclaim_steps` to the end.
    """

    wake: Callable[[], None] = field(repr=False)
    _watched: dict[int, ref[Any]] = field(init=False, factory=dict, repr=False)
    _pending: deque[Iterator[None]] = field(init=False, factory=deque, repr=False)
    _running: bool = field(init=False, default=False)

    def reclaim_after(self, owner: object, make_steps: Callable[[], Iterator[None]]) -> None:
        """Run the steps that *make_steps* returns once *owner* is garbage; nothing if *owner* is watched already.

        *make_steps* is called now, and the steps must not refer to *owner*, which would then live for ever.
        """
        if (key := id(owner)) in self._watched:
            return
        steps = make_steps()

        def on_owner_gone(_: ref[Any]) -> None:
            del self._watched[key]
            self.schedule(steps)

        self._watched[key] = ref(owner, on_owner_gone)

    def schedule(self, steps: Iterator[None]) -> None:
        """Run *steps*, of which each frees something, beside queries."""
        self._pending.append(steps)
        if not self._running:
            self._running = True
            self.wake()

    def reclaim_steps(self) -> Generator[None, None, None]:
        """Everything that is scheduled, in small steps."""
        while self._pending:
            steps = self._pending.popleft()
            while sum(1 for _ in islice(steps, _DEALLOCATIONS_PER_STEP)) == _DEALLOCATIONS_PER_STEP:
                yield
            yield
        self._running = False
