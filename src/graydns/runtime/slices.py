"""Long work beside queries: run in slices of a few milliseconds, between which the reactor serves queries.

All work of one reactor shares the slices, whatever its number (docs/decisions/0009-cooperator-for-slices.md).
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator
from inspect import GEN_CLOSED, getgeneratorstate
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, ref

from twisted.internet.defer import CancelledError
from twisted.internet.task import Cooperator

from graydns.runtime.timing import Clock

ResultT = TypeVar("ResultT")

#: Seconds of work between two turns of the reactor; the last step of a slice may exceed it.
MAX_SLICE_SECONDS = 0.004

#: Seconds of a slice that one job gets before the next. Giving way costs about 1 µs, a step of work maybe 5 µs.
_MAX_SHARE_SECONDS = 0.0005

#: Steps between two calls of ``gc.freeze()``, which make some thousand objects.
FREEZE_INTERVAL_STEPS = 500

_cooperators: WeakKeyDictionary[Clock, Cooperator] = WeakKeyDictionary()


async def run_in_slices(clock: Clock, steps: Generator[None, None, ResultT]) -> ResultT:
    """Run *steps* to the end; returns what they return, and raises what they raise.

    The first slice runs at once, so short work takes no turn of the reactor. Cancelling ends the work after a step.
    """
    end = clock.seconds() + MAX_SLICE_SECONDS
    while clock.seconds() < end:
        try:
            next(steps)
        except StopIteration as done:
            result: ResultT = done.value
            return result
    results: list[ResultT] = []
    task = _find_cooperator(clock).cooperate(_run_in_turns(clock, steps, results))
    try:
        await task.whenDone()
    except CancelledError:
        # Not after the end: a finished task raises an exception that it keeps, with the traceback, in a cycle.
        if getgeneratorstate(steps) != GEN_CLOSED:
            task.stop()
        raise
    return results[0]


def freeze_periodically(steps: Generator[None, None, ResultT]) -> Generator[None, None, ResultT]:
    """*steps*, with ``gc.freeze()`` now and then, for work that makes many objects that stay.

    A collection of the middle or the oldest generation would walk over all that *steps* have made so far, maybe half a
    million objects, and no query would be answered meanwhile. Frozen objects are in no generation.
    """
    count = 0
    while True:
        try:
            next(steps)
        except StopIteration as done:
            made: ResultT = done.value
            return made
        count += 1
        if count % FREEZE_INTERVAL_STEPS == 0:
            gc.collect(0)  # garbage of queries must not be frozen
            gc.freeze()
        yield


def _run_in_turns(
    clock: Clock, steps: Generator[None, None, ResultT], results: list[ResultT]
) -> Generator[None, None, None]:
    """*steps*, with a yield only where other work of the Cooperator may go on; what they return goes to *results*."""
    while True:
        end = clock.seconds() + _MAX_SHARE_SECONDS
        while clock.seconds() < end:
            try:
                next(steps)
            except StopIteration as done:
                results.append(done.value)
                return
        yield


def _find_cooperator(clock: Clock) -> Cooperator:
    """The one Cooperator of *clock*."""
    if (cooperator := _cooperators.get(clock)) is None:
        cooperator = _cooperators[clock] = _make_cooperator(clock)
    return cooperator


def _make_cooperator(clock: Clock) -> Cooperator:
    weak = ref(clock)  # the Cooperator must not keep its own key alive

    def get_clock() -> Clock:
        found = weak()
        assert found is not None
        return found

    def start_slice() -> Callable[[], bool]:
        seconds = get_clock().seconds
        end = seconds() + MAX_SLICE_SECONDS
        return lambda: seconds() >= end

    def schedule(tick: Callable[[], None]) -> Any:
        return get_clock().callLater(0, tick)

    return Cooperator(terminationPredicateFactory=start_slice, scheduler=schedule)
