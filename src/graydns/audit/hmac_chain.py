"""The chain of HMACs over the lines of the audit log, and its published head.

::

    {"number":7,"previous":"<hmac of 6>", FIELDS ,"hmac":"<hmac of 7>"}

The HMAC-SHA256 of a line is over that of the line before it and all octets up to its own key ``hmac``. *previous* is in
the first line of a file, so that a file can be checked without the one before, and in lines of changes. Without the key
no line can be altered, removed, inserted or moved unnoticed; truncation at the end breaks no chain, but a published
head reveals it.

The published head is in ``<file>.head`` beside the log, in Consul's KV and in the server's own log:

::

    {"number":714,"hmac":"<64 hexadecimal digits>","at":"2026-11-22T12:00:00.000+00:00",
     "file":"/var/lib/graydns/audit.jsonl","seal":"<64 hexadecimal digits>"}

*seal* is HMAC-SHA256 over ``head`` and all octets before its own key: a head cannot be made without the log's key, nor
for a truncated log, only put back an older head.
"""

from __future__ import annotations

import hmac
import json
import os
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path

from attrs import evolve, frozen

#: The HMAC before the first line.
INITIAL_HMAC = "0" * 64

_KEY_BYTES = 32
_NUMBER_FIELD, _HMAC_FIELD = b'{"number":', b',"hmac":"'

#: Octets from the key ``hmac`` to the end of a line.
_HMAC_FIELD_BYTES = len(_HMAC_FIELD) + 64 + len(b'"}')

_HEXADECIMAL = re.compile(rb"[0-9a-f]{64}")


@frozen
class AuditHead:
    """A line by its number and HMAC; 0 and INITIAL_HMAC = before the first."""

    number: int = 0
    hmac: str = INITIAL_HMAC


@frozen
class HmacChain:
    """Seals lines and verifies seals. *key*: 32 octets."""

    key: bytes

    def append_line(self, before: AuditHead, fields: bytes, link: bool) -> tuple[bytes, AuditHead]:
        """The line after *before*, without a newline, and itself as an AuditHead.

        *fields*: the members of a JSON object, in ASCII. *link*: whether it has ``previous``.
        """
        number = before.number + 1
        body = b'%s%d,"previous":"%s",%s' % (_NUMBER_FIELD, number, before.hmac.encode(), fields) if link else (
            b"%s%d,%s" % (_NUMBER_FIELD, number, fields)
        )  # fmt: skip
        seal = self.compute_hmac(before.hmac, body)
        return b'%s%s%s"}' % (body, _HMAC_FIELD, seal.encode()), AuditHead(number, seal)

    def compute_hmac(self, before: str, body: bytes) -> str:
        """The HMAC of a line whose octets up to its own HMAC are *body*: 64 hexadecimal digits."""
        return hmac.digest(self.key, before.encode() + body, "sha256").hex()

    def verify_hmac(self, before: str, body: bytes, found: bytes) -> bool:
        """Whether *found* is that HMAC."""
        return hmac.compare_digest(self.compute_hmac(before, body).encode(), found)

    def verify_line(self, before: str, line: bytes) -> bool:
        """Whether *line* was written after the one whose HMAC is *before*."""
        head = parse_line_head(line)
        return head is not None and self.verify_hmac(before, line[:-_HMAC_FIELD_BYTES], head.hmac.encode())


def parse_line_head(line: bytes) -> AuditHead | None:
    """Number and HMAC of *line* (without a newline), unverified; None if it is no sealed line."""
    end = line.find(b",", len(_NUMBER_FIELD), len(_NUMBER_FIELD) + 20)
    number, seal = line[len(_NUMBER_FIELD) : end], line[-_HMAC_FIELD_BYTES + len(_HMAC_FIELD) : -2]
    formed = (
        line.startswith(_NUMBER_FIELD)
        and line[-_HMAC_FIELD_BYTES : -_HMAC_FIELD_BYTES + len(_HMAC_FIELD)] == _HMAC_FIELD
        and line.endswith(b'"}')
    )
    if not formed or end < 0 or not number.isdigit() or not _HEXADECIMAL.fullmatch(seal):
        return None
    return AuditHead(int(number), seal.decode())


def load_audit_key(path: Path, needed: bool = False) -> bytes:
    """The key in *path*: one line of 64 hexadecimal digits, created (mode 0600) if absent and not *needed* for
    existing lines.

    Raises ValueError for anything else in it, OSError if it cannot be read or created.
    """
    if not path.exists():
        if needed:
            raise ValueError("it is gone, and there are lines that were sealed with it")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(_KEY_BYTES) + "\n")
            file.flush()
            os.fsync(descriptor)
    return read_audit_key(path)


def read_audit_key(path: Path) -> bytes:
    """The key in *path*. Raises ValueError for anything else in it, OSError if it cannot be read."""
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError:
        raise ValueError("it is not 64 hexadecimal digits") from None
    if len(key) != _KEY_BYTES:
        raise ValueError("it is not 64 hexadecimal digits")
    return key


_HEAD_SEAL_PATTERN = re.compile(rb',"seal":"([0-9a-f]{64})"}')

#: No line's HMAC has this prefix: theirs are hexadecimal digits.
_HEAD_SEAL_PREFIX = "head"


@frozen
class PublishedHead:
    """*head* of the log *file*, empty where that is unknown. *sealed*: whether its seal is valid, None = it has
    none."""

    head: AuditHead
    file: str = ""
    sealed: bool | None = None


def head_path(log: Path) -> Path:
    """The file of the AuditHead of the log at *log*."""
    return log.with_name(f"{log.name}.head")


def format_head(head: AuditHead, at: float, file: Path, seal: HmacChain) -> bytes:
    """The text of *head* of the log *file*, published at Unix time *at*: one line of JSON."""
    when = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    record = {"number": head.number, "hmac": head.hmac, "at": when, "file": str(file)}
    body = json.dumps(record, separators=(",", ":")).encode("ascii")[:-1]
    return b'%s,"seal":"%s"}\n' % (body, seal.compute_hmac(_HEAD_SEAL_PREFIX, body).encode())


def parse_head(text: bytes, seal: HmacChain) -> PublishedHead:
    """Parse a published head. Raises ValueError."""
    try:
        found = json.loads(text)
        head, file = AuditHead(found["number"], found["hmac"]), found.get("file", "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        head = None
    if head is None or type(head.number) is not int or not isinstance(head.hmac, str) or not isinstance(file, str):
        raise ValueError("it is not a published head: an object with 'number' and 'hmac'")
    if "seal" not in found:
        return PublishedHead(head, file)
    at = _HEAD_SEAL_PATTERN.search(text)
    sealed = at is not None and seal.verify_hmac(_HEAD_SEAL_PREFIX, text[: at.start()].lstrip(), at[1])
    return PublishedHead(head, file, sealed)


def load_head(log: Path, seal: HmacChain) -> PublishedHead | None:
    """The head beside the log at *log*, which counts as altered if it has no seal; None = there is none.

    Raises ValueError, OSError.
    """
    path = head_path(log)
    try:
        found = parse_head(path.read_bytes(), seal)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None
    return evolve(found, sealed=bool(found.sealed))


def find_head(log: Path, seal: HmacChain) -> tuple[PublishedHead | None, str]:
    """As :func:`load_head`, and the reason if it cannot be used. Raises OSError."""
    try:
        return load_head(log, seal), ""
    except ValueError as error:
        return None, str(error)
