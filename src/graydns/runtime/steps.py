"""Generators as work in small steps, and the steps that free large collections. Pure: nothing here waits."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, TypeVar

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
