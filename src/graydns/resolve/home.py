"""Home: chains of upstreams that lead to a name of ours.

Whoever points at a service from outside gets what its policy says, not what the upstream once heard of it.
"""

from __future__ import annotations

from attrs import evolve

from graydns.authority.lookup import lookup
from graydns.model.answer import ANSWER, Answer
from graydns.model.decision import Decision
from graydns.model.proof import Security
from graydns.model.query import Query
from graydns.model.rrtype import ANY, CNAME, NSEC, RRSIG
from graydns.snapshot.snapshot import Snapshot
from graydns.wire.body import RRset, aged, build, rdtype_of
from graydns.wire.view import rrsets

#: Who asks for these of a name wants to know of the alias itself: it is not followed.
_NOT_FOLLOWED = (CNAME, RRSIG, NSEC, ANY)


def brought_home(snapshot: Snapshot, query: Query, answer: Answer, now: float) -> Answer:
    """*answer* to *query* up to the first CNAME that leads into our zones, and from there what those say.

    *now*: monotonic seconds. An answer without such a CNAME is given back as it is.
    """
    if query.qtype in _NOT_FOLLOWED or not any(
        span.section == ANSWER and rdtype_of(answer.body, span) == CNAME for span in answer.spans
    ):
        return answer
    age = 0 if answer.stored is None else int(now - answer.stored)
    chain = []
    for rrset in rrsets(query.question, evolve(answer, body=aged(answer, age))):
        chain.append(rrset)
        if rrset.section == ANSWER and rrset.rdtype == CNAME:
            target = rrset.rdatas[0].lower()
            if snapshot.zones.find(target) is not None:
                return _completed(snapshot, query, answer, chain, target)
    return answer


def _completed(snapshot: Snapshot, query: Query, answer: Answer, chain: list[RRset], target: bytes) -> Answer:
    def decide(name: bytes, qtype: int) -> Decision:
        return snapshot.plan(name, qtype, query.client.tenant).decide(query.client)

    question = target + query.question[-4:]
    onward = query._replace(question=question, qname=target, decision=decide(target, query.qtype))
    home = lookup(snapshot.zones, onward, decide).answer()
    scope = home.scope if home.scope is not None else decide(target, query.qtype).scope(query.client)
    whole = (*chain, *(rrset for rrset in rrsets(question, home) if rrset.section == ANSWER))
    body, spans = build(query.qname, whole)
    return evolve(
        answer,
        rcode=home.rcode,
        body=body,
        spans=spans,
        ttl=min(rrset.ttl for rrset in whole),
        stored=None,
        scope=max(scope, answer.scope or 0),
        security=Security.INDETERMINATE,
        proof=answer.proof and answer.proof.beside_ours(),
        edes=(*answer.edes, *home.edes),
        shareable=False,
        why=f"{answer.why} → {home.why}",
    )
