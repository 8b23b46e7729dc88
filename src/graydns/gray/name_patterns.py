"""Name patterns of rules: reading, normal form, matching.

=====================  =======================================================
pattern                matches
=====================  =======================================================
``api.shop.test``      that name
``api``                names whose first label is ``api``
``api*``               names whose first label begins with ``api``
``*.shop.test``        every name below ``shop.test``, however deep
``eu-*.shop.test``     one label that begins with ``eu-``, then ``shop.test``
=====================  =======================================================

Only a leading ``*.`` stands for several labels; any other ``*`` stays inside its label and may be empty.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from graydns.model import name

_LABEL_PATTERN = re.compile(r"(?:\\.|[^.\\])+")
_PLAIN_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_GLOB_LABEL = re.compile(r"[a-z0-9_*-]+")

#: One character of a label in presentation format (RFC 1035 section 5.1), which may be escaped.
_CHARACTER_REGEX = r"(?:[^.\\]|\\.)"


class PatternForm(Enum):
    """How a pattern is looked up."""

    EXACT = "exact"  # a whole name
    LABEL = "label"  # a literal first label
    SUFFIX = "suffix"  # *. and a literal rest
    STAR = "star"  # one * in the first label, the rest literal or anything
    GLOB = "glob"  # any other


class NamePattern(NamedTuple):
    """A pattern in normal form: equal patterns match equal names.

    *labels*: leftmost first, lowered, without a leading ``*``. *any_depth*: one or more labels come before them.
    *any_suffix*: any labels may follow. *text*: for people.
    """

    labels: tuple[bytes, ...]
    any_depth: bool
    any_suffix: bool
    text: str

    @property
    def form(self) -> PatternForm:
        """How to look this pattern up."""
        starred = [b"*" in label for label in self.labels]
        if not any(starred):
            return PatternForm.SUFFIX if self.any_depth else PatternForm.LABEL if self.any_suffix else PatternForm.EXACT
        lone = not self.any_depth and self.labels[0].count(b"*") == 1 and not any(starred[1:])
        return PatternForm.STAR if lone else PatternForm.GLOB

    @property
    def literal_length(self) -> int:
        """How many characters of the pattern are literal."""
        return len(self.text) - self.text.count("*")

    def matches(self, labels: tuple[bytes, ...]) -> bool:
        """Whether it matches the name of *labels* (leftmost first, lowered, without the root)."""
        extra = len(labels) - len(self.labels)
        if extra < self.any_depth or (extra > 0 and not (self.any_depth or self.any_suffix)):
            return False
        compared = labels[extra:] if self.any_depth else labels[: len(self.labels)]
        return all(map(_label_matches, compared, self.labels))

    def may_overlap(self, other: NamePattern) -> bool:
        """Whether a name could match both, judged by what comes before the first ``*`` and after the last."""
        (head, tail), (other_head, other_tail) = _literal_ends(self), _literal_ends(other)
        heads_agree = head.startswith(other_head) or other_head.startswith(head)
        return heads_agree and (tail.endswith(other_tail) or other_tail.endswith(tail))

    def to_regex(self) -> str:
        """An RE2 expression that fully matches the presentation format of the same names."""
        labels = [label.decode().replace("*", _CHARACTER_REGEX + "*") for label in self.labels]
        leading = rf"(?:{_CHARACTER_REGEX}+\.)+" if self.any_depth else ""
        return leading + r"\.".join(labels) + (r"(?:\..*)?" if self.any_suffix else "")


def parse_pattern(text: str) -> NamePattern:
    """Read a pattern. Raises ValueError."""
    if _PLAIN_NAME.fullmatch(text):  # most are, and dnspython takes its time
        return NamePattern(tuple(text.encode().split(b".")), False, "." not in text, text)
    parts = _LABEL_PATTERN.findall(text)
    dotted = len(parts) > 1 or text.endswith(".")
    deep = dotted and parts[0:1] == ["*"]
    if not parts and text != ".":
        raise ValueError("an empty pattern")
    if "*" in "".join(parts[deep:]):
        return _parse_glob(text.lower().removesuffix("."), deep, not dotted)
    wire = name.from_text(text.removeprefix("*.") or "." if deep else text)
    if b"*" in wire:
        raise ValueError(f"an escaped * in a pattern: {text!r}")
    shown = name.to_text(wire) + ("." if dotted and len(parts) == 1 else "")
    return NamePattern(tuple(name.labels(wire))[:-1], deep, not dotted, "*." + shown if deep else shown)


def _parse_glob(text: str, deep: bool, is_open: bool) -> NamePattern:
    labels = text.split(".")
    if not all(map(_GLOB_LABEL.fullmatch, labels)):
        raise ValueError(f"a pattern with * holds letters, digits, '-', '_' and dots only: {text!r}")
    return NamePattern(tuple(label.encode() for label in labels)[deep:], deep, is_open, text)


def to_wire(labels: tuple[bytes, ...]) -> bytes:
    """Labels, leftmost first and without the root, as a wire-form name."""
    return b"".join(bytes((len(label),)) + label for label in labels) + name.ROOT


def to_presentation(qname: bytes) -> str:
    """A wire-form name as regular expressions see it: presentation format without the final dot."""
    labels = []
    at = 0
    while length := qname[at]:
        labels.append(qname[at + 1 : at + 1 + length])
        at += 1 + length
    joined = b".".join(labels)
    if joined.translate(None, _UNESCAPED_BYTES) or joined.count(b".") != len(labels) - 1:
        return name.to_text(qname)
    return joined.decode("ascii")


#: Bytes that presentation format never escapes, and the dots that `to_presentation` puts between labels.
_UNESCAPED_BYTES = b"abcdefghijklmnopqrstuvwxyz0123456789-_."


def _label_matches(label: bytes, pattern: bytes) -> bool:
    head, *pieces = pattern.split(b"*")
    if not pieces:
        return label == head
    *middle, tail = pieces
    at, end = len(head), len(label) - len(tail)
    if at > end or not label.startswith(head) or not label.endswith(tail):
        return False
    for piece in middle:
        if (found := label.find(piece, at, end)) < 0:
            return False
        at = found + len(piece)
    return True


def _literal_ends(pattern: NamePattern) -> tuple[bytes, bytes]:
    """The literal beginning and end that every name matching *pattern* has, dots between labels."""
    joined = b".".join(pattern.labels)
    head = b"" if pattern.any_depth else joined.split(b"*")[0]
    tail = b"" if pattern.any_suffix else joined.split(b"*")[-1]
    return head, tail
