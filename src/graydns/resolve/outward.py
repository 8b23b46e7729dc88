"""Outward: what a rule says of a name that is not ours, and who may have such a name forwarded."""

from __future__ import annotations

from attrs import field, frozen

from graydns.model.answer import ANSWER, Answer, Ede
from graydns.model.decision import Block, Decision, Kind
from graydns.model.query import Query
from graydns.resolve.link import Resolver
from graydns.snapshot.snapshot import Snapshot
from graydns.wire.body import RRset, build

CLASS_IN, CNAME = 1, 5
NOERROR, NXDOMAIN, REFUSED = 0, 3, 5

#: Info codes of RFC 8914.
EDE_BLOCKED, EDE_PROHIBITED, EDE_NOT_AUTHORITATIVE, EDE_NOT_SUPPORTED = 15, 18, 20, 21

_RCODES = {Block.NODATA: NOERROR, Block.NXDOMAIN: NXDOMAIN, Block.REFUSED: REFUSED}


@frozen
class Outward:
    """Answer by rule, refuse, or ask *below*, which forwards. Queries come with their Decision."""

    below: Resolver
    snapshot: Snapshot = field(kw_only=True, repr=False)

    async def resolve(self, query: Query) -> Answer:
        """The answer for a name that is not ours. Raises ResolveError as the links below do."""
        decision = query.decision
        if decision is not None and (ruled := _by_rule(decision, query)) is not None:
            return ruled
        return self._barred(query) or await self.below.resolve(query)

    def _barred(self, query: Query) -> Answer | None:
        """Why the name is not forwarded for this client; None if it is."""
        if not query.recursion_desired:
            return refused(EDE_NOT_AUTHORITATIVE, "not served here, and recursion is not desired")
        if not query.client.may_forward:
            return refused(EDE_PROHIBITED, "forwarding is not allowed for this client")
        ruled = query.decision is not None and query.decision.upstream is not None
        if not ruled and self.snapshot.forward.find(query.qname) is None:
            return refused(EDE_NOT_AUTHORITATIVE, "not served here, and no upstream is configured for it")
        return None


def refused(code: int, text: str) -> Answer:
    """REFUSED with its reason; depends on the asker, so it is nobody else's."""
    return Answer(rcode=REFUSED, edes=(Ede(code, text),), why=text, shareable=False)


def _by_rule(decision: Decision, query: Query) -> Answer | None:
    """The Answer that a rule gives; None if it leaves that to an upstream. Never AD: nobody signed it."""
    if decision.kind is Kind.BLOCK:
        edes = (Ede(EDE_BLOCKED, decision.why),)
        rcode = _RCODES[decision.block or Block.NODATA]
        return Answer(rcode=rcode, edes=edes, scope=0, origin=decision.origin, why=decision.why)
    if decision.kind is Kind.RECORDS:
        rdtype = query.qtype if query.qtype in decision.records else CNAME
        rdatas = decision.records.get(rdtype, ())
        ttl = 0 if decision.private else decision.ttl
        rrsets = [RRset(ANSWER, query.qname, rdtype, CLASS_IN, ttl, rdatas)] if rdatas else []
        body, spans = build(query.qname, rrsets)
        scope = None if rdatas else 0
        return Answer(body=body, spans=spans, ttl=ttl, scope=scope, origin=decision.origin, why=decision.why)
    return None
