"""Outward: names that are not ours.

What a rule says of them, who may have them forwarded, and what an upstream's answer may not do: outlive the rule that
chose it, hide what it depended on, or speak for names of ours.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve, field, frozen

from graydns.model.answer import ANSWER, Answer, Ede
from graydns.model.decision import Block, Decision, Kind
from graydns.model.errors import NotYetKnown
from graydns.model.query import Query
from graydns.model.rcode import NOERROR, NXDOMAIN, REFUSED
from graydns.model.rrtype import CNAME, IN
from graydns.resolve.home import brought_home
from graydns.resolve.learning import Learning
from graydns.resolve.link import Resolver
from graydns.snapshot.snapshot import Snapshot
from graydns.wire.body import RRset, build, capped

#: TKEY, TSIG, IXFR, AXFR, MAILB, MAILA: questions between two servers, not ones to pass on (RFC 5936, 2930).
HOP_BY_HOP = range(249, 255)

#: Info codes of RFC 8914.
EDE_BLOCKED, EDE_PROHIBITED, EDE_NOT_AUTHORITATIVE, EDE_NOT_SUPPORTED = 15, 18, 20, 21

_RCODES = {Block.NODATA: NOERROR, Block.NXDOMAIN: NXDOMAIN, Block.REFUSED: REFUSED}


@frozen
class Outward:
    """Answer by rule, refuse, or ask *below*, which forwards. Queries come with their Decision. *clock*: monotonic."""

    below: Resolver
    learning: Learning = field(kw_only=True, repr=False)
    snapshot: Snapshot = field(kw_only=True, repr=False)
    clock: Callable[[], float] = field(kw_only=True, repr=False)

    async def resolve(self, query: Query) -> Answer:
        """The answer for a name that is not ours. Raises ResolveError as the links below do."""
        decision = query.decision
        if decision is not None and (ruled := _by_rule(decision, query)) is not None:
            return ruled
        if (barred := self._barred(query)) is not None:
            return barred
        answer = await self.below.resolve(query)
        if decision is not None:
            answer = _as_decided(answer, decision, query, self.clock())
        while True:
            try:
                return brought_home(self.snapshot, query, answer, self.clock())
            except NotYetKnown as missing:
                await self.learning.learn(missing)

    def _barred(self, query: Query) -> Answer | None:
        """Why the name is not forwarded for this client; None if it is."""
        if not query.recursion_desired:
            return refused(EDE_NOT_AUTHORITATIVE, "not served here, and recursion is not desired")
        if not query.client.may_forward:
            return refused(EDE_PROHIBITED, "forwarding is not allowed for this client")
        if query.qtype in HOP_BY_HOP:
            return refused(EDE_NOT_SUPPORTED, "this type of question is not passed on")
        ruled = query.decision is not None and query.decision.upstream is not None
        if not ruled and self.snapshot.forward.find(query.qname) is None:
            return refused(EDE_NOT_AUTHORITATIVE, "not served here, and no upstream is configured for it")
        return None


def refused(code: int, text: str) -> Answer:
    """REFUSED with its reason; depends on the asker, so it is nobody else's."""
    return Answer(rcode=REFUSED, edes=(Ede(code, text),), why=text, shareable=False)


def _by_rule(decision: Decision, query: Query) -> Answer | None:
    """The Answer that a rule gives; None if it leaves that to an upstream. Never AD: nobody signed it.

    Which rule it was stays with the operator (``explain``).
    """
    if decision.kind is Kind.BLOCK:
        block = decision.block or Block.NODATA
        edes = (Ede(EDE_PROHIBITED if block is Block.REFUSED else EDE_BLOCKED),)
        return Answer(rcode=_RCODES[block], edes=edes, scope=0, origin=decision.origin, why=decision.why)
    if decision.kind is Kind.RECORDS:
        rdtype = query.qtype if query.qtype in decision.records else CNAME
        rdatas = decision.records.get(rdtype, ())
        ttl = 0 if decision.private else decision.ttl
        rrsets = [RRset(ANSWER, query.qname, rdtype, IN, ttl, rdatas)] if rdatas else []
        body, spans = build(query.qname, rrsets)
        scope = None if rdatas else 0
        return Answer(body=body, spans=spans, ttl=ttl, scope=scope, origin=decision.origin, why=decision.why)
    return None


def _as_decided(answer: Answer, decision: Decision, query: Query, now: float) -> Answer:
    """An upstream's *answer* under the *decision* that chose it: TTLs and scope are ours to answer for.

    A negative that another client might not get has TTL 0, as caches hand it to everybody (RFC 7871 section 7.4).
    """
    positive = any(span.section == ANSWER for span in answer.spans)
    cap = 0 if decision.private or (decision.varies and not positive) else decision.ttl_cap
    if cap is not None:
        age = 0 if answer.stored is None else int(now - answer.stored)
        ttl = max(0, min(answer.ttl - age, cap))
        answer = evolve(answer, body=capped(answer, cap, age), ttl=ttl, stored=None)
    if not positive:
        return answer if answer.scope == 0 else evolve(answer, scope=0)
    if not answer.scope:
        return answer if answer.scope is None else evolve(answer, scope=None)
    scope = max(answer.scope, decision.scope(query.client))
    return answer if scope == answer.scope else evolve(answer, scope=scope)
