"""Changes: the lines of the audit log that say who changed what."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

#: In lines of changes only: the quotes of texts are escaped.
MARK = b'"action":'


def change(
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
    return _show(record)[1:-1]


def read_change(line: bytes) -> dict[str, Any]:
    """What a line says, for people: one that cannot be read is shown as it is."""
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    return record if isinstance(record, dict) else {"unreadable": line.decode("ascii", "backslashreplace")}


def _show(record: Any) -> bytes:
    """As JSON (RFC 8259), which knows no NaN and no Infinity, in ASCII: nothing in it can draw on a terminal."""
    try:
        text = json.dumps(record, separators=(",", ":"), default=str, allow_nan=False)
    except ValueError:
        return _show(json.loads(json.dumps(record, default=str), parse_constant=str))
    return text.encode("ascii")
