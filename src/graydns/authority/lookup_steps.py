"""One step of a look-up: what one zone answers for one name of a CNAME chain (RFC 1034 section 4.3.2).

A Decision for the name comes first: it blocks the name, gives records, or leaves the name to its zone.
"""

from __future__ import annotations

from attrs import evolve
from dns.edns import EDECode

from graydns.authority.additional_section import find_addresses, find_glue, list_target_hosts
from graydns.authority.local_answer import LookupQuestion, LookupStep
from graydns.authority.zone_data import StoredRRset, Zone, ZoneNode
from graydns.authority.zone_search import (
    DelegationMatch,
    DnameRedirect,
    ExactMatch,
    LookupResult,
    NameErrorMatch,
    WildcardMatch,
    search_zone,
)
from graydns.model.answer import ANSWER, AUTHORITY, Ede
from graydns.model.decision import BlockAction, Decision, DecisionKind
from graydns.model.dns_parameters import (
    ANY,
    CNAME,
    DNAME,
    DS,
    IN,
    NOERROR,
    NS,
    NSEC,
    NXDOMAIN,
    REFUSED,
    RRSIG,
    SERVICE_RDTYPES,
    SOA,
    YXDOMAIN,
)
from graydns.model.errors import ResolveError
from graydns.wire.answer_body import RRset

#: Octets of the longest name (RFC 1035 section 2.3.4).
MAX_NAME_BYTES = 255

#: Types that stand beside a CNAME and are never looked for at its target (RFC 4035 section 2.5).
_RDTYPES_BESIDE_CNAME = frozenset((RRSIG, NSEC))


def answer_from_zone(zone: Zone, name: bytes, place: LookupResult, asked: LookupQuestion) -> LookupStep:
    """What *zone*'s own records say to *name*, which has that *place* in it."""
    match place:
        case ExactMatch(node):
            return answer_from_node(zone, name, node, asked, why="zone data")
        case WildcardMatch(node):
            return answer_from_node(zone, name, node, asked, why="wildcard")
        case DelegationMatch(owner, node):
            if asked.qtype == DS and owner == name:
                # The parent's side of the cut has the DS (RFC 4035 section 3.1.4.1), with authority.
                return answer_from_node(
                    zone, name, {DS: node[DS]} if DS in node else {}, asked, why="parent side of a cut"
                )
            return _answer_referral(zone, owner, node[NS], asked)
        case DnameRedirect(owner, dname):
            return _answer_dname(zone, name, owner, dname, asked)
        case NameErrorMatch():
            return answer_negative(zone, NXDOMAIN, why="no such name")


def answer_from_node(zone: Zone | None, name: bytes, node: ZoneNode, asked: LookupQuestion, *, why: str) -> LookupStep:
    """What *node* says when it is *name*'s."""
    if asked.qtype == ANY and node:
        return _answer_any(zone, name, node, asked)
    if (stored := node.get(asked.qtype)) is not None:
        answer = RRset(ANSWER, name, asked.qtype, IN, *stored)
        more = (
            find_addresses(zone, list_target_hosts(name, asked.qtype, stored.rdatas), asked.decide)
            if zone is not None
            else ()
        )
        return LookupStep((answer, *more), origin=zone, why=why)
    if (alias := node.get(CNAME)) is not None and asked.qtype not in _RDTYPES_BESIDE_CNAME:
        target = alias.rdatas[0].lower()
        return LookupStep((RRset(ANSWER, name, CNAME, IN, *alias),), target=target, origin=zone, why=f"{why}: CNAME")
    return answer_negative(zone, NOERROR, why=f"{why}: no records of this type")


def answer_negative(zone: Zone | None, rcode: int, *, why: str) -> LookupStep:
    """There is no such thing, with the SOA that says for how long (RFC 2308 section 3)."""
    if zone is None:
        return LookupStep((), rcode, authoritative=False, why=why)
    soa = RRset(AUTHORITY, zone.origin, SOA, IN, zone.negative_ttl, zone.soa.rdatas)
    return LookupStep((soa,), rcode, origin=zone, why=why)


def _answer_any(zone: Zone | None, name: bytes, node: ZoneNode, asked: LookupQuestion) -> LookupStep:
    """RFC 8482: all there is, or over UDP the smallest RRset, which is no use for an amplifier."""
    rrsets = [RRset(ANSWER, name, rdtype, IN, *stored) for rdtype, stored in node.items()]
    if asked.is_minimal_any:
        rrsets = [min(rrsets, key=lambda rrset: (rrset.rdtype == RRSIG, sum(map(len, rrset.rdatas))))]
    return LookupStep(tuple(rrsets), origin=zone, is_complete=len(node) == 1, why="every type")


def _answer_referral(zone: Zone, owner: bytes, servers: StoredRRset, asked: LookupQuestion) -> LookupStep:
    """Others are responsible for *owner*: their names, and what is needed to reach them."""
    names = list_target_hosts(owner, NS, servers.rdatas)
    rrsets = (RRset(AUTHORITY, owner, NS, IN, *servers), *find_glue(zone, owner, names, asked.decide))
    return LookupStep(rrsets, authoritative=False, is_referral=True, origin=zone, why="delegation")


