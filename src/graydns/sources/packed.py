"""Rules as a few hundred bytes objects: what a policy of 100,000 rules costs while nobody is compiling it.

Rows are ``marshal`` data: quick to take apart, only ever read by the process that wrote them or by its parent.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, overload

from attrs import fields_dict, frozen

from graydns.model.policy import Rule, RuleConditions, RuleOutcome

#: Rules in a chunk: unpacked in half a millisecond.
CHUNK = 200

#: name, priority, ``when`` and ``then`` without what is at its default.
Row = tuple[str, int, dict[str, Any], dict[str, Any]]


@frozen
class PackedRules(Sequence[Rule]):
    """A sequence of rules that are made when asked for; iterate over it once rather than index it often."""

    chunks: tuple[bytes, ...]
    size: int

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[Rule]:
        for chunk in self.chunks:
            yield from (_rule(row) for row in unpack(chunk))

    @overload
    def __getitem__(self, index: int) -> Rule: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Rule, ...]: ...
    def __getitem__(self, index: int | slice) -> Rule | tuple[Rule, ...]:
        if isinstance(index, slice):
            return tuple(self[at] for at in range(*index.indices(self.size)))
        if not -self.size <= index < self.size:
            raise IndexError(index)
        chunk, at = divmod(index % self.size, CHUNK)
        return _rule(unpack(self.chunks[chunk])[at])


def pack(rules: Iterable[Rule]) -> PackedRules:
    """*rules* in little room."""
    chunks, size, rest = [], 0, iter(rules)
    while rows := [_row(rule) for rule in islice(rest, CHUNK)]:
        chunks.append(marshal.dumps(rows))
        size += len(rows)
    return PackedRules(tuple(chunks), size)


def unpack(chunk: bytes) -> list[Row]:
    """The rows of one chunk."""
    rows: list[Row] = marshal.loads(chunk)
    return rows


def _row(rule: Rule) -> Row:
    return rule.name, rule.priority, _given(rule.when, _WHEN), _given(rule.then, _THEN)


def _rule(row: Row) -> Rule:
    name, priority, when, then = row
    return Rule(name, RuleConditions(**when), RuleOutcome(**then), priority)


def _given(value: RuleConditions | RuleOutcome, keys: tuple[str, ...]) -> dict[str, Any]:
    given = ((key, getattr(value, key)) for key in keys)
    return {key: dict(item) if isinstance(item, dict) else item for key, item in given if item not in (None, {})}


_WHEN = tuple(fields_dict(RuleConditions))
_THEN = tuple(fields_dict(RuleOutcome))
