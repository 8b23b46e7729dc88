"""Replies to messages that never become a Query: FORMERR, BADVERS, NOTIMP.

They are made from what can be read of the message, on a path of their own, so that the common one carries nothing for
them. No such reply is longer than the message it answers.
"""

from __future__ import annotations

from contextlib import suppress

from graydns.model.answer import ADDITIONAL
from graydns.model.name import ROOT
from graydns.model.rrtype import OPT
from graydns.wire import edns
from graydns.wire.header import CD, HEADER, LONGEST_NAME, OPCODE, QR, QUESTION, RD, START
from graydns.wire.walk import Malformed, Names, records


def reply(data: bytes, rcode: int, payload: int) -> bytes:
    """The reply with *rcode* to *data*, which holds at least a header. *payload*: octets over UDP, advertised.

    ID, opcode, RD and CD are the asker's; a single readable question is echoed; there is an OPT record if one can be
    read in the query, for an asker that speaks EDNS is to be answered in it (RFC 6891 section 6.1.1).
    """
    message_id, flags, questions, *_ = HEADER.unpack_from(data)
    question = b""
    if questions == 1:
        with suppress(Malformed):
            question = data[START : question_end(data)]
    opt = _opt(data, rcode, payload)
    flags = QR | flags & (OPCODE | RD | CD) | rcode & 15
    return HEADER.pack(message_id, flags, 1 if question else 0, 0, 0, 1 if opt else 0) + question + opt


def question_end(data: bytes) -> int:
    """The offset past a question that starts behind the header; raises Malformed.

    Nothing stands before that name, so a compressed one is malformed.
    """
    at = START
    try:
        while length := data[at]:
            if length > 63:
                raise Malformed("a compressed or unknown label in the question")
            at += length + 1
    except IndexError:
        raise Malformed("the question goes past the end") from None
    end = at + 1 + QUESTION.size
    if at - START >= LONGEST_NAME:
        raise Malformed("a name of more than 255 octets")
    if end > len(data):
        raise Malformed("the question goes past the end")
    return end


def _opt(data: bytes, rcode: int, payload: int) -> bytes:
    """The OPT record for a reply; empty if no sound one can be found in *data*."""
    _, _, questions, *counts = HEADER.unpack_from(data)
    names, at = Names(data), START
    with suppress(Malformed):
        for _ in range(questions):
            at = names.read(at)[1] + QUESTION.size
        for record in records(data, at, (counts[0], counts[1], counts[2])):
            if record.rdtype == OPT and record.section == ADDITIONAL and record.owner == ROOT:
                return edns.record(payload, record.ttl & edns.DNSSEC_OK != 0, rcode=rcode)
    return b""
