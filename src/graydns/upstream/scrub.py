"""From the reply of an upstream to an Answer: what belongs to the question is believed, and nothing else. Pure.

::

    reply ── read: whole, well-formed, one OPT ──► chain: answer section ──► denial: authority section
                                                          │ believed records, in order
                          are they the beginning of the message? ── yes ──► body = those bytes
                                                          └───────── no ──► body built anew

The beginning of a message can be taken over as it is, because the asker's question is as long as the upstream's: all
pointers still point at the same names, those to the question now at the asker's own spelling of it.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import NamedTuple

from graydns.model.answer import AUTHORITY, Answer, Span
from graydns.model.rcode import NXDOMAIN
from graydns.upstream.chain import covered, follow
from graydns.upstream.denial import believe, negative_ttl
from graydns.upstream.reply import Reply, Unbelievable
from graydns.upstream.request import Form, Request
from graydns.upstream.told import scope_of
from graydns.wire.body import RRset, build
from graydns.wire.walk import Record

#: A TTL with the highest bit set counts as 0 (RFC 2181 section 8).
LARGEST_TTL = 0x7FFFFFFF

_TTL = struct.Struct("!I")


class _Set(NamedTuple):
    """Believed records that go together, and the TTL that all of them get."""

    records: list[Record]
    ttl: int


def scrub(reply: Reply, request: Request, form: Form, now: float) -> Answer:
    """The Answer in *reply*, whose rcode is NOERROR or NXDOMAIN, and which came *now* (monotonic seconds).

    Its TTL is 0 where the end of a chain is empty and no SOA says for how long (RFC 2308 section 5). Raises
    Unbelievable.
    """
    query, group = request.query, request.group
    signatures = query.dnssec_ok and form is not Form.NO_EDNS
    chain = follow(reply, query, signatures=signatures)
    if chain.complete and reply.rcode == NXDOMAIN:
        raise Unbelievable("a name that does not exist, with records")
    denial = believe(reply, query, chain, signatures=signatures)
    believed = chain.records + denial.records
    for record in believed:
        reply.check(record)
    sets = _sets(reply, believed, request, denial.soa)
    body, spans = _body(reply, believed, sets)
    certain = chain.complete or denial.soa is not None
    scope, shareable = scope_of(reply, request, form)
    return Answer(
        rcode=reply.rcode,
        body=body,
        spans=spans,
        ttl=min([each.ttl for each in sets]) if sets and certain else 0,
        stored=now,
        scope=scope,
        origin=group,
        forwarded=True,
        shareable=shareable,
        why=group.label,
    )


def _sets(reply: Reply, believed: list[Record], request: Request, soa: Record | None) -> list[_Set]:
    """Neighbours of one owner and type; their TTL is the lowest (RFC 2181 section 5.2), within the group's limits."""
    max_ttl = request.group.max_ttl
    sets: list[_Set] = []
    last: object = None
    for record in believed:
        ttl = 0 if record.ttl > LARGEST_TTL else min(record.ttl, max_ttl)
        if record is soa:
            ttl = min(ttl, negative_ttl(reply, soa), request.group.negative_ttl)
        kind = (record.owner, record.rdtype, covered(reply, record), record.section)
        if kind == last:
            sets[-1].records.append(record)
            if ttl < sets[-1].ttl:
                sets[-1] = sets[-1]._replace(ttl=ttl)
        else:
            sets.append(_Set([record], ttl))
        last = kind
    return sets


def _body(reply: Reply, believed: list[Record], sets: list[_Set]) -> tuple[bytes, tuple[Span, ...]]:
    """The body that holds *believed*, and its spans."""
    if not believed:
        return b"", ()
    beginning = reply.answers + reply.authorities if believed[-1].section == AUTHORITY else reply.answers
    if believed != beginning[: len(believed)]:
        return build(reply.qname, [_rrset(reply, each) for each in sets])
    start = reply.start
    body: bytes | bytearray = reply.data[start : believed[-1].end]
    spans = []
    for records, ttl in sets:
        for record in records:
            if record.ttl != ttl:
                body = body if isinstance(body, bytearray) else bytearray(body)
                _TTL.pack_into(body, record.ttl_at - start, ttl)
        places = tuple([record.ttl_at - start for record in records])
        spans.append(Span(records[0].section, len(records), records[-1].end - start, places))
    return bytes(body), _shape(tuple(spans))


@lru_cache(maxsize=4096)
def _shape(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    """The first of all equal *spans*: most answers share theirs with many others, and they are kept for long."""
    return spans


def _rrset(reply: Reply, group: _Set) -> RRset:
    first = group.records[0]
    rdatas = tuple([reply.octets(each) for each in group.records])
    return RRset(first.section, first.owner, first.rdtype, first.rdclass, group.ttl, rdatas)
