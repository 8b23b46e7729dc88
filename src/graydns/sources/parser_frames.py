"""Frames: what was read of the files, a piece at a time, none of which takes long to take in.

Every frame is a small value that pickles well: a child process sends them to its parent, and a small change is read
in the server itself by the very same code.

Rules as a few hundred bytes objects: what a policy of 100,000 rules costs while it is not being compiled.

Rows are ``marshal`` data: quick to take apart, only ever read by the process that wrote them or by its parent.
"""

from __future__ import annotations

import marshal
import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from struct import Struct
from typing import Any, BinaryIO, TypeAlias, overload

from attrs import field, fields_dict, frozen

from graydns.config.settings import Config
from graydns.config.zone_config import ZoneConfig
from graydns.model.errors import ConfigIssue, SourceId
from graydns.model.policy import Rule, RuleConditions, RuleOutcome, ServicePolicy

_FRAME_SIZE = Struct(">I")


@frozen
class MainConfigFrame:
    """The main file. *config*: its tenants' rules are packed. *digest*: of the *compressed* octets, which are
    compressed.

    *rule_digests*: digests of the tenants' own rules.
    """

    config: Config
    digest: bytes
    compressed: bytes = field(repr=False)
    rule_digests: Mapping[str, bytes]


@frozen
class ZoneDataLocation:
    """Where a zone's data are: *path*, resolved, in *folder*. *unresolved_path*: before links are followed."""

    zone: bytes
    path: Path
    folder: Path
    unresolved_path: Path


@frozen
class ZoneConfigFrame:
    """A zone's file; its services and rules follow.

    *path*: as it was found. *content_digest*: of all that the file means. *data_location*: None where the records come
    from no file. *upstreams*: those that rules name.
    """

    path: Path
    config: ZoneConfig
    digest: bytes
    content_digest: bytes
    compressed: bytes = field(repr=False)
    data_location: ZoneDataLocation | None
    upstreams: frozenset[str]


@frozen
class ServicesFrame:
    """Some of the services of the zone's file that was last."""

    services: Mapping[bytes, ServicePolicy]


@frozen
class RulesFrame:
    """Some of its rules, as ``packed`` has them."""

    chunk: bytes
    size: int


@frozen
class ZoneDataFrame:
    """The records of the zone of *source*: what ``zone_file.write_parsed_zone`` wrote, compressed.

    *revision*: what the source calls this state; empty for files.
    """

    source: SourceId
    stream: bytes = field(repr=False)
    revision: bytes = b""


@frozen
class ZoneVanishedFrame:
    """*source* has no such zone any more."""

    source: SourceId


@frozen
class IssuesFrame:
    """What is wrong with the zone of *source* or its records, or with the main file.

    *unresolved_data_path*: where the records should be. *is_unavailable*: a record source could not be read.
    """

    source: SourceId
    issues: tuple[ConfigIssue, ...]
    unresolved_data_path: Path | None = None
    is_unavailable: bool = False


@frozen
class ZoneListFrame:
    """The zone files that there are, in the order in which they are reported; comes before any of them."""

    paths: tuple[Path, ...]


ParserFrame: TypeAlias = (
    MainConfigFrame
    | ZoneListFrame
    | ZoneConfigFrame
    | ServicesFrame
    | RulesFrame
    | ZoneDataFrame
    | ZoneVanishedFrame
    | IssuesFrame
)


def write_frame(frame: object, out: BinaryIO) -> None:
    """Send one frame."""
    octets = pickle.dumps(frame, pickle.HIGHEST_PROTOCOL)
    out.write(_FRAME_SIZE.pack(len(octets)))
    out.write(octets)


def read_frames(source: BinaryIO) -> Iterator[Any]:
    """The frames of a process that we started, one by one; raises EOFError if it ended in the middle of one."""
    while size := source.read(_FRAME_SIZE.size):
        octets = source.read(length := int.from_bytes(size, "big"))
        if len(octets) < length:
            raise EOFError("half a frame")
        yield pickle.loads(octets)


#: Rules in a chunk: unpacked in half a millisecond.
RULES_PER_CHUNK = 200

#: name, priority, ``when`` and ``then`` without what is at its default.
RuleRow = tuple[str, int, dict[str, Any], dict[str, Any]]


@frozen
class PackedRules(Sequence[Rule]):
    """A sequence of rules that are made when asked for; iterate over it once rather than index it often."""

    chunks: tuple[bytes, ...]
    size: int

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[Rule]:
        for chunk in self.chunks:
            yield from (_from_row(row) for row in unpack_rules(chunk))

    @overload
    def __getitem__(self, index: int) -> Rule: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Rule, ...]: ...
    def __getitem__(self, index: int | slice) -> Rule | tuple[Rule, ...]:
        if isinstance(index, slice):
            return tuple(self[at] for at in range(*index.indices(self.size)))
        if not -self.size <= index < self.size:
            raise IndexError(index)
        chunk, at = divmod(index % self.size, RULES_PER_CHUNK)
        return _from_row(unpack_rules(self.chunks[chunk])[at])


def pack_rules(rules: Iterable[Rule]) -> PackedRules:
    """*rules* in little room."""
    chunks, size, rest = [], 0, iter(rules)
    while rows := [_to_row(rule) for rule in islice(rest, RULES_PER_CHUNK)]:
        chunks.append(marshal.dumps(rows))
        size += len(rows)
    return PackedRules(tuple(chunks), size)


def unpack_rules(chunk: bytes) -> list[RuleRow]:
    """The rows of one chunk."""
    rows: list[RuleRow] = marshal.loads(chunk)
    return rows


def _to_row(rule: Rule) -> RuleRow:
    return (
        rule.name,
        rule.priority,
        _non_default_fields(rule.when, _CONDITION_FIELDS),
        _non_default_fields(rule.then, _OUTCOME_FIELDS),
    )


def _from_row(row: RuleRow) -> Rule:
    name, priority, when, then = row
    return Rule(name, RuleConditions(**when), RuleOutcome(**then), priority)


def _non_default_fields(value: RuleConditions | RuleOutcome, keys: tuple[str, ...]) -> dict[str, Any]:
    given = ((key, getattr(value, key)) for key in keys)
    return {key: dict(item) if isinstance(item, dict) else item for key, item in given if item not in (None, {})}


_CONDITION_FIELDS = tuple(fields_dict(RuleConditions))
_OUTCOME_FIELDS = tuple(fields_dict(RuleOutcome))
