"""Until when the signatures of an answer hold."""

from __future__ import annotations

from graydns.model.answer import Answer
from graydns.model.query import Query
from graydns.model.rrtype import ANY, RRSIG
from graydns.wire import rrsig
from graydns.wire.header import HEADER
from graydns.wire.walk import records


def signed_for(query: Query, answer: Answer, wall: float) -> float | None:
    """Seconds from *wall* (Unix time) until the first RRSIG that *answer* has, or was validated by, expires.

    None without one, negative if it has expired.
    """
    if answer.proof is not None and answer.proof.until is not None:
        return answer.proof.until - wall
    if not query.dnssec_ok and query.qtype not in (RRSIG, ANY):
        return None
    message = bytes(HEADER.size) + query.question + answer.body
    left = [
        rrsig.after(rrsig.expiration(message, record.rdata_at), int(wall))
        for record in records(message, HEADER.size + len(query.question), answer.counts())
        if record.rdtype == RRSIG
    ]
    return min(left, default=None)
