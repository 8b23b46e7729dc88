"""Changes: the lines of the audit log that say who changed what.

Marks: what lines tell of the log itself, by their first field.

::

    "kept":714,…                        first line of a file: from line 714 on all is there; older files may go now
    "dropped":3,…                       so many lines could not be written
    "lost":{"number":9,"hmac":"…"}      found: the log was published up to line 9, which is not there
    "lost":{"first":1,"last":713}       found: files that were to be kept are gone
    "lost":{"head":true}                found: the head is gone, so nobody can tell what was cut off
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from attrs import frozen

from graydns.audit.hmac_chain import INITIAL_HMAC, AuditHead, HmacChain, parse_line_head

#: In lines of changes only: the quotes of texts are escaped.
CHANGE_MARKER = b'"action":'


def format_change(
    at: float, actor: str, action: str, target: str, before: Any, after: Any, origin: str, tenant: str | None
) -> bytes:
    """The fields of the line of one, made at Unix time *at*."""
    record = {
        "at": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
        "actor": actor,
        "origin": origin,
        "tenant": tenant,
        "action": action,
        "target": target,
        "before": before,
        "after": after,
    }
    return _dump_json(record)[1:-1]


def parse_change(line: bytes) -> dict[str, Any]:
    """What a line says, for people: one that cannot be read is shown as it is."""
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    return record if isinstance(record, dict) else {"unreadable": line.decode("ascii", "backslashreplace")}


def _dump_json(record: Any) -> bytes:
    """As JSON (RFC 8259), which knows no NaN and no Infinity, in ASCII: nothing in it can draw on a terminal."""
    try:
        text = json.dumps(record, separators=(",", ":"), default=str, allow_nan=False)
    except ValueError:
        return _dump_json(json.loads(json.dumps(record, default=str), parse_constant=str))
    return text.encode("ascii")


KEPT_MARKER, DROPPED_MARKER, LOST_MARKER = b'"kept":', b'"dropped":', b'"lost":'


def kept(number: int, fields: bytes) -> bytes:
    """*fields* of the first line of a file from whose writing on lines older than *number* may go."""
    return b"%s%d,%s" % (KEPT_MARKER, number, fields)


def format_truncation(head: AuditHead) -> bytes:
    """The fields of a line that says that the line of *head* is gone."""
    return b'%s{"number":%d,"hmac":%s}' % (LOST_MARKER, head.number, json.dumps(head.hmac).encode())


def format_missing_files(first: int, last: int) -> bytes:
    """The fields of a line that says that the files with these lines are gone."""
    return b'%s{"first":%d,"last":%d}' % (LOST_MARKER, first, last)


#: The fields of a line that says that the head is gone.
HEAD_MISSING = LOST_MARKER + b'{"head":true}'


def describe_loss(loss: Any) -> str:
    """What a line *lost* tells, in words."""
    if isinstance(loss, dict) and "first" in loss:
        return f"lines {loss['first']} to {loss['last']} had been removed"
    if isinstance(loss, dict) and "head" in loss:
        return "the head had been removed, and perhaps lines with it"
    return "the log was cut off"


@frozen
class LogFileStart:
    """What the first line of a file tells: its *number*, and the oldest line that was *kept* when it was written, None
    where it has not that mark."""

    number: int
    kept: int | None


def read_previous_hmac(line: bytes) -> str:
    """The HMAC of the line before, as *line* has it; empty if it has none."""
    try:
        return str(json.loads(line)["previous"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def read_kept_marker(line: bytes) -> int | None:
    """The mark of the first line of a file."""
    found = json.loads(line).get("kept")
    return found if isinstance(found, int) else None


def parse_file_start(line: bytes, seal: HmacChain) -> LogFileStart | None:
    """*line*, without a newline, as the first one of a file; None if it is not as it was written, or not the first."""
    head, before = parse_line_head(line), read_previous_hmac(line)
    if (
        head is None
        or not before
        or not seal.verify_line(before, line)
        or (head.number == 1) != (before == INITIAL_HMAC)
    ):
        return None
    return LogFileStart(head.number, read_kept_marker(line))
