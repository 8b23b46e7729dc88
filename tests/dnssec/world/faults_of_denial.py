"""Faults of what says that something is not there, and lies that nothing is."""

from __future__ import annotations

from zlib import crc32

import dns.rcode
import dns.rdata
from dns.name import from_text
from dns.rdatatype import NSEC, NSEC3, SOA, A

from tests.dnssec.world.editing import (
    DENIALS,
    Message,
    RRset,
    apex_denial,
    covered,
    denials,
    is_negative,
    made,
    owners,
    remove,
    renamed,
)
from tests.dnssec.world.faults import fault
from tools.signed.zone import Zone


@fault()
def forge_wildcard(reply: Message, zone: Zone) -> None:
    """What exists below a wildcard is answered from the wildcard."""
    name = reply.question[0].name
    if name.parent() == from_text("wild", zone.origin) and reply.answer and not denials(reply, zone):
        reply.answer[:] = renamed(zone.rrset(from_text("*.wild", zone.origin), A), name)
        reply.authority[:] = apex_denial(zone)


@fault()
def forge_nxdomain(reply: Message, zone: Zone) -> None:
    """Nothing exists; the proof is whatever there was, and the apex."""
    reply.answer.clear()
    reply.set_rcode(dns.rcode.NXDOMAIN)
    _add_proof(reply, zone)


@fault()
def forge_nodata(reply: Message, zone: Zone) -> None:
    """Nothing of any type is there; the proof is whatever there was, and the apex."""
    reply.answer.clear()
    reply.set_rcode(dns.rcode.NOERROR)
    _add_proof(reply, zone)


def _add_proof(reply: Message, zone: Zone) -> None:
    there = {(each.name, covered(each)) for each in reply.authority}
    proof = [*zone.rrset(zone.origin, SOA), *apex_denial(zone)]
    reply.authority += [each for each in proof if (each.name, covered(each)) not in there]


@fault(denial=True)
def other_rcode(reply: Message, zone: Zone) -> None:
    """NXDOMAIN where there is no data of the type, and the other way round."""
    if is_negative(reply):
        exists = reply.rcode() == dns.rcode.NXDOMAIN
        reply.set_rcode(dns.rcode.NOERROR if exists else dns.rcode.NXDOMAIN)


@fault(denial=True)
def strip_denial(reply: Message, zone: Zone) -> None:
    remove(reply, zone, lambda each: covered(each) in DENIALS)


@fault(denial=True)
def strip_first_denial(reply: Message, zone: Zone) -> None:
    names = [each.name for each in denials(reply, zone)[:1]]
    remove(reply, zone, lambda each: each.name in names and covered(each) in DENIALS)


@fault(denial=True)
def strip_last_denial(reply: Message, zone: Zone) -> None:
    names = [each.name for each in denials(reply, zone)[-1:]]
    remove(reply, zone, lambda each: each.name in names and covered(each) in DENIALS)


@fault(denial=True)
def apex_denies(reply: Message, zone: Zone) -> None:
    _deny_with(reply, zone, apex_denial(zone))


@fault(denial=True)
def other_denies(reply: Message, zone: Zone) -> None:
    """The proof is of another name: which, depends on the question's."""
    kind = NSEC if owners(zone, NSEC) else NSEC3
    names = sorted(owners(zone, kind))
    _deny_with(reply, zone, zone.rrset(names[crc32(reply.question[0].name.to_digestable()) % len(names)], kind))


@fault(denial=True)
def more_denial(reply: Message, zone: Zone) -> None:
    """The proof, and three that nobody asked for."""
    if there := denials(reply, zone):
        names = [each for each in sorted(owners(zone, there[0].rdtype)) if all(each != one.name for one in there)]
        reply.authority += [each for name in names[:3] for each in zone.rrset(name, there[0].rdtype)]


@fault()
def parent_denies(reply: Message, zone: Zone) -> None:
    """The proof is what the parent has at the delegation, the bitmap of which has NS and DS only."""
    bitmap = dns.rdata.from_text("IN", "NSEC", f"zzz.{zone.origin} NS DS RRSIG NSEC")
    _deny_with(reply, zone, [made(zone.origin, 60, [bitmap])])


def _deny_with(reply: Message, zone: Zone, proof: list[RRset]) -> None:
    if denials(reply, zone):
        remove(reply, zone, lambda each: covered(each) in DENIALS)
        reply.authority += proof


@fault()
def strip_soa(reply: Message, zone: Zone) -> None:
    if is_negative(reply):
        remove(reply, zone, lambda each: covered(each) == SOA)
