"""The lookup: from a question for a name of ours to what our zones say, CNAME by CNAME.

::

    lookup → at each name of the chain:   verdict.decided  → blocked | records of a version or rule |
                                          step.placed      → records, negative, referral, DNAME
           → at its end:                  Found            → answer(), or completed() if it leads out of our zones

Pure: zones, a Query and a way to decide about further names go in, a Found comes out.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field

from graydns.authority.additional import Decide
from graydns.authority.found import Found
from graydns.authority.step import Asked, Step
from graydns.authority.verdict import decided
from graydns.authority.zone import Zone, Zones
from graydns.model.answer import ANSWER, Ede
from graydns.model.decision import Decision, DecisionKind
from graydns.model.dns_parameters import AXFR, DS, IXFR, REFUSED, SOA
from graydns.model.query import Query
from graydns.wire.answer_body import RRset

#: Names in a chain of CNAMEs before it is cut off; longer ones are mistakes, and every name costs a lookup.
LONGEST_CHAIN = 16

#: RFC 8914 section 4.22: zone transfer is a kind of question we do not take.
NOT_SUPPORTED = Ede(21)


def lookup(zones: Zones, query: Query, decide: Decide) -> Found:
    """What *zones* and the verdicts of *decide* say to *query* (RFC 1034 section 4.3.2).

    ``query.decision``, or *decide* if it is None, rules over the question's name; *decide* over the names that CNAMEs
    lead to. A question for a name that is not ours is answered only where its decision gives records or blocks.
    """
    if query.qtype in (AXFR, IXFR):
        return Found(query.qname, REFUSED, authoritative=False, edes=(NOT_SUPPORTED,), scope=0, why="no transfers")
    asked, chain, name = Asked.of(query, decide), _Chain(), query.qname
    decision = query.decision or decide(name, query.qtype)
    while True:
        zone = _serving(zones, name, query.qtype)
        step = decided(zone, name, decision, asked)
        chain.add(name, decision, step)
        if step.target is None or chain.closed(step.target):
            return chain.found(query)
        name = step.target
        decision = decide(name, query.qtype)
        if decision.kind is DecisionKind.UPSTREAM or (decision.kind is DecisionKind.PLAIN and zones.find(name) is None):
            return chain.found(query, left=(name, decision))


def _serving(zones: Zones, name: bytes, qtype: int) -> Zone | None:
    """The zone that answers: for the DS of an apex the one above it, if that is ours too (RFC 4035 section 3.1.4.1)."""
    zone = zones.find(name)
    if qtype == DS and zone is not None and name == zone.origin:
        return zones.above(zone) or zone
    return zone


@define
class _Chain:
    """The names passed so far, with what was decided and said at each."""

    names: list[bytes] = field(factory=list)
    decisions: list[Decision] = field(factory=list)
    steps: list[Step] = field(factory=list)

    def add(self, name: bytes, decision: Decision, step: Step) -> None:
        self.names.append(name)
        self.decisions.append(decision)
        self.steps.append(step)

    def closed(self, target: bytes) -> bool:
        """Whether the chain ends here though its last record names *target*: a loop, or too long."""
        return target in self.names or len(self.names) >= LONGEST_CHAIN

    def found(self, query: Query, left: tuple[bytes, Decision] | None = None) -> Found:
        """The whole of it; *left*: the name at which it leads out of our zones, and what was decided of that. A chain
        that ends at a delegation of ours is left to the servers of that."""
        first, last = self.steps[0], self.steps[-1]
        decisions = self.decisions if left is None else [*self.decisions, left[1]]
        chase = left[0] if left else self.names[-1] if last.referral and last is not first else None
        rrsets = self._rrsets(any(decision.varies for decision in decisions))
        same = all(_same_for_all(decision) for decision in decisions[1:])
        return Found(
            query.qname,
            last.rcode,
            rrsets,
            chase=chase,
            authoritative=first.authoritative and last.rcode != REFUSED,
            ttl_cap=_ttl_cap(decisions),
            edes=last.edes,
            scope=_scope(rrsets, None if same else max(decision.ecs_scope(query.client) for decision in decisions)),
            origin=first.origin,
            shareable=same and last.whole and all(step.origin is first.origin for step in self.steps),
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


def _same_for_all(decision: Decision) -> bool:
    return decision.kind is DecisionKind.PLAIN and not decision.varies


def _ttl_cap(decisions: Sequence[Decision]) -> int | None:
    """The lowest cap of a chain. What identity or tags chose may be kept by nobody."""
    if any(decision.private for decision in decisions):
        return 0
    return min((decision.ttl_cap for decision in decisions if decision.ttl_cap is not None), default=None)


def _scope(rrsets: Sequence[RRset], scope: int | None) -> int | None:
    """Negative answers and referrals are for everybody (RFC 7871 section 7.4); *scope* is for those with an answer."""
    return scope if rrsets and rrsets[0].section == ANSWER else 0
