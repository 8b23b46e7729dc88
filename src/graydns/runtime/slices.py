"""Long work beside queries: run in slices of a few milliseconds, between which the reactor serves queries."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from graydns.runtime.timing import Clock, sleep

ResultT = TypeVar("ResultT")

#: Seconds of work between two turns of the reactor; the last step of a slice may exceed it.
MAX_SLICE_SECONDS = 0.004


async def run_in_slices(clock: Clock, steps: Generator[None, None, ResultT]) -> ResultT:
    """Run *steps* to the end in slices; returns what they return."""
    while True:
        end = clock.seconds() + MAX_SLICE_SECONDS
        while clock.seconds() < end:
            try:
                next(steps)
            except StopIteration as done:
                result: ResultT = done.value
                return result
        await sleep(clock, 0)
