"""Verification: whether the lines of the audit log are unaltered and complete."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from attrs import asdict, define, field

from graydns.audit.hmac_chain import INITIAL_HMAC, AuditHead, HmacChain, PublishedHead, head_path, parse_line_head
from graydns.audit.line_formats import (
    DROPPED_MARKER,
    KEPT_MARKER,
    LOST_MARKER,
    describe_loss,
    parse_file_start,
    read_kept_marker,
    read_previous_hmac,
)
from graydns.audit.log_files import LogFilePart, open_log_files, read_first_line, read_lines

#: Lines checked in one slice: about half a millisecond.
_LINES_PER_SLICE = 200


@define
class VerificationResult:
    """*first*, *last*: the numbers of the oldest and the newest line, *last* being one less where there is none.

    *first_bad*: the number that the first altered or missing line has or should have; *why*: the reason as text;
    *missing*: the first and the last number of missing lines, if that is the reason. *dropped*: lines that could not be
    written, by the log itself. *published*: the number of the head that the lines were compared with, None = there was
    none, or its line was removed with an old file. *note*: what could not be checked without it.
    """

    first: int
    last: int
    lines: int = 0
    ok: bool = True
    first_bad: int | None = None
    why: str = ""
    missing: tuple[int, int] | None = None
    dropped: int = 0
    published: int | None = None
    note: str = ""

    def mark_bad(self, number: int | None, why: str) -> None:
        """Report line *number*; only the first report counts."""
        if self.ok:
            self.ok, self.first_bad, self.why = False, number, why

    def mark_missing(self, first: int, last: int, why: str = "") -> None:
        """Report missing lines."""
        if self.ok:
            self.missing = first, last
        lines = f"line {first} is" if first == last else f"lines {first} to {last} are"
        self.mark_bad(first, f"{lines} missing{why}")

    def to_plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@define
class _LineVerifier:
    """Verifies the lines one by one. *known*: published heads by number. *before*: the HMAC in the line before.

    *kept*: the oldest line that should be kept. *formed*, *fits*: whether any line has a seal, a valid seal.
    """

    seal: HmacChain
    known: dict[int, AuditHead]
    found: VerificationResult
    before: str = INITIAL_HMAC
    kept: int = 1
    formed: bool = field(init=False, default=False)
    fits: bool = field(init=False, default=False)

    def verify_line(self, line: bytes, begins: bool) -> None:
        """Verify *line*, which should have the number ``found.last``. *begins*: it is the first of its file."""
        found, at = self.found, self.found.last
        head = parse_line_head(line[:-1]) if line.endswith(b"\n") else None
        linked = read_previous_hmac(line) if begins else self.before
        if begins and at == found.first > 1:
            self.before = linked  # the line before was removed with an old file
        if head is None:
            found.mark_bad(at, f"line {at} is unreadable")
            return
        self.formed = True
        if found.ok or not self.fits:
            holds = self.seal.verify_line(linked, line[:-1])
            self.fits |= holds
            if found.ok:
                self._check_position(line, head, linked, begins, holds)
        self.before = head.hmac

    def _check_position(self, line: bytes, head: AuditHead, linked: str, begins: bool, holds: bool) -> None:
        found, at = self.found, self.found.last
        if head.number > at and holds:
            found.mark_missing(at, head.number - 1)
        elif head.number != at:
            found.mark_bad(at, f"line {at} is not there")
        elif linked != self.before or not holds:
            found.mark_bad(at, f"line {at} was altered")
        elif self.known.get(at, head) != head:
            found.mark_bad(at, f"line {at} is not the one that was published")
        else:
            self._read_markers(line, begins)

    def _read_markers(self, line: bytes, begins: bool) -> None:
        fields = line[line.find(b",") + 1 :]
        if begins:
            fields = fields[fields.find(b",") + 1 :]
            if fields.startswith(KEPT_MARKER):
                self.kept = max(self.kept, read_kept_marker(line) or 1)
                fields = fields[fields.find(b",") + 1 :]
        if fields.startswith(DROPPED_MARKER):
            self.found.dropped += json.loads(line)["dropped"]
        elif fields.startswith(LOST_MARKER):
            at = self.found.last
            self.found.mark_bad(at, f"before line {at} {describe_loss(json.loads(line)['lost'])}")


def verify_parts(
    parts: Sequence[LogFilePart],
    seal: HmacChain,
    published: Iterable[PublishedHead] = (),
    pause: Callable[[], object] = bool,
    trouble: str = "",
) -> VerificationResult:
    """Verify all lines of *parts*. *published*: heads known from elsewhere; *trouble*: why the head beside the log is
    not among them. *pause*: called after each slice."""
    first = _find_oldest_number(parts, seal)
    found = VerificationResult(first, first - 1)
    heads = list(published)
    oldest = 0 if first == 1 else first  # 0: the head of a log that had no line yet
    check = _LineVerifier(seal, {each.head.number: each.head for each in heads if each.head.number >= oldest}, found)
    for line, begins in read_lines(parts):
        found.lines, found.last = found.lines + 1, found.last + 1
        if found.lines % _LINES_PER_SLICE == 0:
            pause()
        check.verify_line(line, begins)
    _conclude(check, heads, trouble)
    return found


def _find_oldest_number(parts: Sequence[LogFilePart], seal: HmacChain) -> int:
    """The number of the oldest line: by the line itself if it is the first of its file, else by the file's name."""
    for part in parts:
        if part.size:
            begin = parse_file_start(read_first_line(part), seal)
            return part.first if begin is None or begin.kept is None else begin.number
    return parts[0].first


def _conclude(check: _LineVerifier, heads: Sequence[PublishedHead], trouble: str) -> None:
    found = check.found
    if found.lines and not check.formed:
        found.why = "no line has a seal: it is of an older version, or no audit log"
    elif found.lines and not check.fits and not any(each.sealed for each in heads):
        found.ok, found.first_bad = False, found.first
        found.why = f"no line of {found.lines} fits the key: they were sealed with another one"
        found.missing = None
    if found.lines and found.first > check.kept:
        found.mark_missing(check.kept, found.first - 1)
    for number in sorted(check.known):
        if number > found.last:
            found.mark_missing(found.last + 1, number, ": the log was published up to there")
        found.published = number
    if trouble:
        found.mark_bad(None, trouble)
    if any(each.sealed is False for each in heads):
        found.mark_bad(None, "a published head was altered, or sealed with another key")
    if found.published is None:
        found.note = f"without a head nobody can tell whether lines after {found.last} were cut off"


def explain_missing_head(path: Path, seal: HmacChain) -> str:
    """What is wrong with the log at *path* if no head is known; empty if it never had one.

    Raises OSError.
    """
    with open_log_files(path) as parts:
        begins = [parse_file_start(read_first_line(part), seal) for part in parts if part.size]
    if not begins:
        return f"there are no lines, and no head that says there should be none: {head_path(path)} is missing"
    if any(begin is not None and begin.kept is not None for begin in begins):
        return f"{head_path(path)} is missing, and without a head nobody can tell whether lines were cut off"
    return ""


def verify_log_files(
    path: Path, key: bytes, published: Iterable[PublishedHead] = (), trouble: str = ""
) -> VerificationResult:
    """Verify the log at *path*; the server may be running. Raises OSError."""
    with open_log_files(path) as parts:
        return verify_parts(parts, HmacChain(key), published, trouble=trouble)
