"""Work in small steps, so that what takes long for a large policy need not stop the world.

Letting go of large collections a little at a time: freed in one go they would hold up queries.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")


def run_steps(steps: Generator[None, None, ResultT]) -> ResultT:
    """Run *steps* to their end at once."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: ResultT = done.value
            return result


def reclaim(*collections: list[Any] | dict[Any, Any]) -> Iterator[None]:
    """Empty *collections*, an item at a step."""
    for collection in collections:
        take = collection.popitem if isinstance(collection, dict) else collection.pop
        while collection:
            take()
            yield
