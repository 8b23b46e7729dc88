"""Step: what one zone says to one name of a chain, after RFC 1034 section 4.3.2."""

from __future__ import annotations

from attrs import frozen

from graydns.authority.additional import Decide, addresses, glue, hosts
from graydns.authority.rows import Node, Stored
from graydns.authority.search import Cut, Exact, Missing, Place, Renamed, Wildcard
from graydns.authority.zone import Zone
from graydns.model.answer import ANSWER, AUTHORITY, Ede
from graydns.model.dns_parameters import ANY, CNAME, DNAME, DS, IN, NOERROR, NS, NSEC, NXDOMAIN, RRSIG, SOA, YXDOMAIN
from graydns.model.query import UDP, Query
from graydns.wire.answer_body import RRset

#: Octets of the longest name (RFC 1035 section 2.3.4).
LONGEST = 255

#: Types that stand beside a CNAME and are never looked for at its target (RFC 4035 section 2.5).
_BESIDE_CNAME = frozenset((RRSIG, NSEC))


@frozen(eq=False)
class Step:
    """RRsets in section order, and the name at which the chain goes on (*target*, None at its end).

    *origin*: what the records were made from. *referral*: others are responsible. *whole*: the answer is the same over
    every transport.
    """

    rrsets: tuple[RRset, ...] = ()
    rcode: int = NOERROR
    target: bytes | None = None
    authoritative: bool = True
    referral: bool = False
    edes: tuple[Ede, ...] = ()
    origin: object = None
    whole: bool = True
    why: str = ""


@frozen(eq=False)
class Asked:
    """What the steps of a chain need of the question. *minimal*: ANY gets one RRset (RFC 8482 section 4.1)."""

    qtype: int
    minimal: bool
    decide: Decide

    @classmethod
    def of(cls, query: Query, decide: Decide) -> Asked:
        """From *query*. Over TCP and TLS an address cannot be forged, so that ANY is no amplifier there."""
        return cls(query.qtype, query.client.transport == UDP, decide)


def placed(zone: Zone, name: bytes, place: Place, asked: Asked) -> Step:
    """What *zone*'s own records say to *name*, which has that *place* in it."""
    match place:
        case Exact(node):
            return records(zone, name, node, asked, why="zone data")
        case Wildcard(node):
            return records(zone, name, node, asked, why="wildcard")
        case Cut(owner, node):
            if asked.qtype == DS and owner == name:
                # The parent's side of the cut has the DS (RFC 4035 section 3.1.4.1), with authority.
                return records(zone, name, {DS: node[DS]} if DS in node else {}, asked, why="parent side of a cut")
            return _referral(zone, owner, node[NS], asked)
        case Renamed(owner, dname):
            return _renamed(zone, name, owner, dname, asked)
        case Missing():
            return negative(zone, NXDOMAIN, why="no such name")


def records(zone: Zone | None, name: bytes, node: Node, asked: Asked, *, why: str) -> Step:
    """What *node* says when it is *name*'s."""
    if asked.qtype == ANY and node:
        return _any(zone, name, node, asked)
    if (stored := node.get(asked.qtype)) is not None:
        answer = RRset(ANSWER, name, asked.qtype, IN, *stored)
        more = addresses(zone, hosts(name, asked.qtype, stored.rdatas), asked.decide) if zone is not None else ()
        return Step((answer, *more), origin=zone, why=why)
    if (alias := node.get(CNAME)) is not None and asked.qtype not in _BESIDE_CNAME:
        target = alias.rdatas[0].lower()
        return Step((RRset(ANSWER, name, CNAME, IN, *alias),), target=target, origin=zone, why=f"{why}: CNAME")
    return negative(zone, NOERROR, why=f"{why}: no records of this type")


def negative(zone: Zone | None, rcode: int, *, why: str) -> Step:
    """There is no such thing, with the SOA that says for how long (RFC 2308 section 3)."""
    if zone is None:
        return Step((), rcode, authoritative=False, why=why)
    soa = RRset(AUTHORITY, zone.origin, SOA, IN, zone.negative_ttl, zone.soa.rdatas)
    return Step((soa,), rcode, origin=zone, why=why)


def _any(zone: Zone | None, name: bytes, node: Node, asked: Asked) -> Step:
    """RFC 8482: all there is, or over UDP the smallest RRset, which is no use for an amplifier."""
    rrsets = [RRset(ANSWER, name, rdtype, IN, *stored) for rdtype, stored in node.items()]
    if asked.minimal:
        rrsets = [min(rrsets, key=lambda rrset: (rrset.rdtype == RRSIG, sum(map(len, rrset.rdatas))))]
    return Step(tuple(rrsets), origin=zone, whole=len(node) == 1, why="every type")


def _referral(zone: Zone, owner: bytes, servers: Stored, asked: Asked) -> Step:
    """Others are responsible for *owner*: their names, and what is needed to reach them."""
    names = hosts(owner, NS, servers.rdatas)
    rrsets = (RRset(AUTHORITY, owner, NS, IN, *servers), *glue(zone, owner, names, asked.decide))
    return Step(rrsets, authoritative=False, referral=True, origin=zone, why="delegation")


def _renamed(zone: Zone, name: bytes, owner: bytes, dname: Stored, asked: Asked) -> Step:
    """RFC 6672 section 3.2: the DNAME, and a CNAME made from it with its TTL, which may be all that was asked for."""
    target = name[: -len(owner)] + dname.rdatas[0]
    renamed = RRset(ANSWER, owner, DNAME, IN, *dname)
    if len(target) > LONGEST:
        return Step((renamed,), YXDOMAIN, origin=zone, why="DNAME makes the name too long")
    alias = RRset(ANSWER, name, CNAME, IN, dname.ttl, (target,))
    going_on = None if asked.qtype in (CNAME, ANY) else target.lower()
    return Step((renamed, alias), target=going_on, origin=zone, why="DNAME")
