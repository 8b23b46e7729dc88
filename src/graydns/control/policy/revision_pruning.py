"""Pruning: old revisions taken out of Consul's KV, so that it does not grow with every push.

A key goes only if it is as it was read, and none goes once ``active`` has been written again. What is above the active
revision stays, whatever its age: it may lie there to be activated.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from attrs import frozen

from graydns.control.policy.publication import KvRows, transact
from graydns.control.policy.revisions import KeyValues, active_key, list_revisions, revision_folder
from txconsul import ConsulClient

#: Revisions that go at most at once: the first push after years of them is not to wait for all.
MAX_PRUNED_REVISIONS = 100

#: Operations that Consul takes in a transaction.
_MAX_TRANSACTION_OPERATIONS = 64


@frozen
class RetentionLimit:
    """*keep*: so many revisions stay, of the *active* one and those below it. *kept*: they stay as well.

    *index*: of the last change of ``active``.
    """

    active: int
    active_index: int
    max_revisions: int
    protected: Collection[int] = ()


def select_old_revisions(listing: KeyValues, prefix: str, bound: RetentionLimit) -> tuple[int, ...]:
    """The revisions of *listing* that are to go, lowest first."""
    found = sorted({*(number for number in list_revisions(listing, prefix) if number < bound.active), bound.active})
    return tuple(number for number in found[: -bound.max_revisions] if number not in bound.protected)[
        :MAX_PRUNED_REVISIONS
    ]


async def prune_revisions(consul: ConsulClient, prefix: str, rows: KvRows, bound: RetentionLimit) -> tuple[int, ...]:
    """Take out the revisions that are to go; which those were. Raises ControlError, and then some may be left."""
    gone = select_old_revisions(rows.values, prefix, bound)
    unchanged = {"KV": {"Verb": "check-index", "Key": active_key(prefix), "Index": bound.active_index}}
    for operations in _group_operations([_delete_operations(rows, revision_folder(prefix, number)) for number in gone]):
        await transact(consul, [unchanged, *operations])
    return gone


def _delete_operations(rows: KvRows, folder: str) -> list[dict[str, Any]]:
    keys = sorted(key for key in rows.values if key.startswith(folder))
    return [{"KV": {"Verb": "delete-cas", "Key": key, "Index": rows.modify_indexes[key]}} for key in keys]


def _group_operations(list_revisions: Sequence[list[dict[str, Any]]]) -> Iterator[list[dict[str, Any]]]:
    """The operations in transactions: revisions as a whole, unless somebody put more keys into one than it can have."""
    most = _MAX_TRANSACTION_OPERATIONS - 1
    group: list[dict[str, Any]] = []
    for operations in list_revisions:
        if group and len(group) + len(operations) > most:
            yield group
            group = []
        group = [*group, *operations]
        while len(group) > most:
            yield group[:most]
            group = group[most:]
    if group:
        yield group
