"""The lookup: from a question for a name of ours to what our zones say, CNAME by CNAME.

::

    lookup → at each name of the chain:   verdict.decided  → blocked | records of a version or rule |
                                          step.placed      → records, negative, referral, DNAME
           → at its end:                  Found            → answer(), or completed() if it leads out of our zones

Pure: zones, a Query and a way to decide about further names go in, a LocalAnswer comes out.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field
from dns.edns import EDECode

from graydns.authority.local_answer import Decide, LocalAnswer, LookupQuestion, LookupStep
from graydns.authority.lookup_steps import answer_by_decision
from graydns.authority.zone_data import Zone, ZoneTable
from graydns.model.answer import ANSWER, Ede
from graydns.model.decision import Decision, DecisionKind
from graydns.model.dns_parameters import AXFR, DS, IXFR, REFUSED, SOA
from graydns.model.query import Query
from graydns.wire.answer_body import RRset

#: Names in a chain of CNAMEs before it is cut off; longer ones are mistakes, and every name costs a lookup.
MAX_CNAME_CHAIN = 16

#: RFC 8914 section 4.22: zone transfer is a kind of question we do not take.
NOT_SUPPORTED = Ede(EDECode.NOT_SUPPORTED)


def look_up(zones: ZoneTable, query: Query, decide: Decide) -> LocalAnswer:
    """What *zones* and the verdicts of *decide* say to *query* (RFC 1034 section 4.3.2).

    ``query.decision``, or *decide* if it is None, rules over the question's name; *decide* over the names that CNAMEs
    lead to. A question for a name that is not ours is answered only where its decision gives records or blocks.
    """
    if query.qtype in (AXFR, IXFR):
        return LocalAnswer(
            query.qname, REFUSED, authoritative=False, edes=(NOT_SUPPORTED,), ecs_scope=0, why="no transfers"
        )
    asked, chain, name = LookupQuestion.from_query(query, decide), _CnameChain(), query.qname
    decision = query.decision or decide(name, query.qtype)
    while True:
        zone = _find_serving_zone(zones, name, query.qtype)
        step = answer_by_decision(zone, name, decision, asked)
        chain.add(name, decision, step)
        if step.target is None or chain.is_closed(step.target):
            return chain.to_local_answer(query)
        name = step.target
        decision = decide(name, query.qtype)
        if decision.kind is DecisionKind.UPSTREAM or (decision.kind is DecisionKind.PLAIN and zones.find(name) is None):
            return chain.to_local_answer(query, left=(name, decision))


def _find_serving_zone(zones: ZoneTable, name: bytes, qtype: int) -> Zone | None:
    """The zone that answers: for the DS of an apex the one above it, if that is ours too (RFC 4035 section 3.1.4.1)."""
    zone = zones.find(name)
    if qtype == DS and zone is not None and name == zone.origin:
        return zones.find_parent(zone) or zone
    return zone


@define
class _CnameChain:
    """The names passed so far, with what was decided and said at each."""

    names: list[bytes] = field(factory=list)
    decisions: list[Decision] = field(factory=list)
    steps: list[LookupStep] = field(factory=list)

    def add(self, name: bytes, decision: Decision, step: LookupStep) -> None:
        self.names.append(name)
        self.decisions.append(decision)
        self.steps.append(step)

    def is_closed(self, target: bytes) -> bool:
        """Whether the chain ends here though its last record names *target*: a loop, or too long."""
        return target in self.names or len(self.names) >= MAX_CNAME_CHAIN

    def to_local_answer(self, query: Query, left: tuple[bytes, Decision] | None = None) -> LocalAnswer:
        """The whole of it; *left*: the name at which it leads out of our zones, and what was decided of that. A chain
        that ends at a delegation of ours is left to the servers of that."""
        first, last = self.steps[0], self.steps[-1]
        decisions = self.decisions if left is None else [*self.decisions, left[1]]
        chase = left[0] if left else self.names[-1] if last.is_referral and last is not first else None
        rrsets = self._rrsets(any(decision.varies for decision in decisions))
        same = all(_is_same_for_all(decision) for decision in decisions[1:])
        return LocalAnswer(
            query.qname,
            last.rcode,
            rrsets,
            cname_target=chase,
            authoritative=first.authoritative and last.rcode != REFUSED,
            ttl_cap=_lowest_ttl_cap(decisions),
            edes=last.edes,
            ecs_scope=_answer_ecs_scope(
                rrsets, None if same else max(decision.ecs_scope(query.client) for decision in decisions)
            ),
            origin=first.origin,
            shareable=same and last.is_complete and all(step.origin is first.origin for step in self.steps),
            why=" → ".join(step.why for step in self.steps),
        )

    def _rrsets(self, varies: bool) -> tuple[RRset, ...]:
        """The answers of all steps, then what the last one has in the other sections. A negative that another client
        might not get has an SOA of TTL 0, as caches would hand it to everybody."""
        last = self.steps[-1]
        if last.rcode == REFUSED:
            return ()
        answers = [rrset for step in self.steps for rrset in step.rrsets if rrset.section == ANSWER]
        others = [rrset for rrset in last.rrsets if rrset.section != ANSWER]
        if varies:
            others = [rrset._replace(ttl=0) if rrset.rdtype == SOA else rrset for rrset in others]
        return (*answers, *others)


def _is_same_for_all(decision: Decision) -> bool:
    return decision.kind is DecisionKind.PLAIN and not decision.varies


def _lowest_ttl_cap(decisions: Sequence[Decision]) -> int | None:
    """The lowest cap of a chain. Answers chosen by identity or tags must not be cached: 0."""
    if any(decision.private for decision in decisions):
        return 0
    return min((decision.ttl_cap for decision in decisions if decision.ttl_cap is not None), default=None)


def _answer_ecs_scope(rrsets: Sequence[RRset], scope: int | None) -> int | None:
    """Negative answers and referrals are for everybody (RFC 7871 section 7.4); *scope* is for those with an answer."""
    return scope if rrsets and rrsets[0].section == ANSWER else 0
