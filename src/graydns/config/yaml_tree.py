"""Builds the tree of a YAML file from the parser's events: texts, lists and mappings, nothing else.

Events instead of ``yaml.compose``, because composing recurses once per level of nesting and expands
what an alias names; here depth is a counter and an alias is refused where it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

import yaml
from attrs import define, field
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from graydns.config.issues import ValidationIssue
from graydns.model.errors import IssuePath

#: Levels of lists and mappings inside each other.
MAX_NESTING_DEPTH = 32

#: Things that a reader can step over, before it gives up: a file with more is no configuration.
MAX_DOCUMENT_ISSUES = 1000

#: Plain scalars that mean "nothing"; every other scalar stays the text that was typed.
NULL_SCALARS = frozenset(("", "~", "null"))

YamlNode: TypeAlias = "str | list[YamlNode] | dict[str, YamlNode] | None"


class YamlPosition(NamedTuple):
    """A place in a file; both count from 1, columns in characters."""

    line: int
    column: int


class UnreadableYamlError(Exception):
    """The file cannot be read past *mark*."""

    def __init__(self, issue: ValidationIssue, mark: YamlPosition) -> None:
        super().__init__(issue, mark)
        self.issue, self.position = issue, mark


@define
class OpenCollection:
    """An open collection; *current_key*: the key or index of the value being read, None = a key comes next."""

    node: list[YamlNode] | dict[str, YamlNode]
    current_key: str | int | None = None

    def awaits_key(self) -> bool:
        """Whether the next node is a key."""
        return self.current_key is None and isinstance(self.node, dict)

    def begin_value(self) -> None:
        """A value begins."""
        if isinstance(self.node, list):
            self.current_key = len(self.node)

    def add_value(self, value: YamlNode) -> None:
        """Take the value that began; of a repeated key the first one stays."""
        if isinstance(self.node, list):
            self.node.append(value)
        else:
            self.node.setdefault(str(self.current_key), value)

    def end_value(self) -> None:
        """The value is complete."""
        self.current_key = None


@define
class YamlTreeBuilder:
    """A tree under construction.

    *wanted_paths*: paths whose positions are to be kept in *positions* (values) and *key_positions* (their keys); see
    ``fold_path``. *issues*: what strict YAML refuses but a reader can step over. *skipped_paths*: paths of aliases
    and merge keys, whose values are not what was meant.
    """

    wanted_paths: frozenset[IssuePath] = frozenset()
    positions: dict[IssuePath, YamlPosition] = field(factory=dict)
    key_positions: dict[IssuePath, YamlPosition] = field(factory=dict)
    issues: list[tuple[ValidationIssue, YamlPosition]] = field(factory=list)
    skipped_paths: set[IssuePath] = field(factory=set)
    document_count: int = 0
    root: YamlNode = None
    _branches: list[OpenCollection] = field(factory=list)
    _texts: dict[str, str] = field(factory=dict)  # keys repeat in every rule: one object for each

    def feed(self, events: Iterable[yaml.Event]) -> None:
        """Take *events*; raises UnreadableYamlError."""
        handlers: dict[type[yaml.Event], Callable[[Any], None]] = {
            ScalarEvent: self._scalar,
            AliasEvent: self._alias,
            MappingStartEvent: self._open_mapping,
            SequenceStartEvent: self._open_list,
            MappingEndEvent: self._close,
            SequenceEndEvent: self._close,
            DocumentStartEvent: self._start_document,
        }
        for event in events:
            if handler := handlers.get(type(event)):
                handler(event)

    def current_path(self) -> IssuePath:
        """Where the value being read stands, or the mapping whose next key is awaited."""
        return tuple(branch.current_key for branch in self._branches if branch.current_key is not None)

    def _scalar(self, event: ScalarEvent) -> None:
        if self._awaits_key():
            self._take_key(event.value, event)
            self._reject_properties(event)
            if event.value == "<<" and event.implicit[0]:
                self._skip("a merge key", "every key written out", event)
            return
        self._begin(event)
        self._reject_properties(event)
        self._add(None if event.implicit[0] and event.value in NULL_SCALARS else event.value)
        self._end()

    def _alias(self, event: AliasEvent) -> None:
        if self._awaits_key():
            self._take_key(f"*{event.anchor}", event)
            self._skip(f"the alias *{event.anchor}", "the key written out", event)
            return
        self._begin(event)
        self._skip(f"the alias *{event.anchor}", "the value written out", event)
        self._add(None)
        self._end()

    def _open_mapping(self, event: MappingStartEvent) -> None:
        self._open({}, event)

    def _open_list(self, event: SequenceStartEvent) -> None:
        self._open([], event)

    def _open(self, node: list[YamlNode] | dict[str, YamlNode], event: CollectionStartEvent) -> None:
        if self._awaits_key():
            raise UnreadableYamlError(
                ValidationIssue(self.current_path(), "a list or mapping as a key", "a text as a key"),
                event_position(event),
            )
        self._begin(event)
        self._reject_properties(event)
        if len(self._branches) == MAX_NESTING_DEPTH:
            expected = f"at most {MAX_NESTING_DEPTH} levels of lists and mappings"
            raise UnreadableYamlError(ValidationIssue((), "a deeper level", expected), event_position(event))
        self._add(node)
        self._branches.append(OpenCollection(node))

    def _close(self, _event: CollectionEndEvent) -> None:
        self._branches.pop()
        self._end()

    def _awaits_key(self) -> bool:
        return bool(self._branches) and self._branches[-1].awaits_key()

    def _take_key(self, text: str, event: NodeEvent) -> None:
        branch = self._branches[-1]
        branch.current_key = key = self._texts.setdefault(text, text)
        if self.wanted_paths:
            self._record_position(self.key_positions, event)
        if key in branch.node:
            self._add_issue("the same key a second time", "each key once", event)

    def _begin(self, event: NodeEvent) -> None:
        if self._branches:
            self._branches[-1].begin_value()
        if self.wanted_paths:
            self._record_position(self.positions, event)

    def _add(self, value: YamlNode) -> None:
        if self._branches:
            self._branches[-1].add_value(value)
        else:
            self.root = value

    def _end(self) -> None:
        if self._branches:
            self._branches[-1].end_value()

    def _reject_properties(self, event: ScalarEvent | CollectionStartEvent) -> None:
        if event.anchor is not None:
            self._add_issue(f"the anchor &{event.anchor}", "a value without an anchor", event)
        if event.tag is not None:
            self._add_issue(f"the tag {event.tag}", "a value without a tag", event)

    def _start_document(self, event: DocumentStartEvent) -> None:
        self.document_count += 1
        if self.document_count > 1:
            raise UnreadableYamlError(
                ValidationIssue((), "a second document", "one YAML document in the file"), event_position(event)
            )

    def _skip(self, found: str, expected: str, event: NodeEvent) -> None:
        self._add_issue(found, expected, event)
        self.skipped_paths.add(self.current_path())

    def _add_issue(self, found: str, expected: str, event: NodeEvent) -> None:
        if len(self.issues) == MAX_DOCUMENT_ISSUES:
            raise UnreadableYamlError(
                ValidationIssue(self.current_path(), found, f"{expected}; here reading ends"), event_position(event)
            )
        self.issues.append((ValidationIssue(self.current_path(), found, expected), event_position(event)))

    def _record_position(self, marks: dict[IssuePath, YamlPosition], event: NodeEvent) -> None:
        path = self.current_path()
        if (alike := fold_path(path)) in self.wanted_paths:
            marks.setdefault(path, event_position(event))
            marks.setdefault(alike, event_position(event))


def fold_path(path: IssuePath) -> IssuePath:
    """*path* as names compare: a fault may name a service in another spelling than the file."""
    return tuple(part.lower().removesuffix(".") if isinstance(part, str) else part for part in path)


def event_position(event: yaml.Event) -> YamlPosition:
    """Where *event* starts."""
    mark = event.start_mark
    return YamlPosition(mark.line + 1, mark.column + 1) if mark else YamlPosition(1, 1)
