"""Pruning: old revisions taken out of Consul's KV, so that it does not grow with every push.

A key goes only if it is as it was read, and none goes once ``active`` has been written again. What is above the active
revision stays, whatever its age: it may lie there to be activated.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from attrs import frozen

from graydns.control.publishing import Rows, transact
from graydns.sources.policy.reading import KeyValues, active_key, folder_of, revisions
from txconsul import Consul

#: Revisions that go at most at once: the first push after years of them is not to wait for all.
MOST = 100

#: Operations that Consul takes in a transaction.
_OPERATIONS = 64


@frozen
class Bound:
    """*keep*: so many revisions stay, of the *active* one and those below it. *kept*: they stay as well.

    *index*: of the last change of ``active``.
    """

    active: int
    index: int
    keep: int
    kept: Collection[int] = ()


def old(listing: KeyValues, prefix: str, bound: Bound) -> tuple[int, ...]:
    """The revisions of *listing* that are to go, lowest first."""
    found = sorted({*(number for number in revisions(listing, prefix) if number < bound.active), bound.active})
    return tuple(number for number in found[: -bound.keep] if number not in bound.kept)[:MOST]


async def prune(consul: Consul, prefix: str, rows: Rows, bound: Bound) -> tuple[int, ...]:
    """Take out the revisions that are to go; which those were. Raises ControlError, and then some may be left."""
    gone = old(rows.values, prefix, bound)
    unchanged = {"KV": {"Verb": "check-index", "Key": active_key(prefix), "Index": bound.index}}
    for operations in _groups([_deletions(rows, folder_of(prefix, number)) for number in gone]):
        await transact(consul, [unchanged, *operations])
    return gone


def _deletions(rows: Rows, folder: str) -> list[dict[str, Any]]:
    keys = sorted(key for key in rows.values if key.startswith(folder))
    return [{"KV": {"Verb": "delete-cas", "Key": key, "Index": rows.indexes[key]}} for key in keys]


def _groups(revisions: Sequence[list[dict[str, Any]]]) -> Iterator[list[dict[str, Any]]]:
    """The operations in transactions: revisions as a whole, unless somebody put more keys into one than it can have."""
    most = _OPERATIONS - 1
    group: list[dict[str, Any]] = []
    for operations in revisions:
        if group and len(group) + len(operations) > most:
            yield group
            group = []
        group = [*group, *operations]
        while len(group) > most:
            yield group[:most]
            group = group[most:]
    if group:
        yield group
