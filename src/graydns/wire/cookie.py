"""Server cookies after RFC 9018: any server with the same secret makes and knows the same ones.

A server cookie is version 1, three reserved octets, a timestamp (Unix seconds) and a SipHash-2-4 over the client's
cookie, these and the client's address. Secrets have 16 octets.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Sequence

from siphash24 import siphash24

#: Octets of the client's cookie, and of both together.
CLIENT_SIZE, SIZE = 8, 24

#: Seconds that a cookie is good for, and that it may come from the future (RFC 9018 section 4.3).
OLDEST, NEWEST = 3600, 300

#: Seconds after which a good cookie is replaced (RFC 9018 section 4.3).
RENEWED_AFTER = 1800

_VERSION = b"\1\0\0\0"
_TIMESTAMP = struct.Struct("!I")
_TIMESTAMP_AT, _HASH_AT = 12, 16


def make(secret: bytes, client_cookie: bytes, source: bytes, now: float) -> bytes:
    """The data of a COOKIE option for the client at *source* (packed address): its cookie (8 octets) and ours.

    *now*: Unix seconds.
    """
    head = client_cookie + _VERSION + _TIMESTAMP.pack(int(now) & 0xFFFFFFFF)
    return head + _hash(secret, head, source)


def check(secrets: Sequence[bytes], cookie: bytes, source: bytes, now: float) -> bool:
    """Whether a server with one of *secrets* gave *cookie* (the data of a COOKIE option) to *source* lately."""
    if len(cookie) != SIZE or cookie[CLIENT_SIZE] != _VERSION[0] or not -NEWEST <= _age(cookie, now) <= OLDEST:
        return False
    # The reserved octets are hashed as they came: they need not be zero (RFC 9018 section 4.2).
    head, sent = cookie[:_HASH_AT], cookie[_HASH_AT:]
    return any(hmac.compare_digest(_hash(secret, head, source), sent) for secret in secrets)


def renew(secrets: Sequence[bytes], cookie: bytes, source: bytes, now: float) -> bytes:
    """What to answer *cookie* with in a COOKIE option: the same while it is good, young and of the first secret."""
    if check(secrets[:1], cookie, source, now) and _age(cookie, now) <= RENEWED_AFTER:
        return cookie
    return make(secrets[0], cookie[:CLIENT_SIZE], source, now)


def _age(cookie: bytes, now: float) -> int:
    """Seconds since the cookie was made, by serial number arithmetic (RFC 1982): the 32 bits run over in 2106."""
    age = int(now) - int(_TIMESTAMP.unpack_from(cookie, _TIMESTAMP_AT)[0]) & 0xFFFFFFFF
    return age - (1 << 32) if age >> 31 else age


def _hash(secret: bytes, head: bytes, source: bytes) -> bytes:
    digest: bytes = siphash24(head + source, key=secret).digest()
    return digest
