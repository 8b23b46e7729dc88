"""Policy for names outside our zones: rules, permission to forward, and limits on the answers of upstreams.

An answer keeps neither a TTL nor an ECS scope that its rule does not allow. A CNAME chain of an upstream that leads to
a name in our zones is completed from those zones, so that the policy of a service holds for such a chain, too.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve, field, frozen
from dns.edns import EDECode

from graydns.authority.lookup import look_up
from graydns.model.answer import ANSWER, Answer, Ede
from graydns.model.decision import BlockAction, Decision, DecisionKind
from graydns.model.dns_parameters import ANY, CNAME, IN, NOERROR, NSEC, NXDOMAIN, REFUSED, RRSIG
from graydns.model.dnssec_values import Security
from graydns.model.errors import CatalogPendingError
from graydns.model.query import Query
from graydns.resolve.link import Resolver
from graydns.resolve.links.authority import CatalogWaiter
from graydns.snapshot.snapshot import Snapshot
from graydns.wire.answer_body import RRset, age_body, build_body, cap_ttls, read_rrsets, read_span_type

#: TKEY, TSIG, IXFR, AXFR, MAILB, MAILA: questions between two servers, not ones to pass on (RFC 5936, 2930).
HOP_BY_HOP_TYPES = range(249, 255)

#: Info codes of RFC 8914.
EDE_BLOCKED, EDE_PROHIBITED, EDE_NOT_AUTHORITATIVE, EDE_NOT_SUPPORTED = (
    EDECode.BLOCKED,
    EDECode.PROHIBITED,
    EDECode.NOT_AUTHORITATIVE,
    EDECode.NOT_SUPPORTED,
)

_BLOCK_RCODES = {BlockAction.NODATA: NOERROR, BlockAction.NXDOMAIN: NXDOMAIN, BlockAction.REFUSED: REFUSED}


@frozen
class ForwardingPolicy:
    """Answer by rule, refuse, or forward with *below*. Queries have their Decision. *clock*: monotonic seconds."""

    below: Resolver
    catalog_waiter: CatalogWaiter = field(kw_only=True, repr=False)
    snapshot: Snapshot = field(kw_only=True, repr=False)
    clock: Callable[[], float] = field(kw_only=True, repr=False)

    async def resolve(self, query: Query) -> Answer:
        """The answer for a name outside our zones. Raises ResolveError as the links below do."""
        decision = query.decision
        if decision is not None and (ruled := _answer_by_rule(decision, query)) is not None:
            return ruled
        if (refusal := self._check_forwarding(query)) is not None:
            return refusal
        answer = await self.below.resolve(query)
        if decision is not None:
            answer = _apply_decision(answer, decision, query, self.clock())
        while True:
            try:
                return resolve_local_cname(self.snapshot, query, answer, self.clock())
            except CatalogPendingError as missing:
                await self.catalog_waiter.wait_for(missing)

    def _check_forwarding(self, query: Query) -> Answer | None:
        """The refusal if the name must not be forwarded for this client, else None."""
        if not query.recursion_desired:
            return make_refusal(EDE_NOT_AUTHORITATIVE, "not served here, and recursion is not desired")
        if not query.client.may_forward:
            return make_refusal(EDE_PROHIBITED, "forwarding is not allowed for this client")
        if query.qtype in HOP_BY_HOP_TYPES:
            return make_refusal(EDE_NOT_SUPPORTED, "this type of question is not passed on")
        ruled = query.decision is not None and query.decision.upstream is not None
        if not ruled and self.snapshot.forward.find_group(query.qname) is None:
            return make_refusal(EDE_NOT_AUTHORITATIVE, "not served here, and no upstream is configured for it")
        return None


def make_refusal(code: int, text: str) -> Answer:
    """REFUSED with its reason. Not shareable, as it depends on the client."""
    return Answer(rcode=REFUSED, edes=(Ede(code, text),), why=text, shareable=False)


def _answer_by_rule(decision: Decision, query: Query) -> Answer | None:
    """The Answer that a rule gives, None if the query is forwarded. Never AD: the answer is not signed.

    The name of the rule is not disclosed to clients; ``explain`` shows it.
    """
    if decision.kind is DecisionKind.BLOCK:
        block = decision.block or BlockAction.NODATA
        edes = (Ede(EDE_PROHIBITED if block is BlockAction.REFUSED else EDE_BLOCKED),)
        return Answer(rcode=_BLOCK_RCODES[block], edes=edes, ecs_scope=0, origin=decision.origin, why=decision.why)
    if decision.kind is DecisionKind.RECORDS:
        rdtype = query.qtype if query.qtype in decision.records else CNAME
        rdatas = decision.records.get(rdtype, ())
        ttl = 0 if decision.private else decision.ttl
        rrsets = [RRset(ANSWER, query.qname, rdtype, IN, ttl, rdatas)] if rdatas else []
        body, spans = build_body(query.qname, rrsets)
        scope = None if rdatas else 0
        return Answer(body=body, spans=spans, ttl=ttl, ecs_scope=scope, origin=decision.origin, why=decision.why)
    return None


def _apply_decision(answer: Answer, decision: Decision, query: Query, now: float) -> Answer:
    """An upstream's *answer* with the TTLs and the ECS scope that *decision* allows.

    A negative that another client might not get has TTL 0, as caches hand it to everybody (RFC 7871 section 7.4).
    """
    positive = any(span.section == ANSWER for span in answer.spans)
    cap = 0 if decision.private or (decision.varies and not positive) else decision.ttl_cap
    if cap is not None:
        age = 0 if answer.stored_at is None else int(now - answer.stored_at)
        ttl = max(0, min(answer.ttl - age, cap))
        answer = evolve(answer, body=cap_ttls(answer, cap, age), ttl=ttl, stored_at=None)
    if not positive:
        return answer if answer.ecs_scope == 0 else evolve(answer, ecs_scope=0)
    if not answer.ecs_scope:
        return answer if answer.ecs_scope is None else evolve(answer, ecs_scope=None)
    scope = max(answer.ecs_scope, decision.ecs_scope(query.client))
    return answer if scope == answer.ecs_scope else evolve(answer, ecs_scope=scope)


#: Who asks for these of a name wants to know of the alias itself: it is not followed.
_CNAME_NOT_FOLLOWED_TYPES = (CNAME, RRSIG, NSEC, ANY)


def resolve_local_cname(snapshot: Snapshot, query: Query, answer: Answer, now: float) -> Answer:
    """*answer* to *query* up to the first CNAME that leads into our zones, and from there what those say.

    *now*: monotonic seconds. An answer without such a CNAME is given back as it is.
    """
    if query.qtype in _CNAME_NOT_FOLLOWED_TYPES or not any(
        span.section == ANSWER and read_span_type(answer.body, span) == CNAME for span in answer.spans
    ):
        return answer
    age = 0 if answer.stored_at is None else int(now - answer.stored_at)
    chain = []
    for rrset in read_rrsets(query.question, evolve(answer, body=age_body(answer, age))):
        chain.append(rrset)
        if rrset.section == ANSWER and rrset.rdtype == CNAME:
            target = rrset.rdatas[0].lower()
            if snapshot.zones.find(target) is not None:
                return _complete_locally(snapshot, query, answer, chain, target)
    return answer


def _complete_locally(snapshot: Snapshot, query: Query, answer: Answer, chain: list[RRset], target: bytes) -> Answer:
    def decide(name: bytes, qtype: int) -> Decision:
        return snapshot.plan(name, qtype, query.client.tenant).decide(query.client)

    question = target + query.question[-4:]
    onward = query._replace(question=question, qname=target, decision=decide(target, query.qtype))
    home = look_up(snapshot.zones, onward, decide).to_answer()
    scope = home.ecs_scope if home.ecs_scope is not None else decide(target, query.qtype).ecs_scope(query.client)
    whole = (*chain, *(rrset for rrset in read_rrsets(question, home) if rrset.section == ANSWER))
    body, spans = build_body(query.qname, whole)
    return evolve(
        answer,
        rcode=home.rcode,
        body=body,
        spans=spans,
        ttl=min(rrset.ttl for rrset in whole),
        stored_at=None,
        ecs_scope=max(scope, answer.ecs_scope or 0),
        security=Security.INDETERMINATE,
        proof=answer.proof and answer.proof.with_unsigned_part(),
        edes=(*answer.edes, *home.edes),
        shareable=False,
        why=f"{answer.why} → {home.why}",
    )
