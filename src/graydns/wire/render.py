"""Rendering: an Answer to the bytes of one client's reply, queries to upstreams, and replies to malformed messages.

What depends on the client and not on the answer is made here: header, question, OPT, truncation, the age of TTLs.
Replies to messages that do not become a Query (FORMERR, BADVERS, NOTIMP, BADKEY) are made from what can be read of the
message, apart from the common path; none is longer than its query.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from graydns.model.answer import ADDITIONAL, Answer, Ede
from graydns.model.dns_parameters import ANY, FORMERR, NOTAUTH, OPT, SERVFAIL, TSIG
from graydns.model.dnssec_values import Security
from graydns.model.name import ROOT
from graydns.model.query import Query
from graydns.wire import edns
from graydns.wire.answer_body import age_body
from graydns.wire.message import (
    AA,
    AD,
    CD,
    HEADER_STRUCT,
    MAX_NAME_BYTES,
    OPCODE_MASK,
    QR,
    QUESTION_OFFSET,
    QUESTION_STRUCT,
    RA,
    RD,
    RECORD_STRUCT,
    TC,
    MalformedMessageError,
    NameReader,
    records,
)


def make_error_reply(data: bytes, rcode: int, payload: int) -> bytes:
    """The reply with *rcode* to *data*, which holds at least a header. *payload*: octets over UDP, advertised.

    ID, opcode, RD and CD are those of the query; a single readable question is echoed; there is an OPT record if one
    can be read in the query (RFC 6891 section 6.1.1).
    """
    message_id, flags, questions, *_ = HEADER_STRUCT.unpack_from(data)
    question = b""
    if questions == 1:
        with suppress(MalformedMessageError):
            question = data[QUESTION_OFFSET : find_question_end(data)]
    opt = _make_opt(data, rcode, payload)
    flags = QR | flags & (OPCODE_MASK | RD | CD) | rcode & 15
    return HEADER_STRUCT.pack(message_id, flags, 1 if question else 0, 0, 0, 1 if opt else 0) + question + opt


def find_question_end(data: bytes) -> int:
    """The offset past the question that follows the header. Raises MalformedMessageError.

    A compressed name is malformed here: there is nothing before it to point to.
    """
    at = QUESTION_OFFSET
    try:
        while length := data[at]:
            if length > 63:
                raise MalformedMessageError("a compressed or unknown label in the question")
            at += length + 1
    except IndexError:
        raise MalformedMessageError("the question goes past the end") from None
    end = at + 1 + QUESTION_STRUCT.size
    if at - QUESTION_OFFSET >= MAX_NAME_BYTES:
        raise MalformedMessageError("a name of more than 255 octets")
    if end > len(data):
        raise MalformedMessageError("the question goes past the end")
    return end


def _make_opt(data: bytes, rcode: int, payload: int) -> bytes:
    """The OPT record for a reply; empty if there is no valid one in *data*."""
    _, _, questions, *counts = HEADER_STRUCT.unpack_from(data)
    names, at = NameReader(data), QUESTION_OFFSET
    with suppress(MalformedMessageError):
        for _ in range(questions):
            at = names.read(at)[1] + QUESTION_STRUCT.size
        for record in records(data, at, (counts[0], counts[1], counts[2])):
            if record.rdtype == OPT and record.section == ADDITIONAL and record.owner == ROOT:
                return edns.encode_opt_record(payload, record.ttl & edns.DO_FLAG != 0, rcode=rcode)
    return b""


_TSIG_BADKEY = 17


def make_badkey_reply(query: Query, payload: int) -> bytes:
    """The reply to *query*, which has a TSIG record: NOTAUTH and BADKEY, unsigned (RFC 8945 sections 5.2.1 and 5.3.2).

    Key, algorithm and time are those of the query. FORMERR if the record is malformed. *payload*: octets over UDP,
    advertised.
    """
    wire = query.wire
    owner, at = NameReader(wire).read(query.tsig)
    at += RECORD_STRUCT.size
    try:
        rdata = dns.rdata.from_wire(dns.rdataclass.ANY, dns.rdatatype.TSIG, wire, at, len(wire) - at)
    except dns.exception.DNSException:
        return make_error_reply(wire, FORMERR, payload)
    reply = rdata.replace(mac=b"", error=_TSIG_BADKEY, other=b"").to_wire() or b""
    flags = QR | NOTAUTH | (RD if query.recursion_desired else 0) | (CD if query.checking_disabled else 0)
    # A query with OPT is answered with OPT (RFC 6891 section 6.1.1); TSIG stays the last record.
    opt = b"" if query.edns is None else edns.encode_opt_record(payload, query.edns.dnssec_ok)
    tail = opt + owner + RECORD_STRUCT.pack(TSIG, ANY, 0, len(reply)) + reply
    return HEADER_STRUCT.pack(query.id, flags, 1, 0, 0, 2 if opt else 1) + query.question + tail


def render_reply(
    query: Query,
    answer: Answer,
    *,
    now: float,
    limit: int,
    options: bytes = b"",
    payload: int = edns.DEFAULT_UDP_PAYLOAD_BYTES,
    recursion_available: bool,
    scope: int = 0,
    pad: int = 0,
) -> bytes:
    """The whole reply to *query*, at most *limit* octets (512 or more).

    *now*: monotonic seconds, for answers that age. *options*: encoded options for this client. *payload*: octets over
    UDP, advertised. *scope*: of the client subnet, which is echoed if the query had one (RFC 7871 section
    7.2.1). *pad*: block that the reply is padded to, in octets, 0 for none (RFC 8467).

    What does not fit is left out in this order: the texts of extended errors, padding, RRsets from the end. TC is set
    if a required RRset is left out. All of *options* stay, so they must be few: 200 octets always fit.
    """
    body = answer.body if answer.stored_at is None else age_body(answer, int(now - answer.stored_at))
    room = limit - HEADER_STRUCT.size - len(query.question)
    opt, rcode = b"", answer.rcode
    if query.edns is not None:
        room -= edns.OPT_STRUCT.size
        options = _encode_options(query.edns.subnet_wire, answer.edes, options, scope, room - len(body))
        room -= len(options)
    elif rcode > 15:
        # Only OPT has the upper bits (RFC 6891 section 6.1.3); the lower ones alone would be another rcode.
        rcode = SERVFAIL
    flags = _make_flags(query, answer, recursion_available) | rcode & 15
    if len(body) <= room:
        answers, authorities, additionals = answer.counts()
    else:
        size, (answers, authorities, additionals), truncated = _truncate_sections(answer, room)
        body = body[:size]
        flags |= TC if truncated else 0
    if query.edns is not None:
        if pad:
            options += _encode_padding(limit - room + len(body), limit, pad)
        opt = edns.encode_opt_record(payload, query.edns.dnssec_ok, options, rcode)
        additionals += 1
    return HEADER_STRUCT.pack(query.id, flags, 1, answers, authorities, additionals) + query.question + body + opt


def _make_flags(query: Query, answer: Answer, recursion_available: bool) -> int:
    """QR and the flags. AD is set only for clients that sent DO or AD (RFC 6840 sections 5.7, 5.8); CD asks for no
    validation but does not clear AD of an answer that has been validated."""
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


def _encode_options(subnet: bytes | None, edes: Sequence[Ede], options: bytes, scope: int, room: int) -> bytes:
    """*options* and those of the answer; extended errors keep their texts if all fits into *room* octets."""
    if subnet is not None:
        options += edns.encode_subnet_reply(subnet, scope)
    if not edes:
        return options
    with_texts = options + b"".join(
        [edns.encode_option(edns.EDE, code.to_bytes(2, "big") + text.encode()) for code, text in edes]
    )
    if len(with_texts) <= room:
        return with_texts
    return options + b"".join([edns.encode_option(edns.EDE, code.to_bytes(2, "big")) for code, _ in edes])


def _truncate_sections(answer: Answer, room: int) -> tuple[int, tuple[int, int, int], bool]:
    """The longest run of whole RRsets within *room* octets: its size and counts, and whether a required one is cut."""
    totals, end = [0, 0, 0], 0
    for index, span in enumerate(answer.spans):
        if span.end > room:
            truncated = any(lost.required for lost in answer.spans[index:])
            return end, (totals[0], totals[1], totals[2]), truncated
        totals[span.section] += span.record_count
        end = span.end
    return end, (totals[0], totals[1], totals[2]), False


def _encode_padding(size: int, limit: int, block: int) -> bytes:
    """The padding option that brings *size* octets to a multiple of *block*, or to *limit* (RFC 8467 section 4.1)."""
    size += edns.OPTION_HEADER_BYTES
    if size > limit:
        return b""
    return edns.encode_option(edns.PADDING, bytes(min(-size % block, limit - size)))


def render_query(
    id: int,  # noqa: A002
    question: bytes,
    *,
    recursion_desired: bool,
    checking_disabled: bool,
    dnssec_ok: bool,
    payload: int,
    options: bytes = b"",
) -> bytes:
    """A query for *question* (a whole question section) with an OPT record.

    *payload*: octets accepted over UDP. *options*: encoded options.
    """
    flags = (RD if recursion_desired else 0) | (CD if checking_disabled else 0)
    return HEADER_STRUCT.pack(id, flags, 1, 0, 0, 1) + question + edns.encode_opt_record(payload, dnssec_ok, options)
