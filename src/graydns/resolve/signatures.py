"""Until when the signatures of an answer hold."""

from __future__ import annotations

import struct

from graydns.model.answer import Answer
from graydns.model.query import Query
from graydns.wire.header import HEADER
from graydns.wire.walk import records

RRSIG, ANY = 46, 255

#: Signature Expiration in the rdata of an RRSIG (RFC 4034 section 3.1), which an upstream's answer had checked.
_EXPIRATION = struct.Struct("!8xI")


def signed_for(query: Query, answer: Answer, wall: float) -> float | None:
    """Seconds from *wall* (Unix time) until the first RRSIG that *answer* has, or was validated by, expires.

    None without one, negative if it has expired.

    Expirations are serial numbers: the moment meant is the one nearest to now (RFC 4034 section 3.1.5).
    """
    if answer.proof is not None and answer.proof.until is not None:
        return answer.proof.until - wall
    if not query.dnssec_ok and query.qtype not in (RRSIG, ANY):
        return None
    message = bytes(HEADER.size) + query.question + answer.body
    left = [
        (_EXPIRATION.unpack_from(message, record.rdata_at)[0] - int(wall) + 0x80000000) % 0x100000000 - 0x80000000
        for record in records(message, HEADER.size + len(query.question), answer.counts())
        if record.rdtype == RRSIG
    ]
    return min(left, default=None)
