"""From an Answer to the bytes of one asker's reply.

What belongs to the asker and not to the answer is made here: header, question, OPT, truncation, the age of TTLs.
"""

from __future__ import annotations

from collections.abc import Sequence

from graydns.model.answer import Answer, Ede
from graydns.model.proof import Security
from graydns.model.query import Query
from graydns.model.rcode import SERVFAIL
from graydns.wire import edns
from graydns.wire.body import aged
from graydns.wire.header import AA, AD, CD, HEADER, QR, RA, RD, TC


def render(
    query: Query,
    answer: Answer,
    *,
    now: float,
    limit: int,
    options: bytes = b"",
    payload: int = edns.DEFAULT_PAYLOAD,
    recursion_available: bool,
    scope: int = 0,
    pad: int = 0,
) -> bytes:
    """The whole reply to *query*, at most *limit* octets (512 or more).

    *now*: monotonic seconds, for answers that age. *options*: encoded options for this asker. *payload*: octets over
    UDP that we advertise. *scope*: of the client subnet, which is echoed if the query had one (RFC 7871 section
    7.2.1). *pad*: block that the reply is padded to, in octets, 0 for none (RFC 8467).

    What does not fit goes in this order: the texts of extended errors, padding, RRsets from the end. TC is set if a
    required RRset went. All of *options* stay, so the caller keeps them few: 200 octets always fit.
    """
    body = answer.body if answer.stored is None else aged(answer, int(now - answer.stored))
    room = limit - HEADER.size - len(query.question)
    opt, rcode = b"", answer.rcode
    if query.edns is not None:
        room -= edns.RECORD.size
        options = _options(query.edns.subnet_wire, answer.edes, options, scope, room - len(body))
        room -= len(options)
    elif rcode > 15:
        # Only OPT holds the upper bits (RFC 6891 section 6.1.3); the lower ones alone would say something else.
        rcode = SERVFAIL
    flags = _flags(query, answer, recursion_available) | rcode & 15
    if len(body) <= room:
        answers, authorities, additionals = answer.counts()
    else:
        size, (answers, authorities, additionals), truncated = _cut(answer, room)
        body = body[:size]
        flags |= TC if truncated else 0
    if query.edns is not None:
        if pad:
            options += _padding(limit - room + len(body), limit, pad)
        opt = edns.record(payload, query.edns.dnssec_ok, options, rcode)
        additionals += 1
    return HEADER.pack(query.id, flags, 1, answers, authorities, additionals) + query.question + body + opt


def _flags(query: Query, answer: Answer, recursion_available: bool) -> int:
    """QR and the flags. AD goes to those who showed by DO or AD that they know it (RFC 6840 sections 5.7, 5.8); CD
    asks for no validation but takes nothing from an answer that has been validated."""
    flags = QR
    if answer.authoritative:
        flags |= AA
    if query.recursion_desired:
        flags |= RD
    if recursion_available:
        flags |= RA
    if query.checking_disabled:
        flags |= CD
    if answer.security is Security.SECURE and (query.authentic_data or query.dnssec_ok):
        flags |= AD
    return flags


def _options(subnet: bytes | None, edes: Sequence[Ede], options: bytes, scope: int, room: int) -> bytes:
    """*options* and those that the answer gives; extended errors keep their texts if all fits into *room*."""
    if subnet is not None:
        options += edns.echo_subnet(subnet, scope)
    if not edes:
        return options
    told = options + b"".join([edns.option(edns.EDE, code.to_bytes(2, "big") + text.encode()) for code, text in edes])
    if len(told) <= room:
        return told
    return options + b"".join([edns.option(edns.EDE, code.to_bytes(2, "big")) for code, _ in edes])


def _cut(answer: Answer, room: int) -> tuple[int, tuple[int, int, int], bool]:
    """The longest run of whole RRsets within *room* octets: its size, its counts, and whether a required one went."""
    totals, end = [0, 0, 0], 0
    for index, span in enumerate(answer.spans):
        if span.end > room:
            truncated = any(lost.required for lost in answer.spans[index:])
            return end, (totals[0], totals[1], totals[2]), truncated
        totals[span.section] += span.size
        end = span.end
    return end, (totals[0], totals[1], totals[2]), False


def _padding(size: int, limit: int, block: int) -> bytes:
    """The padding option that brings *size* octets to a multiple of *block*, or to *limit* (RFC 8467 section 4.1)."""
    size += edns.OPTION_SIZE
    if size > limit:
        return b""
    return edns.option(edns.PADDING, bytes(min(-size % block, limit - size)))
