"""An Answer as a ``dns.message.Message``, for whoever needs records and not speed."""

from __future__ import annotations

import dns.message

from graydns.model.answer import Answer
from graydns.wire.body import RRset
from graydns.wire.header import HEADER, QR


def view(question: bytes, answer: Answer) -> dns.message.Message:
    """*answer* to *question* (a question section) as a message with id 0. TTLs as they were stored."""
    head = HEADER.pack(0, QR | answer.rcode & 15, 1, *answer.counts())
    return dns.message.from_wire(head + question + answer.body)


def rrsets(question: bytes, answer: Answer) -> list[RRset]:
    """The RRsets of *answer* to *question*, without compression, in order of section."""
    message = view(question, answer)
    return [
        RRset(
            section,
            rrset.name.canonicalize().to_wire() or b"",
            rrset.rdtype,
            rrset.rdclass,
            rrset.ttl,
            tuple(rdata.to_wire() or b"" for rdata in rrset),
        )
        for section, found in enumerate((message.answer, message.authority, message.additional))
        for rrset in found
    ]
