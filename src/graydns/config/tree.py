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

from graydns.config.misfit import Misfit
from graydns.model.errors import IssuePath

#: Levels of lists and mappings inside each other.
MOST_DEPTH = 32

#: Things that a reader can step over, before it gives up: a file with more is no configuration.
MOST_MISFITS = 1000

#: Plain scalars that mean "nothing"; every other scalar stays the text that was typed.
NULLS = frozenset(("", "~", "null"))

Node: TypeAlias = "str | list[Node] | dict[str, Node] | None"


class Mark(NamedTuple):
    """A place in a file; both count from 1, columns in characters."""

    line: int
    column: int


class Refused(Exception):
    """The file cannot be read past *mark*."""

    def __init__(self, misfit: Misfit, mark: Mark) -> None:
        super().__init__(misfit, mark)
        self.misfit, self.mark = misfit, mark


@define
class Branch:
    """An open collection; *at*: the key or index of the value being read, None = a key comes next."""

    node: list[Node] | dict[str, Node]
    at: str | int | None = None

    def awaits_key(self) -> bool:
        """Whether the next node is a key."""
        return self.at is None and isinstance(self.node, dict)

    def begin(self) -> None:
        """A value begins."""
        if isinstance(self.node, list):
            self.at = len(self.node)

    def add(self, value: Node) -> None:
        """Take the value that began; of a repeated key the first one stays."""
        if isinstance(self.node, list):
            self.node.append(value)
        else:
            self.node.setdefault(str(self.at), value)

    def end(self) -> None:
        """The value is complete."""
        self.at = None


@define
class Tree:
    """A tree under construction.

    *wanted*: paths whose places are to be kept in *marks* (values) and *key_marks* (their keys); see
    ``folded``. *misfits*: what strict YAML refuses but a reader can step over. *skipped*: paths of aliases
    and merge keys, whose values are not what was meant.
    """

    wanted: frozenset[IssuePath] = frozenset()
    marks: dict[IssuePath, Mark] = field(factory=dict)
    key_marks: dict[IssuePath, Mark] = field(factory=dict)
    misfits: list[tuple[Misfit, Mark]] = field(factory=list)
    skipped: set[IssuePath] = field(factory=set)
    documents: int = 0
    root: Node = None
    _branches: list[Branch] = field(factory=list)
    _texts: dict[str, str] = field(factory=dict)  # keys repeat in every rule: one object for each

    def feed(self, events: Iterable[yaml.Event]) -> None:
        """Take *events*; raises Refused."""
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

    def path(self) -> IssuePath:
        """Where the value being read stands, or the mapping whose next key is awaited."""
        return tuple(branch.at for branch in self._branches if branch.at is not None)

    def _scalar(self, event: ScalarEvent) -> None:
        if self._awaits_key():
            self._take_key(event.value, event)
            self._check_properties(event)
            if event.value == "<<" and event.implicit[0]:
                self._skip("a merge key", "every key written out", event)
            return
        self._begin(event)
        self._check_properties(event)
        self._add(None if event.implicit[0] and event.value in NULLS else event.value)
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

    def _open(self, node: list[Node] | dict[str, Node], event: CollectionStartEvent) -> None:
        if self._awaits_key():
            raise Refused(Misfit(self.path(), "a list or mapping as a key", "a text as a key"), mark_of(event))
        self._begin(event)
        self._check_properties(event)
        if len(self._branches) == MOST_DEPTH:
            expected = f"at most {MOST_DEPTH} levels of lists and mappings"
            raise Refused(Misfit((), "a deeper level", expected), mark_of(event))
        self._add(node)
        self._branches.append(Branch(node))

    def _close(self, _event: CollectionEndEvent) -> None:
        self._branches.pop()
        self._end()

    def _awaits_key(self) -> bool:
        return bool(self._branches) and self._branches[-1].awaits_key()

    def _take_key(self, text: str, event: NodeEvent) -> None:
        branch = self._branches[-1]
        branch.at = key = self._texts.setdefault(text, text)
        if self.wanted:
            self._note(self.key_marks, event)
        if key in branch.node:
            self._complain("the same key a second time", "each key once", event)

    def _begin(self, event: NodeEvent) -> None:
        if self._branches:
            self._branches[-1].begin()
        if self.wanted:
            self._note(self.marks, event)

    def _add(self, value: Node) -> None:
        if self._branches:
            self._branches[-1].add(value)
        else:
            self.root = value

    def _end(self) -> None:
        if self._branches:
            self._branches[-1].end()

    def _check_properties(self, event: ScalarEvent | CollectionStartEvent) -> None:
        if event.anchor is not None:
            self._complain(f"the anchor &{event.anchor}", "a value without an anchor", event)
        if event.tag is not None:
            self._complain(f"the tag {event.tag}", "a value without a tag", event)

    def _start_document(self, event: DocumentStartEvent) -> None:
        self.documents += 1
        if self.documents > 1:
            raise Refused(Misfit((), "a second document", "one YAML document in the file"), mark_of(event))

    def _skip(self, found: str, expected: str, event: NodeEvent) -> None:
        self._complain(found, expected, event)
        self.skipped.add(self.path())

    def _complain(self, found: str, expected: str, event: NodeEvent) -> None:
        if len(self.misfits) == MOST_MISFITS:
            raise Refused(Misfit(self.path(), found, f"{expected}; here reading ends"), mark_of(event))
        self.misfits.append((Misfit(self.path(), found, expected), mark_of(event)))

    def _note(self, marks: dict[IssuePath, Mark], event: NodeEvent) -> None:
        path = self.path()
        if (alike := folded(path)) in self.wanted:
            marks.setdefault(path, mark_of(event))
            marks.setdefault(alike, mark_of(event))


def folded(path: IssuePath) -> IssuePath:
    """*path* as names compare: a fault may name a service in another spelling than the file."""
    return tuple(part.lower().removesuffix(".") if isinstance(part, str) else part for part in path)


def mark_of(event: yaml.Event) -> Mark:
    """Where *event* starts."""
    mark = event.start_mark
    return Mark(mark.line + 1, mark.column + 1) if mark else Mark(1, 1)
