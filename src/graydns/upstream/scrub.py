"""From the reply of an upstream to an Answer. Only records that belong to the question are used. Pure.

::

    reply ── parsed: whole, well-formed, one OPT ──► chain: answer section ──► denial: authority section
                                                            │ accepted records, in order
                            are they the beginning of the message? ── yes ──► body = those bytes
                                                            └───────── no ──► body built anew

The beginning of a message can be taken over as it is, because the client's question is as long as the upstream's: all
pointers still point at the same names, those to the question now at the client's own spelling of it. The scope of the
answer is that of the client subnet in the reply (RFC 7871 section 7.3).
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import NamedTuple

from graydns.model.answer import AUTHORITY, Answer, Span
from graydns.model.dns_parameters import NXDOMAIN
from graydns.upstream.accepted_records import accept_authority, find_covered_type, follow_aliases, read_negative_ttl
from graydns.upstream.reply_parser import InvalidReply, UpstreamReply
from graydns.upstream.upstream_request import RequestForm, UpstreamRequest, encode_subnet
from graydns.wire.answer_body import RRset, build_body
from graydns.wire.edns import ECS
from graydns.wire.message import MessageRecord

#: Octets of the option before its address: family, source, scope.
_ECS_HEADER_BYTES = 4


def find_scope(reply: UpstreamReply, request: UpstreamRequest, form: RequestForm) -> tuple[int | None, bool]:
    """The scope of the answer, and whether any client of its cohort may get it.

    The scope is None for a group that is never sent subnets. It is never longer than what was sent, since nothing is
    known of the rest. An answer to a query without a subnet is for others that have none. Raises InvalidReply if the
    reply is to another subnet.
    """
    group, subnet = request.group, request.subnet
    if not group.ecs:
        return None, not request.tags
    if subnet is None or not subnet.prefix:
        return 0, False
    scope = min(_read_scope(reply, encode_subnet(subnet)), subnet.prefix) if form is RequestForm.FULL else 0
    return scope, not scope and not request.tags


def _read_scope(reply: UpstreamReply, sent: bytes) -> int:
    """SCOPE PREFIX-LENGTH; 0 without the option, which means everyone (RFC 7871 section 7.3)."""
    for code, data in reply.iterate_options():
        if code == ECS:
            if len(data) != len(sent) or data[:3] != sent[:3] or data[_ECS_HEADER_BYTES:] != sent[_ECS_HEADER_BYTES:]:
                raise InvalidReply("a client subnet that was not sent")
            return data[3]
    return 0


#: A TTL with the highest bit set counts as 0 (RFC 2181 section 8).
MAX_TTL_SECONDS = 0x7FFFFFFF

_TTL_FORMAT = struct.Struct("!I")


class _AcceptedSet(NamedTuple):
    """Accepted records of one RRset, and the TTL that all of them get."""

    records: list[MessageRecord]
    ttl: int


def scrub_reply(reply: UpstreamReply, request: UpstreamRequest, form: RequestForm, now: float) -> Answer:
    """The Answer in *reply*, whose rcode is NOERROR or NXDOMAIN, and which came *now* (monotonic seconds).

    Its TTL is 0 where the end of a chain is empty and no SOA says for how long (RFC 2308 section 5). Raises
    Unbelievable.
    """
    query, group = request.query, request.group
    signatures = query.dnssec_ok and form is not RequestForm.NO_EDNS
    chain = follow_aliases(reply, query, signatures=signatures)
    if chain.is_complete and reply.rcode == NXDOMAIN:
        raise InvalidReply("a name that does not exist, with records")
    denial = accept_authority(reply, query, chain, signatures=signatures)
    accepted = chain.records + denial.records
    for record in accepted:
        reply.check_rdata(record)
    sets = _group_records(reply, accepted, request, denial.soa)
    body, spans = _make_body(reply, accepted, sets)
    certain = chain.is_complete or denial.soa is not None
    scope, shareable = find_scope(reply, request, form)
    return Answer(
        rcode=reply.rcode,
        body=body,
        spans=spans,
        ttl=min([each.ttl for each in sets]) if sets and certain else 0,
        stored_at=now,
        ecs_scope=scope,
        origin=group,
        forwarded=True,
        shareable=shareable,
        why=group.label,
    )


def _group_records(
    reply: UpstreamReply, accepted: list[MessageRecord], request: UpstreamRequest, soa: MessageRecord | None
) -> list[_AcceptedSet]:
    """Neighbours of one owner and type; their TTL is the lowest (RFC 2181 section 5.2), within the group's limits."""
    max_ttl = request.group.max_ttl
    sets: list[_AcceptedSet] = []
    last: object = None
    for record in accepted:
        ttl = 0 if record.ttl > MAX_TTL_SECONDS else min(record.ttl, max_ttl)
        if record is soa:
            ttl = min(ttl, read_negative_ttl(reply, soa), request.group.negative_ttl)
        kind = (record.owner, record.rdtype, find_covered_type(reply, record), record.section)
        if kind == last:
            sets[-1].records.append(record)
            if ttl < sets[-1].ttl:
                sets[-1] = sets[-1]._replace(ttl=ttl)
        else:
            sets.append(_AcceptedSet([record], ttl))
        last = kind
    return sets


def _make_body(
    reply: UpstreamReply, accepted: list[MessageRecord], sets: list[_AcceptedSet]
) -> tuple[bytes, tuple[Span, ...]]:
    """The body that holds *accepted*, and its spans."""
    if not accepted:
        return b"", ()
    beginning = reply.answers + reply.authorities if accepted[-1].section == AUTHORITY else reply.answers
    if accepted != beginning[: len(accepted)]:
        return build_body(reply.qname, [_make_rrset(reply, each) for each in sets])
    start = reply.start
    body: bytes | bytearray = reply.data[start : accepted[-1].end]
    spans = []
    for records, ttl in sets:
        for record in records:
            if record.ttl != ttl:
                body = body if isinstance(body, bytearray) else bytearray(body)
                _TTL_FORMAT.pack_into(body, record.ttl_at - start, ttl)
        places = tuple([record.ttl_at - start for record in records])
        spans.append(Span(records[0].section, len(records), records[-1].end - start, places))
    return bytes(body), _intern_spans(tuple(spans))


@lru_cache(maxsize=4096)
def _intern_spans(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    """The first of all equal *spans*: most answers share theirs with many others, and they are kept for long."""
    return spans


def _make_rrset(reply: UpstreamReply, group: _AcceptedSet) -> RRset:
    first = group.records[0]
    rdatas = tuple([reply.uncompressed_rdata(each) for each in group.records])
    return RRset(first.section, first.owner, first.rdtype, first.rdclass, group.ttl, rdatas)