def _answer_dname(zone: Zone, name: bytes, owner: bytes, dname: StoredRRset, asked: LookupQuestion) -> LookupStep:
    """RFC 6672 section 3.2: the DNAME, and a CNAME made from it with its TTL, which may be all that was asked for."""
    target = name[: -len(owner)] + dname.rdatas[0]
    renamed = RRset(ANSWER, owner, DNAME, IN, *dname)
    if len(target) > MAX_NAME_BYTES:
        return LookupStep((renamed,), YXDOMAIN, origin=zone, why="DNAME makes the name too long")
    alias = RRset(ANSWER, name, CNAME, IN, dname.ttl, (target,))
    going_on = None if asked.qtype in (CNAME, ANY) else target.lower()
    return LookupStep((renamed, alias), target=going_on, origin=zone, why="DNAME")


#: RFC 8914. A rule that denies a name is the operator's own policy (4.16 "Blocked"), neither imposed from outside
#: (4.17 "Censored") nor asked for by the client (4.18 "Filtered"); one that refuses says that this client may not
#: ask (4.19 "Prohibited"). The rule's name stays with the operator, so there is no text.
BLOCKED, PROHIBITED, NOT_AUTHORITATIVE = Ede(EDECode.BLOCKED), Ede(EDECode.PROHIBITED), Ede(EDECode.NOT_AUTHORITATIVE)

#: The data have not been confirmed for long (RFC 8914 section 4.4).
STALE_ANSWER = Ede(EDECode.STALE_ANSWER)


def answer_by_decision(zone: Zone | None, name: bytes, decision: Decision, asked: LookupQuestion) -> LookupStep:
    """The step for *name*, of which *decision* has been taken; *zone* is None for a name that is not ours.

    Raises ResolveError for a version that Consul has not delivered yet: SERVFAIL and EDE 22, No Reachable Authority.
    """
    match decision.kind:
        case DecisionKind.BLOCK:
            return evolve(_answer_blocked(zone, decision.block), origin=decision.origin or zone, why=decision.why)
        case DecisionKind.UNKNOWN if asked.qtype in SERVICE_RDTYPES or asked.qtype == ANY:
            raise ResolveError(f"{decision.why} is not known yet", ede=EDECode.NO_REACHABLE_AUTHORITY)
        case DecisionKind.VERSION | DecisionKind.RECORDS | DecisionKind.UNKNOWN:
            return _answer_from_decision(zone, name, decision, asked)
        case DecisionKind.PLAIN | DecisionKind.UPSTREAM:
            if zone is None:
                return LookupStep(rcode=REFUSED, authoritative=False, edes=(NOT_AUTHORITATIVE,), why="not ours")
            if zone.backend is not None:
                return zone.backend.answer(zone, name, decision, asked)
            return answer_from_zone(zone, name, search_zone(zone, name), asked)


def _answer_blocked(zone: Zone | None, block: BlockAction | None) -> LookupStep:
    match block:
        case BlockAction.NXDOMAIN:
            return evolve(answer_negative(zone, NXDOMAIN, why=""), edes=(BLOCKED,))
        case BlockAction.REFUSED:
            return LookupStep(rcode=REFUSED, authoritative=False, edes=(PROHIBITED,))
        case _:
            return evolve(answer_negative(zone, NOERROR, why=""), edes=(BLOCKED,))


def _answer_from_decision(zone: Zone | None, name: bytes, decision: Decision, asked: LookupQuestion) -> LookupStep:
    """Records of a version or a rule over those of the zone: A, AAAA and CNAME are the decision's alone, so that a type
    it lacks is NODATA; a name with records exists even where the zone has none at it."""
    given = {rdtype: StoredRRset(decision.ttl, rdatas) for rdtype, rdatas in decision.records.items()}
    ours = asked.qtype in SERVICE_RDTYPES or asked.qtype in given or CNAME in given
    if zone is None:
        return evolve(
            answer_from_node(None, name, given, asked, why=decision.why), authoritative=False, origin=decision.origin
        )
    place = search_zone(zone, name)
    if not ours and isinstance(place, DelegationMatch | DnameRedirect):
        return answer_from_zone(zone, name, place, asked)
    step = answer_from_node(zone, name, {**_unowned_rrsets(place), **given}, asked, why=decision.why)
    if not ours:
        return step
    return evolve(
        step, origin=decision.origin or zone, edes=(*step.edes, STALE_ANSWER) if decision.stale else step.edes
    )


def _unowned_rrsets(place: LookupResult) -> ZoneNode:
    """What the zone has that no version or rule owns."""
    node = place.node if isinstance(place, ExactMatch | WildcardMatch) else {}
    return {rdtype: stored for rdtype, stored in node.items() if rdtype not in SERVICE_RDTYPES}
