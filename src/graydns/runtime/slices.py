"""Long work beside queries: a step at a time, never longer than a few milliseconds between two wake-ups."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from twisted.internet.defer import Deferred

from graydns.runtime.timing import Clock

ResultT = TypeVar("ResultT")

#: Seconds of work between two chances for queries; the last step may run over it.
MAX_SLICE_SECONDS = 0.004


async def run_in_slices(clock: Clock, steps: Generator[None, None, ResultT]) -> ResultT:
    """Run *steps* to their end and return what they return."""
    while True:
        end = clock.seconds() + MAX_SLICE_SECONDS
        while clock.seconds() < end:
            try:
                next(steps)
            except StopIteration as done:
                result: ResultT = done.value
                return result
        await sleep(clock, 0)


async def sleep(clock: Clock, seconds: float) -> None:
    """Let others work for so many *seconds*."""
    over: Deferred[None] = Deferred()
    timer = clock.callLater(seconds, lambda: over.callback(None))
    try:
        await over
    finally:
        if timer.active():
            timer.cancel()
