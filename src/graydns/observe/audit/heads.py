"""The published Head on the disk: ``data/audit.head``, what Consul's KV and the server's log have, too.

::

    {"number":714,"hmac":"<64 hexadecimal digits>","at":"2026-11-22T12:00:00.000+00:00"}
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from graydns.observe.audit.seal import Head


def show_head(head: Head, at: float) -> bytes:
    """*head* as it is published at Unix time *at*: one line of JSON."""
    when = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return json.dumps({"number": head.number, "hmac": head.hmac, "at": when}, separators=(",", ":")).encode() + b"\n"


def read_head(text: bytes) -> Head:
    """A Head as it was published. Raises ValueError."""
    try:
        found = json.loads(text)
        head = Head(found["number"], found["hmac"])
    except (ValueError, KeyError, TypeError):
        head = None
    if head is None or not isinstance(head.number, int) or not isinstance(head.hmac, str):
        raise ValueError("it is not a published head: an object with 'number' and 'hmac'")
    return head


def load_head(path: Path) -> Head | None:
    """What is in the file *path*, None = there is no such file. Raises ValueError, OSError."""
    try:
        return read_head(path.read_bytes())
    except FileNotFoundError:
        return None
