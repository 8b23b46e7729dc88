"""graydns among the resolvers of Twisted: any IResolver as the end of our chain, and our chain as an IResolver.

An IResolver is told a name, a class, a type and a timeout, and answers in three lists of records; who asks, EDNS and
DNSSEC are unknown to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from io import BytesIO
from itertools import groupby
from typing import Any, Protocol

from attrs import field, frozen
from dns.edns import EDECode
from twisted.internet import defer
from twisted.internet.defer import Deferred
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
from graydns.resolve.link import Resolver
from graydns.runtime.twisted_types import ResolverBase
from graydns.wire.answer_body import RRset, build_body
from graydns.wire.message import HEADER_STRUCT, QUESTION_STRUCT, RD
from graydns.wire.parse import parse_query
from graydns.wire.render import render_reply

#: Info codes of RFC 8914.
EDE_NOT_AUTHORITATIVE, EDE_NO_REACHABLE_AUTHORITY, EDE_NETWORK_ERROR = (
    EDECode.NOT_AUTHORITATIVE,
    EDECode.NO_REACHABLE_AUTHORITY,
    EDECode.NETWORK_ERROR,
)

#: The largest TTL (RFC 2181 section 8), and the largest message.
MAX_TTL_SECONDS, MAX_MESSAGE_BYTES = 0x7FFFFFFF, 65535

#: The three lists of an IResolver.
RecordLists = tuple[list[dns.RRHeader], list[dns.RRHeader], list[dns.RRHeader]]

#: Who asks, when Twisted does.
LOCAL_CLIENT = Client(source=b"\x7f\0\0\1", may_forward=True)


class NamesResolver(Protocol):
    """The part of IResolver that is used here."""

    def query(self, query: dns.Query, timeout: Sequence[int] | None = None) -> Deferred[RecordLists]:
        """Answer *query*, trying for as many seconds as *timeout* has in turn."""


@frozen
class IResolverUpstream:
    """An IResolver as the end of a chain. Its answers have *resolver* for their origin.

    An authority that does not have the name (DomainError) says nothing about whether it exists: REFUSED.
    """

    resolver: NamesResolver
    timeout: Sequence[int] | None = field(default=None, repr=False)

    async def resolve(self, query: Query) -> Answer:
        """The resolver's answer. Raises ResolveError."""
        parts = list(labels(query.qname))[:-1]
        if any(b"." in part for part in parts):
            raise ResolveError("twisted.names cannot say a label with a dot in it")
        try:
            found = await self.resolver.query(dns.Query(b".".join(parts), query.qtype, query.qclass), self.timeout)
        except (AuthoritativeDomainError, DNSNameError):
            return Answer(rcode=NXDOMAIN, origin=self.resolver, forwarded=True, why=repr(self.resolver))
        except (NotImplementedError, DNSNotImplementedError) as error:
            raise ResolveError("this type is not supported", rcode=NOTIMP) from error
        except (defer.TimeoutError, DNSQueryTimeoutError, ResolverError, DNSServerError) as error:
            raise UpstreamError("the resolver gave no answer", ede=EDE_NO_REACHABLE_AUTHORITY) from error
        except (ConnectError, OSError) as error:
            raise UpstreamError("the resolver could not be reached", ede=EDE_NETWORK_ERROR) from error
        except DomainError as error:
            raise ResolveError("nobody here knows this name", rcode=REFUSED, ede=EDE_NOT_AUTHORITATIVE) from error
        return self._make_answer(query.qname, found)

    def _make_answer(self, qname: bytes, found: RecordLists) -> Answer:
        answers, authorities, _ = found
        rrsets = [
            rrset
            for section, headers in zip((ANSWER, AUTHORITY, ADDITIONAL), found, strict=True)
            for rrset in _group_rrsets(section, headers)
        ]
        body, spans = build_body(qname, rrsets)
        most = MAX_TTL_SECONDS if answers else _compute_negative_ttl(authorities)
        return Answer(
            authoritative=bool(answers) and all(header.auth for header in answers),
            body=body,
            spans=spans,
            ttl=min([most, *(rrset.ttl for rrset in rrsets)]),
            origin=self.resolver,
            forwarded=True,
            why=repr(self.resolver),
        )


class PipelineResolver(ResolverBase):
    """Our chain as an IResolver: *chain* is asked on behalf of *client*. *clock*: monotonic seconds."""

    def __init__(
        self, chain: Resolver, *, reactor: Any, clock: Callable[[], float], client: Client = LOCAL_CLIENT
    ) -> None:
        super().__init__()
        self._chain, self._reactor, self._clock, self._client = chain, reactor, clock, client

    def query(self, query: dns.Query, timeout: Sequence[int] | None = None) -> Deferred[RecordLists]:
        """As IResolver, for every type there is."""
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
            answer = await self._chain.resolve(query)
        except ResolveError as error:
            raise self._make_failure(error.rcode, error.text) from error
        reply = dns.Message()
        reply.fromStr(render_reply(query, answer, now=self._clock(), limit=MAX_MESSAGE_BYTES, recursion_available=True))
        if reply.rCode != NOERROR:
            raise self._make_failure(reply.rCode, reply)
        return reply.answers, reply.authority, reply.additional

    def _make_failure(self, rcode: int, told: object) -> Exception:
        """What an IResolver fails with instead of saying *rcode*."""
        failure: Exception = self.exceptionForCode(rcode)(told)
        return failure


def _group_rrsets(section: int, headers: Iterable[dns.RRHeader]) -> Iterator[RRset]:
    """Neighbours of one owner and type together, with the lowest TTL of theirs."""
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
