"""The published Head: ``<file>.head`` beside the log, what Consul's KV and the server's own log have, too.

::

    {"number":714,"hmac":"<64 hexadecimal digits>","at":"2026-11-22T12:00:00.000+00:00",
     "file":"/var/lib/graydns/audit.jsonl","seal":"<64 hexadecimal digits>"}

*seal* is HMAC-SHA256 over ``head`` and all octets before its own key: whoever has not the key of the log cannot make a
head that fits a shorter one, only put back an older head.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

from attrs import evolve, frozen

from graydns.observe.audit.seal import Head, Seal

_SEAL = re.compile(rb',"seal":"([0-9a-f]{64})"}')

#: No line of a log begins so: they are sealed behind hexadecimal digits.
_HEAD = "head"


@frozen
class Published:
    """*head* of the log *file*, empty where that is not told. *sealed*: whether its seal fits, None = it has none."""

    head: Head
    file: str = ""
    sealed: bool | None = None


def head_path(log: Path) -> Path:
    """The file of the Head of the log at *log*."""
    return log.with_name(f"{log.name}.head")


def show_head(head: Head, at: float, file: Path, seal: Seal) -> bytes:
    """*head* of the log *file* as it is published at Unix time *at*: one line of JSON."""
    when = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    record = {"number": head.number, "hmac": head.hmac, "at": when, "file": str(file)}
    body = json.dumps(record, separators=(",", ":")).encode("ascii")[:-1]
    return b'%s,"seal":"%s"}\n' % (body, seal.hmac(_HEAD, body).encode())


def read_head(text: bytes, seal: Seal) -> Published:
    """A Head as it was published. Raises ValueError."""
    try:
        found = json.loads(text)
        head, file = Head(found["number"], found["hmac"]), found.get("file", "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        head = None
    if head is None or type(head.number) is not int or not isinstance(head.hmac, str) or not isinstance(file, str):
        raise ValueError("it is not a published head: an object with 'number' and 'hmac'")
    if "seal" not in found:
        return Published(head, file)
    at = _SEAL.search(text)
    sealed = at is not None and seal.fits(_HEAD, text[: at.start()].lstrip(), at[1])
    return Published(head, file, sealed)


def load_head(log: Path, seal: Seal) -> Published | None:
    """The Head beside the log at *log*, which counts as altered without a seal; None = there is none.

    Raises ValueError, OSError.
    """
    path = head_path(log)
    try:
        found = read_head(path.read_bytes(), seal)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None
    return evolve(found, sealed=bool(found.sealed))


def head_beside(log: Path, seal: Seal) -> tuple[Published | None, str]:
    """The same, or why it cannot be used. Raises OSError."""
    try:
        return load_head(log, seal), ""
    except ValueError as error:
        return None, str(error)
