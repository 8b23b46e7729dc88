"""Replies to messages that do not become a Query: FORMERR, BADVERS, NOTIMP; and to queries with an unknown TSIG key.

They are made from what can be read of the message, apart from the common path, which pays nothing for them. No such
reply is longer than its query.
"""

from __future__ import annotations

from contextlib import suppress

import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from graydns.model.answer import ADDITIONAL
from graydns.model.dns_parameters import ANY, FORMERR, NOTAUTH, OPT, TSIG
from graydns.model.name import ROOT
from graydns.model.query import Query
from graydns.wire import edns
from graydns.wire.message import (
    CD,
    HEADER_STRUCT,
    MAX_NAME_BYTES,
    OPCODE_MASK,
    QR,
    QUESTION_OFFSET,
    QUESTION_STRUCT,
    RD,
    RECORD_STRUCT,
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
