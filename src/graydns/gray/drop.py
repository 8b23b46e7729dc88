"""Letting go of large collections a little at a time: freed in one go they would hold up queries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def drop(*collections: list[Any] | dict[Any, Any]) -> Iterator[None]:
    """Empty *collections*, an item at a step."""
    for collection in collections:
        take = collection.popitem if isinstance(collection, dict) else collection.pop
        while collection:
            take()
            yield
