"""Marks: what lines tell of the log itself, by their first field.

::

    "kept":714,…                        first line of a file: from line 714 on all is there; older files may go now
    "dropped":3,…                       so many lines could not be written
    "lost":{"number":9,"hmac":"…"}      found: the log was published up to line 9, which is not there
    "lost":{"first":1,"last":713}       found: files that were to be kept are gone
    "lost":{"head":true}                found: the head is gone, so nobody can tell what was cut off
"""

from __future__ import annotations

import json
from typing import Any

from attrs import frozen

from graydns.observe.audit.seal import NOTHING, Head, Seal, head_of

KEPT, DROPPED, LOST = b'"kept":', b'"dropped":', b'"lost":'


def kept(number: int, fields: bytes) -> bytes:
    """*fields* of the first line of a file from whose writing on lines older than *number* may go."""
    return b"%s%d,%s" % (KEPT, number, fields)


def cut_off(head: Head) -> bytes:
    """The fields of a line that says that the line of *head* is gone."""
    return b'%s{"number":%d,"hmac":%s}' % (LOST, head.number, json.dumps(head.hmac).encode())


def files_gone(first: int, last: int) -> bytes:
    """The fields of a line that says that the files with these lines are gone."""
    return b'%s{"first":%d,"last":%d}' % (LOST, first, last)


#: The fields of a line that says that the head is gone.
HEAD_GONE = LOST + b'{"head":true}'


def show_loss(loss: Any) -> str:
    """What a line *lost* tells, in words."""
    if isinstance(loss, dict) and "first" in loss:
        return f"lines {loss['first']} to {loss['last']} had been removed"
    if isinstance(loss, dict) and "head" in loss:
        return "the head had been removed, and perhaps lines with it"
    return "the log was cut off"


@frozen
class Begin:
    """What the first line of a file tells: its *number*, and the oldest line that was *kept* when it was written, None
    where it has not that mark."""

    number: int
    kept: int | None


def previous_of(line: bytes) -> str:
    """The HMAC of the line before, as *line* has it; empty if it has none."""
    try:
        return str(json.loads(line)["previous"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def kept_of(line: bytes) -> int | None:
    """The mark of the first line of a file."""
    found = json.loads(line).get("kept")
    return found if isinstance(found, int) else None


def read_begin(line: bytes, seal: Seal) -> Begin | None:
    """*line*, without a newline, as the first one of a file; None if it is not as it was written, or not the first."""
    head, before = head_of(line), previous_of(line)
    if head is None or not before or not seal.holds(before, line) or (head.number == 1) != (before == NOTHING):
        return None
    return Begin(head.number, kept_of(line))
