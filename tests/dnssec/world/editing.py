"""Changing messages: what several faults have in common."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import dns.message
import dns.rcode
import dns.rrset
from dns.name import Name
from dns.rdata import Rdata
from dns.rdatatype import NSEC, NSEC3, RRSIG, RdataType
from dns.rdtypes.ANY import RRSIG as SIGNATURES

from tools.signed.zone import Zone

Message = dns.message.Message
RRset = dns.rrset.RRset
DENIALS = frozenset({NSEC, NSEC3})


def made(name: Name, ttl: int, rdatas: Iterable[Rdata]) -> RRset:
    """An RRset of *rdatas*, of which there must be one."""
    return dns.rrset.from_rdata_list(name, ttl, list(rdatas))


def covered(rrset: RRset) -> RdataType:
    """Its type, or the type that it signs."""
    return rrset.covers if rrset.rdtype == RRSIG else rrset.rdtype


def rewrite(reply: Message, zone: Zone, change: Callable[[RRset], RRset | None]) -> None:
    """Put what *change* gives in the place of each RRset of *zone*, in answer and authority; None removes it."""
    for section in (reply.answer, reply.authority):
        changed = [change(each) if each.name.is_subdomain(zone.origin) else each for each in section]
        section[:] = [each for each in changed if each is not None]


def remove(reply: Message, zone: Zone, unwanted: Callable[[RRset], bool]) -> None:
    """Remove RRsets of *zone*."""
    rewrite(reply, zone, lambda each: None if unwanted(each) else each)


def sign_otherwise(reply: Message, zone: Zone, change: Callable[[SIGNATURES.RRSIG], Rdata]) -> None:
    """Change each signature."""

    def changed(rrset: RRset) -> RRset:
        return made(rrset.name, rrset.ttl, [change(each) for each in rrset]) if rrset.rdtype == RRSIG else rrset

    rewrite(reply, zone, changed)


def flipped(octets: bytes) -> bytes:
    """*octets* with one bit changed."""
    return octets[:-1] + bytes([octets[-1] ^ 1])


def renamed(rrsets: Iterable[RRset], name: Name) -> list[RRset]:
    """*rrsets* as if they were those of *name*."""
    return [made(name, each.ttl, each) for each in rrsets]


def apex_denial(zone: Zone) -> list[RRset]:
    """The NSEC, or the first NSEC3, of *zone*, with its signature."""
    if found := zone.rrset(zone.origin, NSEC):
        return found
    return zone.rrset(min(owners(zone, NSEC3)), NSEC3)


def owners(zone: Zone, rdtype: RdataType) -> list[Name]:
    """The names of *zone* that have such records."""
    return [name for name, node in zone.nodes.items() if rdtype in node]


def denials(reply: Message, zone: Zone) -> list[RRset]:
    """The NSEC and NSEC3 RRsets of *zone* in the authority section, by name, without signatures."""
    found = [each for each in reply.authority if each.rdtype in DENIALS and each.name.is_subdomain(zone.origin)]
    return sorted(found, key=lambda each: each.name)


def is_negative(reply: Message) -> bool:
    """NXDOMAIN or NODATA, without an alias before it."""
    return not reply.answer


def render(reply: Message) -> bytes:
    """The octets of *reply*: the same ones every time, though dnspython shuffles the records of an RRset."""
    state = random.getstate()
    random.seed(str(reply.question[0]))
    try:
        return reply.to_wire(max_size=65535)
    finally:
        random.setstate(state)


def fail(reply: Message) -> None:
    """SERVFAIL, and nothing else."""
    reply.answer.clear()
    reply.authority.clear()
    reply.set_rcode(dns.rcode.SERVFAIL)
