"""What only the cyclic garbage collector can free: a long-running server seldom collects its oldest generation."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from graphlib import CycleError, TopologicalSorter
from types import FrameType, MethodType


async def assert_no_cycles(action: Callable[[], Awaitable[object]]) -> None:
    """Assert that *action* leaves nothing to the collector. A failure shows the cycles, by the types in them.

    What earlier tests have left to the reactor may become garbage at any moment, but not the same in each of three
    runs, as the cycles are that *action* makes.
    """
    cycles: Counter[str] | None = None
    for _ in range(3):
        gc.collect()
        gc.disable()
        try:
            await action()
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            found = describe_cycles(gc.garbage)
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
            gc.collect()
        cycles = found if cycles is None else cycles & found
        if not cycles:
            return
    raise AssertionError(cycles)


def describe_cycles(garbage: Sequence[object]) -> Counter[str]:
    """Cycles in *garbage* that share no object, each as the types along it, with how many there are of it."""
    objects = {id(each): each for each in garbage}
    links = {key: {id(to) for to in gc.get_referents(each)} & objects.keys() for key, each in objects.items()}
    found: Counter[str] = Counter()
    while True:
        try:
            TopologicalSorter(links).prepare()
        except CycleError as error:
            cycle = error.args[1][:-1]
            found[" <- ".join(sorted(_describe(objects[key]) for key in cycle))] += 1
            for key in cycle:
                del links[key]
            for to in links.values():
                to.difference_update(cycle)
        else:
            return found


def _describe(value: object) -> str:
    if isinstance(value, FrameType):
        return f"frame of {value.f_code.co_qualname}"
    if isinstance(value, MethodType):
        return f"method {value.__qualname__}"
    return type(value).__qualname__
