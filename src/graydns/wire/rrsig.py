"""The beginning of an RRSIG's rdata (RFC 4034 section 3.1): all of it has a fixed place but the signer's name.

Every record of a signed answer comes with one, and dnspython takes longer to read it than OpenSSL to verify it.
"""

from __future__ import annotations

import struct

from graydns.wire.header import LONGEST_NAME
from graydns.wire.walk import Malformed

#: Type covered, algorithm, labels, original TTL, expiration, inception, key tag: what stands before the signer.
FIXED = struct.Struct("!HBBIIIH")

#: Half of the circle of serial numbers.
_HALF = 1 << 31


def covered(data: bytes, at: int) -> int:
    """The type that the RRSIG whose rdata start at *at* covers."""
    return data[at] << 8 | data[at + 1]


def expiration(data: bytes, at: int) -> int:
    """When the RRSIG whose rdata start at *at* expires: a serial number, of Unix seconds."""
    found: int = FIXED.unpack_from(data, at)[4]
    return found


def after(one: int, other: int) -> int:
    """Seconds by which *one* is after *other*, negative if before: times of signatures wrap around (RFC 1982).

    Of the moments that a serial number may mean, it is the one nearest to the other (RFC 4034 section 3.1.5).
    """
    return (one - other + _HALF) % (2 * _HALF) - _HALF


def signer(data: bytes, at: int, end: int) -> tuple[bytes, int]:
    """The signer of the RRSIG with rdata ``data[at:end]``, wire form, lowered; and where its signature starts.

    A signer is never compressed (RFC 4034 section 3.1.7). Raises Malformed.
    """
    name = past = at + FIXED.size
    try:
        while 0 < (length := data[past]) < 64:
            past += length + 1
    except IndexError:
        raise Malformed("an RRSIG goes past the end") from None
    past += 1
    if length or past > end or past - name > LONGEST_NAME:
        raise Malformed("the signer of an RRSIG is no name")
    return data[name:past].lower(), past
