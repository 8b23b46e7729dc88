"""Server cookies after RFC 9018: any server with the same secret makes the same ones.

A server cookie is version 1, three reserved octets, a timestamp (Unix seconds) and a SipHash-2-4 over the client's
cookie, these and the client's address. Secrets have 16 octets.
"""

from __future__ import annotations

import struct

from siphash24 import siphash24

#: Octets of the client's cookie, with which a COOKIE option begins.
CLIENT_SIZE = 8

_VERSION = b"\1\0\0\0"
_TIMESTAMP = struct.Struct("!I")


def make(secret: bytes, client_cookie: bytes, source: bytes, now: float) -> bytes:
    """The data of a COOKIE option for the client at *source* (packed address): its cookie (8 octets) and ours.

    *now*: Unix seconds; the 32 bits run over in 2106.
    """
    head = client_cookie + _VERSION + _TIMESTAMP.pack(int(now) & 0xFFFFFFFF)
    digest: bytes = siphash24(head + source, key=secret).digest()
    return head + digest
