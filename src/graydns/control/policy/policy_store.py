"""The policy store: what was accepted from Consul's KV, in ``data/policy.json``, which outlives Consul and restarts.

::

    {"format": 1, "mark": {"revision": 7, "digest": "…", "spared": null}, "copy": {"<key>": "<base64>", …},
     "seen": {"index": 41, "created": 12}, "kept": "…Z", "sha256": "…"}

*mark* is the highest revision ever accepted, null before the first. *copy*: the keys of the revision in force and of
the kill switches, as they were in KV: signature and mark are checked again when they are loaded. Both are in one file
so that neither can be newer than the other; *sha256* is that of the canonical JSON of the rest; *seen* detects a Consul
that lost its data. A second file beside it, written with the first mark, tells a file that was deleted from one that
never was. Everything that reads or writes the file blocks on the disk: call it in a thread.

``prune_revisions`` removes old revisions from KV, so that it does not grow with every push. A key is removed only if it
is as it was read, and none once ``active`` has been written again. Revisions above the active one stay: they may be
activated.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

from attrs import asdict, field, frozen

from graydns.config.canonical_json import canonicalize, parse_json, to_yaml_node
from graydns.config.consul_settings import MAX_POLICY_REVISION, decode_base64
from graydns.config.converter import make_converter, register_class
from graydns.config.document import describe_os_error, read_regular_file
from graydns.config.issues import ValidationError, make_validation_error
from graydns.config.release_policy import format_timestamp, read_timestamp
from graydns.config.scalar import Integer, Keyword, Text
from graydns.control.policy.acceptance import HighWater, HighWaterMark, LostHighWaterMark, PolicyRevision
from graydns.control.policy.kill_switch import ConsulIndexes
from graydns.control.policy.publication import KvRows, transact
from graydns.control.policy.revisions import KeyValues, active_key, list_revisions, revision_folder
from graydns.runtime.disk import write_durably
from txconsul import ConsulClient

POLICY_FILE = "policy.json"

#: Says that a mark was kept once.
WITNESS_FILE = "policy.kept"

CHECKSUM_FIELD = "sha256"


Sha256Text = Text("SHA-256", pattern="[0-9a-f]{64}")


_UNSEEN = ConsulIndexes()


def _read_base64(value: object, /) -> bytes:
    octets = decode_base64(value) if isinstance(value, str) else None
    if octets is None:
        raise make_validation_error(value, "octets in base64")
    return octets


@frozen
class _MarkSchema:
    revision: Annotated[int, Integer(0, MAX_POLICY_REVISION)]
    digest: Annotated[str, Sha256Text] | None
    spared: Annotated[str, Sha256Text] | None = None


@frozen
class _SeenSchema:
    index: Annotated[int, Integer(0, MAX_POLICY_REVISION)]
    created: Annotated[int, Integer(0, MAX_POLICY_REVISION)]


@frozen
class _PolicyFileSchema:
    format: Annotated[str, Keyword(("1",))]
    mark: _MarkSchema | None
    copy: Mapping[Annotated[str, Text("a key", max_length=4096, pattern=r"(?s:.*)")], Annotated[bytes, _read_base64]]
    kept: Annotated[int, read_timestamp]
    seen: _SeenSchema | None = None


@frozen
class StoredPolicy:
    """What was kept. *copy*: to be offered as a listing; empty = no revision runs. *stored_at*: Unix seconds, 0 =
    never.
    *seen*: what Consul was like then; a file that does not say it knows of none that is like it.
    """

    mark: HighWater = None
    copy: KeyValues = field(factory=dict, repr=False)
    stored_at: int = 0
    seen: ConsulIndexes = _UNSEEN


@frozen
class PolicyStore:
    """Reads and writes FILE in the folder *data*."""

    data: Path

    @property
    def path(self) -> Path:
        """The file."""
        return self.data / POLICY_FILE

    @property
    def witness_path(self) -> Path:
        """The file that says that there was one."""
        return self.data / WITNESS_FILE

    def load(self) -> StoredPolicy:
        """What was kept. A file that is not as it was written, or is gone, is a mark that is LostHighWaterMark, never
        none."""
        try:
            data = read_regular_file(self.path)
        except FileNotFoundError:
            gone = LostHighWaterMark(f"{self.path} is not there, and {self.witness_path} says that it was")
            return StoredPolicy(gone) if os.path.lexists(self.witness_path) else StoredPolicy()
        except (OSError, ValueError) as error:
            return StoredPolicy(LostHighWaterMark(f"{self.path}: {describe_os_error(error)}"))
        try:
            kept = _parse_stored_policy(parse_json(data)[0])
        except ValidationError as error:
            first = error.issues[0]
            return StoredPolicy(LostHighWaterMark(f"{self.path}: found {first.found}, expected {first.expected}"))
        if kept.mark is not None:
            with suppress(OSError):  # a full disk is reported when the next revision is stored
                self._write_witness()
        return kept

    def save(
        self,
        mark: HighWaterMark | None,
        revision: PolicyRevision | None,
        now: float,
        halts: KeyValues | None = None,
        seen: ConsulIndexes = _UNSEEN,
    ) -> None:
        """Keep *mark*, *revision* as the one that runs, and the keys *halts*.

        Raises OSError, and then the file is as it was.
        """
        if mark is not None:
            self._write_witness()
        entries = {**(halts or {}), **({} if revision is None else revision.entries)}
        rest: dict[str, Any] = {
            "format": 1,
            "mark": None if mark is None else asdict(mark),
            "copy": {key: base64.b64encode(value).decode() for key, value in entries.items()},
            "seen": asdict(seen),
            "kept": format_timestamp(int(now)),
        }
        write_durably(self.path, [canonicalize({**rest, CHECKSUM_FIELD: _checksum(rest)}), b"\n"])

    def _write_witness(self) -> None:
        """Have the witness, before there is what it tells of. Raises OSError."""
        if not os.path.lexists(self.witness_path):
            write_durably(
                self.witness_path, (b"policy.json was here; without it no revision is taken until a reset\n",)
            )


def _checksum(rest: Mapping[str, Any]) -> str:
    return sha256(canonicalize(rest)).hexdigest()


def _parse_stored_policy(value: object) -> StoredPolicy:
    """Raises ValidationError."""
    if not isinstance(value, dict):
        raise make_validation_error([], "a mapping")
    rest = {key: item for key, item in value.items() if key != CHECKSUM_FIELD}
    if value.get(CHECKSUM_FIELD) != _checksum(rest):
        raise make_validation_error("another checksum", "the one of what is there")
    made = make_converter()
    register_class(made, _MarkSchema)
    register_class(made, _SeenSchema)
    register_class(made, _PolicyFileSchema)
    file: _PolicyFileSchema = made.structure(to_yaml_node(rest), _PolicyFileSchema)
    mark = None if file.mark is None else HighWaterMark(**asdict(file.mark))
    return StoredPolicy(
        mark, file.copy, file.kept, ConsulIndexes(0, -1) if file.seen is None else ConsulIndexes(**asdict(file.seen))
    )


#: Revisions that go at most at once: the first push after years of them is not to wait for all.
MAX_PRUNED_REVISIONS = 100

#: Operations that Consul takes in a transaction.
_MAX_TRANSACTION_OPERATIONS = 64


@frozen
class RetentionLimit:
    """Which revisions stay in KV.

    *max_revisions*: how many, counted down from the *active* one. *protected*: revisions that stay as well.
    *active_index*: ModifyIndex of the key ``active``.
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
    """The operations in transactions: revisions as a whole, unless one has more keys than a revision can have."""
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
