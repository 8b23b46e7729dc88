"""Bodies: the records of an Answer in wire form, and changes of their TTLs without building them again.

A body follows the header and a question for *qname*, so its compression pointers count from there. Owner names are
compressed against the question's name and earlier owners; rdata is not compressed. Hence every prefix that ends with
an RRset is valid by itself.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import dns.message

from graydns.model.answer import Answer, Span
from graydns.wire.message import HEADER_STRUCT, QR, QUESTION_OFFSET, QUESTION_STRUCT, RECORD_STRUCT

_POINTER_STRUCT = struct.Struct("!H")
_TTL_STRUCT = struct.Struct("!I")

#: Pointers reach no further than this offset (RFC 1035 section 4.1.4).
_MAX_POINTER_OFFSET = 0x4000


#: Octets of a record beside its rdata, if its owner is compressed: a pointer, type, class, TTL and length.
RECORD_OVERHEAD_BYTES = _POINTER_STRUCT.size + RECORD_STRUCT.size

#: Octets for records of which there may be any number, so that the message stays within 65,535 octets together with
#: the question, a chain of CNAMEs, OPT with its options, and TSIG.
MAX_RECORDS_BYTES = 61_440


class RRset(NamedTuple):
    """Records of one owner and type for a body.

    *section*: ANSWER, AUTHORITY or ADDITIONAL. *owner*: uncompressed and lowered. *ttl*: seconds. *rdatas*: without
    compressed names. *required*: whether a reply that leaves it out must say so by TC (RFC 9471).
    """

    section: int
    owner: bytes
    rdtype: int
    rdclass: int
    ttl: int
    rdatas: tuple[bytes, ...]
    required: bool = True


def build_body(qname: bytes, rrsets: Sequence[RRset]) -> tuple[bytes, tuple[Span, ...]]:
    """The body of an answer to a question for *qname* and its spans, from *rrsets* in order of section."""
    start = at = QUESTION_OFFSET + len(qname) + QUESTION_STRUCT.size
    known: dict[bytes, int] = {}
    _compress_name(qname, known, QUESTION_OFFSET)
    parts: list[bytes] = []
    spans: list[Span] = []
    for section, name, rdtype, rdclass, ttl, rdatas, required in rrsets:
        ttls: list[int] = []
        for rdata in rdatas:
            owner = _compress_name(name, known, at)
            ttls.append(at - start + len(owner) + 4)
            parts += owner, RECORD_STRUCT.pack(rdtype, rdclass, ttl, len(rdata)), rdata
            at += len(owner) + RECORD_STRUCT.size + len(rdata)
        spans.append(Span(section, len(rdatas), at - start, tuple(ttls), required))
    return b"".join(parts), tuple(spans)


def _compress_name(name: bytes, known: dict[bytes, int], offset: int) -> bytes:
    """*name* as encoded at *offset*, its longest known suffix as a pointer; new suffixes are added to *known*."""
    at = 0
    while length := name[at]:
        suffix = name[at:]
        if suffix in known:
            return name[:at] + _POINTER_STRUCT.pack(0xC000 | known[suffix])
        if offset + at < _MAX_POINTER_OFFSET:
            known[suffix] = offset + at
        at += length + 1
    return name


def truncate_rdatas(rdatas: Sequence[bytes]) -> tuple[bytes, ...]:
    """As many of *rdatas*, from the first, as fit into MAX_RECORDS_BYTES."""
    if sum(map(len, rdatas)) + RECORD_OVERHEAD_BYTES * len(rdatas) <= MAX_RECORDS_BYTES:
        return tuple(rdatas)
    ends = accumulate(RECORD_OVERHEAD_BYTES + len(rdata) for rdata in rdatas)
    return tuple(rdata for rdata, end in zip(rdatas, ends, strict=True) if end <= MAX_RECORDS_BYTES)


def read_span_type(body: bytes, span: Span) -> int:
    """The type of the records in *span* of *body*: two octets that precede the class, which precedes the TTL."""
    return int.from_bytes(body[span.ttls[0] - 4 : span.ttls[0] - 2], "big")


def age_body(answer: Answer, seconds: int) -> bytes:
    """The body of *answer* with every TTL *seconds* lower, 0 at least."""
    if seconds <= 0:
        return answer.body
    body = bytearray(answer.body)
    for span in answer.spans:
        for at in span.ttls:
            ttl = _TTL_STRUCT.unpack_from(body, at)[0] - seconds
            _TTL_STRUCT.pack_into(body, at, ttl if ttl > 0 else 0)
    return bytes(body)


def set_ttls(answer: Answer, ttl: int) -> bytes:
    """The body of *answer* with every TTL set to *ttl* seconds."""
    body = bytearray(answer.body)
    for span in answer.spans:
        for at in span.ttls:
            _TTL_STRUCT.pack_into(body, at, ttl)
    return bytes(body)


def cap_ttls(answer: Answer, ttl: int, seconds: int = 0) -> bytes:
    """The body of *answer* with every TTL *seconds* lower, and none above *ttl* seconds."""
    body = bytearray(answer.body)
    for span in answer.spans:
        for at in span.ttls:
            left: int = _TTL_STRUCT.unpack_from(body, at)[0] - seconds
            _TTL_STRUCT.pack_into(body, at, max(0, min(left, ttl)))
    return bytes(body)


def make_dns_message(question: bytes, answer: Answer) -> dns.message.Message:
    """*answer* to *question* (a question section) as a message with id 0. TTLs as they were stored."""
    head = HEADER_STRUCT.pack(0, QR | answer.rcode & 15, 1, *answer.counts())
    return dns.message.from_wire(head + question + answer.body)


def read_rrsets(question: bytes, answer: Answer) -> list[RRset]:
    """The RRsets of *answer* to *question*, without compression, in order of section."""
    message = make_dns_message(question, answer)
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
