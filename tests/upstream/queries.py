"""What tests of upstreams share: clients' queries, servers' replies, exchanges that a test drives."""

from __future__ import annotations

from collections.abc import Sequence

import dns.flags
import dns.message
import dns.rrset
from attrs import define, field

from graydns.model import name as names
from graydns.model.answer import Answer
from graydns.model.client import Client, Subnet
from graydns.model.query import Edns, Query
from graydns.upstream.exchange import PendingExchange, ReplyReceiver
from graydns.upstream.reply_parser import parse_reply
from graydns.upstream.scrub import scrub_reply
from graydns.upstream.server_groups import UpstreamGroup, UpstreamServer
from graydns.upstream.upstream_request import RequestForm, make_request
from graydns.wire.render import render_reply

A, NS, CNAME, SOA, MX, TXT, AAAA, SRV, DNAME, RRSIG, ANY = 1, 2, 5, 6, 15, 16, 28, 33, 39, 46, 255

GROUP = UpstreamGroup("test", (UpstreamServer("127.0.0.1"),))


def make_query(
    name: str = "www.shop.test",
    rdtype: int = A,
    *,
    dnssec_ok: bool = False,
    subnet: Subnet | None = None,
    tags: tuple[tuple[str, str], ...] = (),
    tenant: str = "default",
) -> Query:
    """A query with EDNS by a client that may forward."""
    qname = names.from_text(name)
    client = Client(b"\x7f\0\0\1", subnet=subnet, tags=tags, tenant=tenant, may_forward=True)
    question = qname + rdtype.to_bytes(2, "big") + b"\0\1"
    return Query(7, b"", question, qname, rdtype, 1, client, recursion_desired=True, edns=Edns(1232, dnssec_ok))


def write_reply(
    query: bytes,
    answer: Sequence[str] = (),
    authority: Sequence[str] = (),
    additional: Sequence[str] = (),
    rcode: int = 0,
) -> bytes:
    """The reply of an honest server to the message *query*; records in presentation format, one or more RRs a text."""
    reply = dns.message.make_response(dns.message.from_wire(query), recursion_available=True)
    for section, texts in ((reply.answer, answer), (reply.authority, authority), (reply.additional, additional)):
        for text in texts:
            owner, ttl, rdclass, rdtype, rdata = text.split(None, 4)
            section.append(dns.rrset.from_text(owner, int(ttl), rdclass, rdtype, *rdata.split(" / ")))
    reply.set_rcode(rcode)  # type: ignore[arg-type]
    return reply.to_wire(max_size=65535)


def accept_reply(
    data: bytes, query: Query, group: UpstreamGroup = GROUP, form: RequestForm = RequestForm.FULL
) -> Answer:
    """What is believed of the reply *data* to *query*."""
    request = make_request(query, group)
    return scrub_reply(parse_reply(data, request), request, form, 100.0)


def show(query: Query, answer: Answer, age: float = 0.0) -> list[str]:
    """The records of *answer*, *age* seconds old, as its asker gets them: section, owner, TTL, type, rdata."""
    now = (answer.stored_at or 0.0) + age
    message = dns.message.from_wire(render_reply(query, answer, now=now, limit=65535, recursion_available=True))
    sections = (("answer", message.answer), ("authority", message.authority), ("additional", message.additional))
    return [
        f"{section} {line}" for section, rrsets in sections for rrset in rrsets for line in rrset.to_text().split("\n")
    ]


@define(eq=False)
class DrivenExchange:
    """An Exchange whose replies the test gives. *asked*: messages with those who wait for their replies."""

    asked: list[tuple[bytes, ReplyReceiver]] = field(factory=list)
    cancelled: int = 0

    def ask(self, message: bytes, waiting: ReplyReceiver) -> PendingExchange:
        """As ``Exchange``."""
        self.asked.append((message, waiting))
        return self

    def reply(self, *answer: str, rcode: int = 0, index: int = -1) -> None:
        """Answer the question of *index* honestly."""
        message, waiting = self.asked[index]
        waiting.on_reply(write_reply(message, answer, rcode=rcode))

    def fail(self, error: Exception) -> None:
        """Fail the last question."""
        self.asked[-1][1].on_failure(error)

    def cancel(self) -> None:
        """As ``PendingExchange``."""
        self.cancelled += 1


@define(eq=False)
class Notes:
    """Anomalies as a list of their kinds and details."""

    kinds: list[str] = field(factory=list)
    details: list[str] = field(factory=list)

    def note(self, source: bytes, kind: str, detail: str = "") -> None:
        """As ``Anomalies``."""
        self.kinds.append(kind)
        self.details.append(detail)
