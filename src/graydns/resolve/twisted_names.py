"""Adapters to twisted.names: any IResolver as an upstream, and our pipeline as an IResolver.

An IResolver gets a name, a class, a type and a timeout, and returns three lists of records. It knows neither the
client nor EDNS or DNSSEC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from io import BytesIO
from itertools import groupby
from typing import Any, Protocol

from attrs import evolve, field, frozen
from dns.edns import EDECode
from dns.rcode import Rcode
from dns.rcode import to_text as rcode_to_text
from twisted.internet import defer
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import ConnectError
from twisted.names import dns
from twisted.names.error import (
    AuthoritativeDomainError,
    DNSFormatError,
    DNSNameError,
    DNSNotImplementedError,
    DNSQueryTimeoutError,
    DNSServerError,
    DomainError,
    ResolverError,
)

from graydns.model.answer import ADDITIONAL, ANSWER, AUTHORITY, Answer
from graydns.model.client import Client
from graydns.model.dns_parameters import NOERROR, NOTIMP, NXDOMAIN, REFUSED
from graydns.model.errors import ResolveError, UnanswerableError, UpstreamError
from graydns.model.name import labels
from graydns.model.query import Query
from graydns.model.transport import TCP
from graydns.resolve.link import Resolver
from graydns.runtime.twisted_types import ResolverBase
from graydns.upstream.server_groups import UpstreamGroup
from graydns.wire.answer_body import RRset, build_body, cap_ttls
from graydns.wire.message import HEADER_STRUCT, QUESTION_STRUCT, RD
from graydns.wire.parse import parse_query
from graydns.wire.render import render_reply

#: The largest message.
MAX_MESSAGE_BYTES = 65535

#: The three lists of an IResolver.
RecordLists = tuple[list[dns.RRHeader], list[dns.RRHeader], list[dns.RRHeader]]

#: The client of queries that come from a Twisted program. Not over UDP: an IResolver's caller may cancel.
LOCAL_CLIENT = Client(source=b"\x7f\0\0\1", transport=TCP, may_forward=True)


class NamesResolver(Protocol):
    """The method of IResolver that is used here."""

    def query(self, query: dns.Query, timeout: Sequence[int] | None = None) -> Deferred[RecordLists]:
        """Answer *query*; *timeout*: seconds of each try."""


@frozen
class IResolverUpstream:
    """An IResolver in the place of the servers of an upstream group. *clock*: monotonic seconds.

    A DomainError other than a name error means that the resolver is not responsible for the name: REFUSED.
    """

    resolver: NamesResolver
    reactor: Any = field(repr=False)
    clock: Callable[[], float] = field(repr=False)

    async def ask(self, query: Query, group: UpstreamGroup) -> Answer:
        """The resolver's answer, within the deadline and the TTL limits of *group*. Raises ResolveError."""
        parts = list(labels(query.qname))[:-1]
        if any(b"." in part for part in parts):
            raise ResolveError("twisted.names cannot express a label with a dot in it")
        question = dns.Query(b".".join(parts), query.qtype, query.qclass)
        try:
            found = await maybeDeferred(self.resolver.query, question).addTimeout(group.deadline, self.reactor)
        except (AuthoritativeDomainError, DNSNameError):
            return Answer(rcode=NXDOMAIN, stored_at=self.clock(), origin=group, forwarded=True, why=group.label)
        except (NotImplementedError, DNSNotImplementedError) as error:
            raise ResolveError("this type is not supported", rcode=NOTIMP) from error
        except (defer.TimeoutError, DNSQueryTimeoutError, ResolverError, DNSServerError) as error:
            raise UpstreamError("the resolver gave no answer", ede=EDECode.NO_REACHABLE_AUTHORITY) from error
        except (ConnectError, OSError) as error:
            raise UpstreamError("the resolver could not be reached", ede=EDECode.NETWORK_ERROR) from error
        except DomainError as error:
            raise ResolveError(
                "the resolver is not responsible for this name", rcode=REFUSED, ede=EDECode.NOT_AUTHORITATIVE
            ) from error
        return self._make_answer(query.qname, found, group)

    def _make_answer(self, qname: bytes, found: RecordLists, group: UpstreamGroup) -> Answer:
        answers, authorities, _ = found
        rrsets = [
            rrset
            for section, headers in zip((ANSWER, AUTHORITY, ADDITIONAL), found, strict=True)
            for rrset in _group_rrsets(section, headers)
        ]
        body, spans = build_body(qname, rrsets)
        max_ttl = group.max_ttl if answers else min(group.negative_ttl, _compute_negative_ttl(authorities))
        answer = Answer(
            authoritative=bool(answers) and all(header.auth for header in answers),
            body=body,
            spans=spans,
            ttl=min([max_ttl, *(rrset.ttl for rrset in rrsets)]),
            stored_at=self.clock(),
            origin=group,
            forwarded=True,
            why=group.label,
        )
        return evolve(answer, body=cap_ttls(answer, max_ttl))


