"""Route: ours or not ours, and the verdicts that need no records of ours.

What is ours never leaves, but where a rule says ``upstream``. What is not ours is forwarded for those who may ask for it.
"""

from __future__ import annotations

from attrs import evolve, field, frozen

from graydns.model.answer import ANSWER, Answer, Ede
from graydns.model.decision import Block, Decision, Kind
from graydns.model.query import Query
from graydns.resolve.link import Resolver
from graydns.snapshot.snapshot import Snapshot
from graydns.wire.body import RRset, build

IN = 1
CNAME = 5
NOERROR, NXDOMAIN, REFUSED = 0, 3, 5

#: Info codes of RFC 8914.
EDE_BLOCKED, EDE_PROHIBITED, EDE_NOT_AUTHORITATIVE, EDE_NOT_SUPPORTED = 15, 18, 20, 21


def refused(code: int, text: str) -> Answer:
    """REFUSED with its reason."""
    return Answer(rcode=REFUSED, edes=(Ede(code, text),), why=text)


@frozen
class Route:
    """Choose between *ours* and *theirs*; ask the Router if nobody has yet."""

    ours: Resolver
    theirs: Resolver
    snapshot: Snapshot = field(repr=False)

    async def resolve(self, query: Query) -> Answer:
        """The answer for *query*. Raises ResolveError as its links do."""
        if query.qclass != IN:
            return refused(EDE_NOT_SUPPORTED, "only class IN is served")
        decision = query.decision
        if decision is None:
            plan = self.snapshot.plan(query.qname, query.qtype, query.client.tenant)
            decision = plan.decide(query.client)
            query = evolve(query, decision=decision, plan=plan)
        if decision.kind is not Kind.UPSTREAM and self.snapshot.zones.find(query.qname) is not None:
            return await self.ours.resolve(query)
        return answer_of(decision, query) or self._barred(query, decision) or await self.theirs.resolve(query)

    def _barred(self, query: Query, decision: Decision) -> Answer | None:
        """Why a name that is not ours is not forwarded for this client; None if it is."""
        if not query.recursion_desired:
            return refused(EDE_NOT_AUTHORITATIVE, "not served here, and recursion is not desired")
        if not query.client.may_forward:
            return refused(EDE_PROHIBITED, "forwarding is not allowed for this client")
        if decision.upstream is None and self.snapshot.forward.find(query.qname) is None:
            return refused(EDE_NOT_AUTHORITATIVE, "not served here, and no upstream is configured for it")
        return None


def answer_of(decision: Decision, query: Query) -> Answer | None:
    """The Answer that a rule gives for a name that is not ours; None if it leaves that to an upstream."""
    if decision.kind is Kind.BLOCK:
        rcode = {Block.NXDOMAIN: NXDOMAIN, Block.REFUSED: REFUSED}.get(decision.block or Block.NODATA, NOERROR)
        edes = (Ede(EDE_BLOCKED, decision.why),)
        return Answer(rcode=rcode, edes=edes, scope=0, origin=decision.origin, why=decision.why)
    if decision.kind is Kind.RECORDS:
        rdtype = query.qtype if query.qtype in decision.records else CNAME
        rdatas = decision.records.get(rdtype, ())
        ttl = 0 if decision.private else decision.ttl
        rrsets = [RRset(ANSWER, query.qname, rdtype, IN, ttl, rdatas)] if rdatas else []
        body, spans = build(query.qname, rrsets)
        return Answer(body=body, spans=spans, ttl=ttl, origin=decision.origin, why=decision.why)
    return None
