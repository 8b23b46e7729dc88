"""Long work beside queries: a step at a time, never longer than a few milliseconds between two wake-ups."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from twisted.internet.defer import Deferred

from graydns.timing import Clock

T = TypeVar("T")

#: Seconds of work between two chances for queries; the last step may run over it.
SLICE = 0.004


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
        await rest(clock, 0)


async def rest(clock: Clock, seconds: float) -> None:
    """Let others work for so many *seconds*."""
    over: Deferred[None] = Deferred()
    timer = clock.callLater(seconds, lambda: over.callback(None))
    try:
        await over
    finally:
        if timer.active():
            timer.cancel()