class ReplyCodeError(ResolverError):
    """A reply with an error other than NXDOMAIN. *rcode*: RFC 1035 section 4.1.1, RFC 6895 section 2.3.

    Not one of the DomainErrors of twisted.names for SERVFAIL and REFUSED: its servers reply NXDOMAIN to all of those.
    """

    def __init__(self, rcode: int, text: str) -> None:
        super().__init__(f"{rcode_to_text(Rcode.make(rcode))}: {text}")
        self.rcode = rcode


class PipelineResolver(ResolverBase):
    """Our pipeline as an IResolver; every query is one of *client*. *clock*: monotonic seconds.

    *find_pipeline* returns the pipeline for the next query, so that a reload can replace it.
    """

    def __init__(
        self,
        find_pipeline: Callable[[], Resolver],
        *,
        reactor: Any,
        clock: Callable[[], float],
        client: Client = LOCAL_CLIENT,
    ) -> None:
        super().__init__()
        self._find_pipeline, self._reactor, self._clock, self._client = find_pipeline, reactor, clock, client

    def query(self, query: dns.Query, timeout: Sequence[int] | None = None) -> Deferred[RecordLists]:
        """The records for *query* of any type. Fails with DNSNameError, DNSFormatError or ReplyCodeError."""
        return self._lookup(query.name.name, query.cls, query.type, timeout)

    def _lookup(self, name: bytes, cls: int, type: int, timeout: Sequence[int] | None) -> Deferred[RecordLists]:  # noqa: A002
        looking = Deferred.fromCoroutine(self._resolve(name, cls, type))
        if timeout:
            looking.addTimeout(sum(timeout), self._reactor)
        return looking

    async def _resolve(self, name: bytes, cls: int, type: int) -> RecordLists:  # noqa: A002
        parts = [bytes((len(label),)) + label for label in name.split(b".") if label]
        question = b"".join(parts) + b"\0" + QUESTION_STRUCT.pack(type, cls)
        try:
            query = parse_query(HEADER_STRUCT.pack(0, RD, 1, 0, 0, 0) + question, lambda _: self._client)
        except UnanswerableError as error:
            raise DNSFormatError(str(error)) from error
        try:
            answer = await self._find_pipeline().resolve(query)
        except ResolveError as error:
            raise _make_failure(error.rcode, error.text) from error
        reply = dns.Message()
        reply.fromStr(render_reply(query, answer, now=self._clock(), limit=MAX_MESSAGE_BYTES, recursion_available=True))
        if reply.rCode != NOERROR:
            raise _make_failure(answer.rcode, answer.why)
        return reply.answers, reply.authority, reply.additional


def _make_failure(rcode: int, text: str) -> Exception:
    """What an IResolver fails with instead of a reply with *rcode*."""
    return DNSNameError(text) if rcode == NXDOMAIN else ReplyCodeError(rcode, text)


def _group_rrsets(section: int, headers: Iterable[dns.RRHeader]) -> Iterator[RRset]:
    """Adjacent records of one owner and type as an RRset with their lowest TTL."""
    whole = [header for header in headers if header.payload is not None]
    for (name, rdtype, rdclass), group in groupby(whole, key=lambda each: (each.name.name, each.type, each.cls)):
        members = list(group)
        ttl = min(int(header.ttl) for header in members)
        rdatas = tuple([_encode(header.payload) for header in members])
        yield RRset(section, _encode(dns.Name(name.lower())), rdtype, rdclass, ttl, rdatas, section != ADDITIONAL)


def _encode(item: Any) -> bytes:
    """A name or a record of twisted.names in wire form, uncompressed."""
    stream = BytesIO()
    item.encode(stream)
    return stream.getvalue()


def _compute_negative_ttl(authorities: Iterable[dns.RRHeader]) -> int:
    """RFC 2308 section 5; 0 without an SOA."""
    soas = [(int(each.ttl), each.payload) for each in authorities]
    return min((min(ttl, payload.minimum) for ttl, payload in soas if isinstance(payload, dns.Record_SOA)), default=0)
