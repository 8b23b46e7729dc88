"""Verify: whether the lines of the audit log are as they were written, and all there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from attrs import asdict, define

from graydns.observe.audit.files import Part, forwards, opened
from graydns.observe.audit.seal import NOTHING, Head, Seal, head_of

#: The fields, in front, of lines about lines: so many could not be written; so far the log was published when lines at
#: its end were found to be gone.
DROPPED, LOST = b'"dropped":', b'"lost":'

#: Lines checked in one go: about half a millisecond.
_SLICE = 200


@define
class Verdict:
    """*first*, *last*: the numbers of the oldest and the newest line, *last* being one less where there is none.

    *first_bad*: the number that the first line has, or should have, that is not as it was written; *why*: in words.
    *dropped*: lines of which the log itself says that they could not be written. *published*: the number of the Head
    that the lines were held against, None = there was none, or its line has gone with an old file.
    """

    first: int
    last: int
    lines: int = 0
    ok: bool = True
    first_bad: int | None = None
    why: str = ""
    dropped: int = 0
    published: int | None = None

    def bad(self, number: int, why: str) -> None:
        """Line *number* does not fit; only the first one that does not is told."""
        if self.ok:
            self.ok, self.first_bad, self.why = False, number, why

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def verify(
    parts: Sequence[Part], seal: Seal, published: Iterable[Head] = (), pause: Callable[[], object] = bool
) -> Verdict:
    """Look at all lines of *parts*. *published*: lines known from elsewhere. *pause*: called now and then."""
    first = parts[0].first
    found = Verdict(first, first - 1)
    known = {head.number: head for head in published if head.number >= first}
    before = NOTHING
    for line, begins in forwards(parts):
        found.lines, found.last = found.lines + 1, found.last + 1
        if found.lines % _SLICE == 0:
            pause()
        if found.ok:
            before = _check(found, line, begins, before, seal, known)
    for number in sorted(known):
        if number > found.last:
            found.bad(found.last + 1, f"the log was published up to line {number}, and ends before")
        found.published = number
    return found


def _check(found: Verdict, line: bytes, begins: bool, before: str, seal: Seal, known: dict[int, Head]) -> str:
    """Judge *line*, number ``found.last``; its HMAC."""
    at = found.last
    head = head_of(line[:-1]) if line.endswith(b"\n") else None
    if head is None or head.number != at:
        found.bad(at, f"line {at} is not there" if head else f"line {at} is unreadable")
        return before
    linked = _previous(line) if begins else before
    if begins and at == found.first > 1:
        before = linked  # the line before went with an old file
    if linked != before or not seal.holds(before, line[:-1]):
        found.bad(at, f"line {at} was altered, or the key is another one")
        return before
    if at in known and known[at] != head:
        found.bad(at, f"line {at} is not the one that was published")
    fields = line[line.find(b",") + 1 :]
    if begins:
        fields = fields[fields.find(b",") + 1 :]
    if fields.startswith(DROPPED):
        found.dropped += json.loads(line)["dropped"]
    elif fields.startswith(LOST):
        found.bad(at, f"before line {at} the log was cut off")
    return head.hmac


def _previous(line: bytes) -> str:
    """The HMAC of the line before, as the first line of a file has it."""
    try:
        return str(json.loads(line)["previous"])
    except (ValueError, KeyError):
        return ""


def verify_files(path: Path, key: bytes, published: Iterable[Head] = ()) -> Verdict:
    """The same for the log at *path*, of a server that may run or not. Raises OSError."""
    with opened(path) as parts:
        return verify(parts, Seal(key), published)
