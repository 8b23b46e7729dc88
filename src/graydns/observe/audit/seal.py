"""Seal: what holds the lines of the audit log together.

::

    {"number":7,"previous":"<hmac of 6>", FIELDS ,"hmac":"<hmac of 7>"}

The HMAC-SHA256 of a line is over that of the line before it and all octets up to its own key ``hmac``. *previous* is in
the first line of a file, from where it can be checked without the file before, and in lines of changes. Whoever has not
the key cannot alter, take out, put in or move a line; only lines cut off at the end break nothing, and a Head that
was published tells of those.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
from pathlib import Path

from attrs import frozen

#: The HMAC before the first line.
NOTHING = "0" * 64

_KEY_OCTETS = 32
_NUMBER, _LAST = b'{"number":', b',"hmac":"'

#: Octets from the key ``hmac`` to the end of a line.
_TAIL = len(_LAST) + 64 + len(b'"}')

_HEXADECIMAL = re.compile(rb"[0-9a-f]{64}")


@frozen
class Head:
    """A line by its number and HMAC, 0 and NOTHING = before the first."""

    number: int = 0
    hmac: str = NOTHING


@frozen
class Seal:
    """Seals lines and tells whether they were. *key*: 32 octets."""

    key: bytes

    def line(self, before: Head, fields: bytes, link: bool) -> tuple[bytes, Head]:
        """The line after *before*, without a newline, and itself as a Head.

        *fields*: the inside of a JSON object, in ASCII. *link*: whether it has ``previous``.
        """
        number = before.number + 1
        body = b'%s%d,"previous":"%s",%s' % (_NUMBER, number, before.hmac.encode(), fields) if link else (
            b"%s%d,%s" % (_NUMBER, number, fields)
        )  # fmt: skip
        told = self.hmac(before.hmac, body)
        return b'%s%s%s"}' % (body, _LAST, told.encode()), Head(number, told)

    def hmac(self, before: str, body: bytes) -> str:
        """That of a line whose octets up to its HMAC are *body*, 64 hexadecimal digits."""
        return hmac.digest(self.key, before.encode() + body, "sha256").hex()

    def fits(self, before: str, body: bytes, told: bytes) -> bool:
        """Whether *told* is that HMAC."""
        return hmac.compare_digest(self.hmac(before, body).encode(), told)

    def holds(self, before: str, line: bytes) -> bool:
        """Whether *line* was written after the one whose HMAC is *before*."""
        head = head_of(line)
        return head is not None and self.fits(before, line[:-_TAIL], head.hmac.encode())


def head_of(line: bytes) -> Head | None:
    """What *line* (without a newline) says that it is; None if it has not the form of one."""
    end = line.find(b",", len(_NUMBER), len(_NUMBER) + 20)
    number, told = line[len(_NUMBER) : end], line[-_TAIL + len(_LAST) : -2]
    formed = line.startswith(_NUMBER) and line[-_TAIL : -_TAIL + len(_LAST)] == _LAST and line.endswith(b'"}')
    if not formed or end < 0 or not number.isdigit() or not _HEXADECIMAL.fullmatch(told):
        return None
    return Head(int(number), told.decode())


def load_key(path: Path, needed: bool = False) -> bytes:
    """The key in *path*: one line of 64 hexadecimal digits, made (mode 0600) if absent and not *needed* for lines that
    there are already.

    Raises ValueError for anything else in it, OSError if it cannot be read or made.
    """
    if not path.exists():
        if needed:
            raise ValueError("it is gone, and there are lines that were sealed with it")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(_KEY_OCTETS) + "\n")
            file.flush()
            os.fsync(descriptor)
    return read_key(path)


def read_key(path: Path) -> bytes:
    """The key in *path*. Raises ValueError for anything else in it, OSError if it cannot be read."""
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError:
        raise ValueError("it is not 64 hexadecimal digits") from None
    if len(key) != _KEY_OCTETS:
        raise ValueError("it is not 64 hexadecimal digits")
    return key
