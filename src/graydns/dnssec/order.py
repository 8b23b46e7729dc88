"""The canonical order of names (RFC 4034 section 6.1), and what lies between two of them."""

from __future__ import annotations

from typing import TypeVar

from graydns.model.name import labels, suffixes

#: A name as it sorts: its labels from the root down, the root label left out.
Key = tuple[bytes, ...]

_Place = TypeVar("_Place", Key, bytes)


def key(name: bytes) -> Key:
    """*name* (wire form, lowered) as it sorts."""
    return tuple(labels(name))[-2::-1]


def between(low: _Place, place: _Place, high: _Place) -> bool:
    """Whether *place* is past *low* and before *high* on a circle; where both are one, all but that is between."""
    if low < high:
        return low < place < high
    return place > low or place < high


def shared(one: Key, other: Key) -> int:
    """How many labels the two have in common, from the root down."""
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count


def ancestor(name: bytes, count: int) -> bytes:
    """The last *count* labels of *name*, the root's not counted."""
    every = tuple(suffixes(name))
    return every[len(every) - 1 - count]
