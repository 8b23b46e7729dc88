"""What a Decision makes of a name of ours, or of anybody's: blocked, given records, or left to its zone."""

from __future__ import annotations

from attrs import evolve

from graydns.authority.rows import Node, Stored
from graydns.authority.search import Cut, Exact, Place, Renamed, Wildcard, search
from graydns.authority.step import Asked, Step, negative, placed, records
from graydns.authority.zone import Zone
from graydns.model.answer import Ede
from graydns.model.decision import BlockAction, Decision, DecisionKind
from graydns.model.dns_parameters import ANY, CNAME, NOERROR, NXDOMAIN, REFUSED, SERVICE_RDTYPES
from graydns.model.errors import ResolveError

#: RFC 8914. A rule that denies a name is the operator's own policy (4.16 "Blocked"), neither imposed from outside
#: (4.17 "Censored") nor asked for by the client (4.18 "Filtered"); one that refuses says that this client may not
#: ask (4.19 "Prohibited"). The rule's name stays with the operator, so there is no text.
BLOCKED, PROHIBITED, NOT_AUTHORITATIVE = Ede(15), Ede(18), Ede(20)

#: Nothing has been heard for long of what was told (RFC 8914 section 4.4).
STALE = Ede(3)


def decided(zone: Zone | None, name: bytes, decision: Decision, asked: Asked) -> Step:
    """The step for *name*, of which *decision* has been taken; *zone* is None for a name that is not ours.

    Raises ResolveError for a version that Consul has not told yet: SERVFAIL and EDE 22, No Reachable Authority.
    """
    match decision.kind:
        case DecisionKind.BLOCK:
            return evolve(_blocked(zone, decision.block), origin=decision.origin or zone, why=decision.why)
        case DecisionKind.UNKNOWN if asked.qtype in SERVICE_RDTYPES or asked.qtype == ANY:
            raise ResolveError(f"{decision.why} is not known yet", ede=22)
        case DecisionKind.VERSION | DecisionKind.RECORDS | DecisionKind.UNKNOWN:
            return _given(zone, name, decision, asked)
        case DecisionKind.PLAIN | DecisionKind.UPSTREAM:
            if zone is None:
                return Step(rcode=REFUSED, authoritative=False, edes=(NOT_AUTHORITATIVE,), why="not ours")
            if zone.living is not None:
                return zone.living.step(zone, name, decision, asked)
            return placed(zone, name, search(zone, name), asked)


def _blocked(zone: Zone | None, block: BlockAction | None) -> Step:
    match block:
        case BlockAction.NXDOMAIN:
            return evolve(negative(zone, NXDOMAIN, why=""), edes=(BLOCKED,))
        case BlockAction.REFUSED:
            return Step(rcode=REFUSED, authoritative=False, edes=(PROHIBITED,))
        case _:
            return evolve(negative(zone, NOERROR, why=""), edes=(BLOCKED,))


def _given(zone: Zone | None, name: bytes, decision: Decision, asked: Asked) -> Step:
    """Records of a version or a rule over those of the zone: A, AAAA and CNAME are the decision's alone, so that a type
    it lacks is NODATA; a name with records exists even where the zone has none at it."""
    given = {rdtype: Stored(decision.ttl, rdatas) for rdtype, rdatas in decision.records.items()}
    ours = asked.qtype in SERVICE_RDTYPES or asked.qtype in given or CNAME in given
    if zone is None:
        return evolve(records(None, name, given, asked, why=decision.why), authoritative=False, origin=decision.origin)
    place = search(zone, name)
    if not ours and isinstance(place, Cut | Renamed):
        return placed(zone, name, place, asked)
    step = records(zone, name, {**_kept(place), **given}, asked, why=decision.why)
    if not ours:
        return step
    return evolve(step, origin=decision.origin or zone, edes=(*step.edes, STALE) if decision.stale else step.edes)


def _kept(place: Place) -> Node:
    """What the zone has that no version or rule owns."""
    node = place.node if isinstance(place, Exact | Wildcard) else {}
    return {rdtype: stored for rdtype, stored in node.items() if rdtype not in SERVICE_RDTYPES}
