"""The lines of the audit log about changes, and markers: lines about the log itself, recognised by their first field.

::

    "kept":714,…                        first line of a file: complete from line 714 on; older files may be removed
    "dropped":3,…                       so many lines could not be written
    "lost":{"number":9,"hmac":"…"}      found: the log was published up to line 9, which is missing
    "lost":{"first":1,"last":713}       found: files that should be kept are missing
    "lost":{"head":true}                found: the head is missing, so truncation cannot be excluded
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from attrs import frozen

from graydns.audit.hmac_chain import INITIAL_HMAC, AuditHead, HmacChain, parse_line_head

#: Only in lines of changes, as quotes inside of texts are escaped.
CHANGE_MARKER = b'"action":'


def format_change(
    at: float, actor: str, action: str, target: str, before: Any, after: Any, origin: str, tenant: str | None
) -> bytes:
    """The fields of the line of a change made at Unix time *at*."""
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
    """The object of a line; a line that cannot be parsed becomes ``{"unreadable": …}``."""
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    return record if isinstance(record, dict) else {"unreadable": line.decode("ascii", "backslashreplace")}


def _dump_json(record: Any) -> bytes:
    """Encode as JSON (RFC 8259, without NaN and Infinity) in ASCII, so that no control character reaches a terminal."""
    try:
        text = json.dumps(record, separators=(",", ":"), default=str, allow_nan=False)
    except ValueError:
        return _dump_json(json.loads(json.dumps(record, default=str), parse_constant=str))
    return text.encode("ascii")


KEPT_MARKER, DROPPED_MARKER, LOST_MARKER = b'"kept":', b'"dropped":', b'"lost":'


def format_kept_marker(number: int, fields: bytes) -> bytes:
    """*fields* of the first line of a file, with the marker that lines older than *number* may be removed."""
    return b"%s%d,%s" % (KEPT_MARKER, number, fields)


def format_truncation(head: AuditHead) -> bytes:
    """The fields of a line that says that the line of *head* is missing."""
    return b'%s{"number":%d,"hmac":%s}' % (LOST_MARKER, head.number, json.dumps(head.hmac).encode())


def format_missing_files(first: int, last: int) -> bytes:
    """The fields of a line that says that the files with these lines are missing."""
    return b'%s{"first":%d,"last":%d}' % (LOST_MARKER, first, last)


#: The fields of a line that says that the head is missing.
HEAD_MISSING = LOST_MARKER + b'{"head":true}'


def describe_loss(loss: Any) -> str:
    """The text for the value of ``lost``."""
    if isinstance(loss, dict) and "first" in loss:
        return f"lines {loss['first']} to {loss['last']} had been removed"
    if isinstance(loss, dict) and "head" in loss:
        return "the head had been removed, and perhaps lines with it"
    return "the log was cut off"


@frozen
class LogFileStart:
    """The first line of a file: its *number*, and the oldest line that was *kept* when it was written, None without
    that marker."""

    number: int
    kept: int | None


def read_previous_hmac(line: bytes) -> str:
    """The ``previous`` of *line*; empty if it has none."""
    try:
        return str(json.loads(line)["previous"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def read_kept_marker(line: bytes) -> int | None:
    """The value of ``kept`` of the first line of a file."""
    found = json.loads(line).get("kept")
    return found if isinstance(found, int) else None


def parse_file_start(line: bytes, seal: HmacChain) -> LogFileStart | None:
    """*line*, without a newline, as the first one of a file; None if its seal is invalid or it is not the first."""
    head, before = parse_line_head(line), read_previous_hmac(line)
    if (
        head is None
        or not before
        or not seal.verify_line(before, line)
        or (head.number == 1) != (before == INITIAL_HMAC)
    ):
        return None
    return LogFileStart(head.number, read_kept_marker(line))
