"""Faults: what happens to a zone's answers on the way. Named as the zones are that suffer from them."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Literal

import dns.flags
import dns.rcode
import dns.rdata
import dns.rdatatype
from attrs import frozen
from dns.name import from_text
from dns.rdatatype import AAAA, CNAME, DNAME, NS, RRSIG, SOA, TXT, A

from tests.dnssec.world.editing import (
    DENIALS,
    Message,
    RRset,
    covered,
    fail,
    flipped,
    made,
    remove,
    renamed,
    rewrite,
    sign_otherwise,
)
from tools.signed.zone import Zone

#: Which answers a fault is for: those of the zone's names; the parent's about its DS; its DNSKEY RRset.
Scope = Literal["data", "ds", "keys"]


@frozen
class Fault:
    """*apply* changes a reply for names of a zone. *denial*: it is worth a try in an opt-out zone too."""

    name: str
    scope: Scope
    apply: Callable[[Message, Zone], None]
    denial: bool


#: All of them, by name.
FAULTS: dict[str, Fault] = {}

Apply = Callable[[Message, Zone], None]


def fault(scope: Scope = "data", denial: bool = False) -> Callable[[Apply], Apply]:
    """Register a function as the fault of its name."""

    def register(function: Apply) -> Apply:
        name = function.__name__.replace("_", "-")
        FAULTS[name] = Fault(name, scope, function, denial)
        return function

    return register


@fault()
def harmless(reply: Message, zone: Zone) -> None:
    """Nothing: what is found elsewhere is the fault's doing."""


@fault()
def lie_about_ad(reply: Message, zone: Zone) -> None:
    reply.flags |= dns.flags.AD


@fault()
def other_case(reply: Message, zone: Zone) -> None:
    rewrite(reply, zone, lambda each: made(from_text(each.name.to_text().upper()), each.ttl, each))


@fault()
def strip_signatures(reply: Message, zone: Zone) -> None:
    remove(reply, zone, lambda each: each.rdtype == RRSIG)


@fault()
def strip_answer_signatures(reply: Message, zone: Zone) -> None:
    remove(reply, zone, lambda each: each.rdtype == RRSIG and each.covers not in DENIALS | {SOA})


@fault(denial=True)
def strip_denial_signatures(reply: Message, zone: Zone) -> None:
    remove(reply, zone, lambda each: each.rdtype == RRSIG and each.covers in DENIALS)


@fault(denial=True)
def unsign(reply: Message, zone: Zone) -> None:
    remove(reply, zone, lambda each: each.rdtype in DENIALS | {RRSIG})


@fault()
def alter_signatures(reply: Message, zone: Zone) -> None:
    sign_otherwise(reply, zone, lambda each: each.replace(signature=flipped(each.signature)))


@fault()
def shorten_signatures(reply: Message, zone: Zone) -> None:
    sign_otherwise(reply, zone, lambda each: each.replace(signature=each.signature[:-1]))


@fault()
def extend_signatures(reply: Message, zone: Zone) -> None:
    sign_otherwise(reply, zone, lambda each: each.replace(expiration=each.expiration + 86400))


@fault()
def other_tag(reply: Message, zone: Zone) -> None:
    sign_otherwise(reply, zone, lambda each: each.replace(key_tag=each.key_tag ^ 1))


@fault()
def unknown_algorithm(reply: Message, zone: Zone) -> None:
    sign_otherwise(reply, zone, lambda each: each.replace(algorithm=100))


@fault()
def garbage_signatures(reply: Message, zone: Zone) -> None:
    """Two more for each, which do not verify."""
    _with_garbage(reply, zone, 2)


@fault()
def much_garbage(reply: Message, zone: Zone) -> None:
    _with_garbage(reply, zone, 24)


def _with_garbage(reply: Message, zone: Zone, count: int) -> None:
    def changed(rrset: RRset) -> RRset:
        if rrset.rdtype != RRSIG:
            return rrset
        random, good = Random(str(rrset.name)), rrset[0]
        garbage = [good.replace(signature=random.randbytes(len(good.signature))) for _ in range(count)]
        return made(rrset.name, rrset.ttl, [*garbage, good])

    rewrite(reply, zone, changed)


