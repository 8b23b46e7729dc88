"""DNS cookies (RFC 7873, 9018): the server's secrets on disk, and the option that goes into a reply."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from graydns.wire import cookie as codec
from graydns.wire.edns import COOKIE, option

_SECRET_OCTETS = 16


def load_secrets(path: Path) -> tuple[bytes, ...]:
    """The secrets in *path*, the one to make cookies with first; the file is made (mode 0600) if absent.

    One secret a line, 32 hexadecimal digits. To roll over, put the new one on top and drop the old an hour later;
    servers behind one address share the file. Raises ValueError for anything else in it, OSError if it cannot be
    read or made.
    """
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(_SECRET_OCTETS) + "\n")
    lines = path.read_text(encoding="ascii").split()
    found = tuple(bytes.fromhex(line) for line in lines)
    if not found or any(len(secret) != _SECRET_OCTETS for secret in found):
        raise ValueError("a line has not 16 octets, or there is none")
    return found


def reply_option(known: tuple[bytes, ...], sent: bytes, source: bytes, now: float) -> bytes:
    """The COOKIE option for a reply to a client at *source* (packed) that *sent* this cookie, at Unix time *now*.

    A wrong or absent server part is no offence: the client gets a right one and its answer (RFC 7873 section 5.2.3).
    So none is checked, and each reply brings a new one, which costs less (RFC 9018 section 4.3 lets servers).
    """
    return option(COOKIE, codec.make(known[0], sent[: codec.CLIENT_SIZE], source, now))
