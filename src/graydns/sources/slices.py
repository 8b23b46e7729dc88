"""Long work beside queries: a step at a time, never longer than a few milliseconds between two wake-ups."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Protocol, TypeVar

from twisted.internet.defer import Deferred

T = TypeVar("T")

#: Seconds of work between two chances for queries; the last step may run over it.
SLICE = 0.004


class Clock(Protocol):
    """The part of IReactorTime that is needed."""

    def seconds(self) -> float:
        """Seconds, always growing."""

    def callLater(self, delay: float, call: Callable[[None], None], argument: None, /) -> object:
        """Call after *delay* seconds."""


async def in_slices(clock: Clock, steps: Generator[None, None, T]) -> T:
    """Run *steps* to their end and return what they return."""
    while True:
        end = clock.seconds() + SLICE
        while clock.seconds() < end:
            try:
                next(steps)
            except StopIteration as done:
                result: T = done.value
                return result
        rest: Deferred[None] = Deferred()
        clock.callLater(0, rest.callback, None)
        await rest