@fault()
def strip_rsa(reply: Message, zone: Zone) -> None:
    """Only what is signed by other algorithms is left."""

    def changed(rrset: RRset) -> RRset | None:
        kept = [each for each in rrset if rrset.rdtype != RRSIG or each.algorithm != 8]
        return made(rrset.name, rrset.ttl, kept) if kept else None

    rewrite(reply, zone, changed)


@fault()
def alter_data(reply: Message, zone: Zone) -> None:
    other = {
        A: dns.rdata.from_text("IN", "A", "198.51.100.66"),
        AAAA: dns.rdata.from_text("IN", "AAAA", "2001:db8::bad"),
        TXT: dns.rdata.from_text("IN", "TXT", "altered"),
        CNAME: dns.rdata.from_text("IN", "CNAME", "www.salted.test."),
        SOA: dns.rdata.from_text("IN", "SOA", f"ns.{zone.origin} h.{zone.origin} 2 3600 600 86400 60"),
    }
    rewrite(reply, zone, lambda each: made(each.name, each.ttl, [other.get(each.rdtype, each[0])]))


@fault()
def add_record(reply: Message, zone: Zone) -> None:
    more = dns.rdata.from_text("IN", "A", "198.51.100.66")
    rewrite(reply, zone, lambda each: made(each.name, each.ttl, [*each, more]) if each.rdtype == A else each)


@fault()
def drop_record(reply: Message, zone: Zone) -> None:
    rewrite(reply, zone, lambda each: made(each.name, each.ttl, list(each)[:1]))


@fault()
def raise_ttl(reply: Message, zone: Zone) -> None:
    rewrite(reply, zone, lambda each: made(each.name, 80000, each))


@fault()
def lower_ttl(reply: Message, zone: Zone) -> None:
    rewrite(reply, zone, lambda each: made(each.name, 7, each))


@fault()
def swap_rrset(reply: Message, zone: Zone) -> None:
    """Addresses are those of another name, with their signature."""
    if any(each.rdtype == A for each in reply.answer):
        name = reply.answer[-1].name
        reply.answer[:] = renamed(zone.rrset(from_text("ns", zone.origin), A), name)


@fault()
def forge_alias(reply: Message, zone: Zone) -> None:
    """Addresses become an alias out of the zone, which nobody signed."""
    if any(each.rdtype == A for each in reply.answer):
        target = dns.rdata.from_text("IN", "CNAME", "www.plain.")
        address = dns.rdata.from_text("IN", "A", "192.0.2.80")
        other = dns.rdata.from_text("IN", "A", "192.0.2.81")
        reply.answer[:] = [
            made(reply.question[0].name, 300, [target]),
            made(from_text("www.plain."), 300, [address, other]),
        ]


@fault()
def strip_dname(reply: Message, zone: Zone) -> None:
    remove(reply, zone, lambda each: covered(each) == DNAME)


@fault()
def strip_synthesis(reply: Message, zone: Zone) -> None:
    if any(each.rdtype == DNAME for each in reply.answer):
        remove(reply, zone, lambda each: covered(each) == CNAME)


@fault()
def alter_synthesis(reply: Message, zone: Zone) -> None:
    if any(each.rdtype == DNAME for each in reply.answer):
        other = dns.rdata.from_text("IN", "CNAME", "www.plain.")
        rewrite(reply, zone, lambda each: made(each.name, each.ttl, [other]) if each.rdtype == CNAME else each)


@fault()
def add_authority(reply: Message, zone: Zone) -> None:
    """Unsigned name servers, which no answer depends on."""
    if not any(each.rdtype == NS for each in reply.answer):
        reply.authority.append(made(zone.origin, 300, [dns.rdata.from_text("IN", "NS", "ns.plain.")]))


@fault()
def add_additional(reply: Message, zone: Zone) -> None:
    """Unsigned addresses, which no answer depends on."""
    address = dns.rdata.from_text("IN", "A", "198.51.100.66")
    reply.additional.append(made(from_text("ns", zone.origin), 300, [address]))


@fault()
def servfail(reply: Message, zone: Zone) -> None:
    fail(reply)
