"""A name space with all that a chain of trust can meet: what is in it, and which answers are true.

::

    .     ─ test ─┬─ shop
                  ├─ other (NSEC3) ─ isle              unsigned delegation to a signed zone
                  ├─ hash (NSEC3, opt-out) ─┬─ kid
                  │                         └─ lax     unsigned, and opted out of
                  └─ plain (unsigned) ─ isle (NSEC3) ─┬─ deep
                                                      └─ un (unsigned) ─ re
    corp  ─ kid                                        signed, and nobody delegates to it

Nothing here is taken from graydns; names are those of dnspython.
"""

from __future__ import annotations

from enum import Enum, auto
from functools import cache, cached_property
from typing import NamedTuple

import dns.name
from attrs import frozen
from dns.name import Name, from_text

from tests.dnssec.answering import ds_of, rrset, soa
from tests.dnssec.signing import Zone
from tests.dnssec.zonemodel import STAR, Truth, ZoneModel

NOERROR, NXDOMAIN = 0, 3

#: Types that are asked for. No name has MX.
TYPES = ("A", "TXT", "DS", "NS", "SOA", "CNAME", "DNAME", "DNSKEY", "MX", "ANY")


class Denying(Enum):
    """What a zone proves with that something is not there."""

    NOTHING = auto()  # it is unsigned
    NSEC = auto()
    NSEC3 = auto()
    OPT_OUT = auto()


class Link(Enum):
    """What the zone above has of a zone, as types."""

    NONE = frozenset[str]()
    UNSIGNED = frozenset({"NS"})
    SIGNED = frozenset({"NS", "DS"})


#: Apex, how the zone above delegates to it, how it denies.
_ZONES = (
    (".", Link.NONE, Denying.NSEC),
    ("test.", Link.SIGNED, Denying.NSEC),
    ("shop.test.", Link.SIGNED, Denying.NSEC),
    ("other.test.", Link.SIGNED, Denying.NSEC3),
    ("isle.other.test.", Link.UNSIGNED, Denying.NSEC),
    ("hash.test.", Link.SIGNED, Denying.OPT_OUT),
    ("kid.hash.test.", Link.SIGNED, Denying.NSEC),
    ("lax.hash.test.", Link.UNSIGNED, Denying.NOTHING),
    ("plain.test.", Link.UNSIGNED, Denying.NOTHING),
    ("isle.plain.test.", Link.UNSIGNED, Denying.NSEC3),
    ("deep.isle.plain.test.", Link.SIGNED, Denying.NSEC),
    ("un.isle.plain.test.", Link.UNSIGNED, Denying.NOTHING),
    ("re.un.isle.plain.test.", Link.UNSIGNED, Denying.NSEC),
    ("corp.", Link.NONE, Denying.NSEC),
    ("kid.corp.", Link.SIGNED, Denying.NSEC),
)

#: What every zone has below its apex. Only a few have a wildcard just there.
_CONTENT = {
    "www": {"A", "TXT"},
    "alias": {"CNAME"},
    "moved": {"DNAME"},
    "e.f": {"TXT"},
    "*.w": {"A"},
    "here.w": {"A"},
    "*.v": {"CNAME"},
}
_WILD = {"test.": {"A"}, "other.test.": {"CNAME"}, "isle.plain.test.": {"A"}, "corp.": {"A"}}

#: Below each apex too, and asked for: names that are not there, come from a wildcard or are below a DNAME.
_ASKED = ("nope", "a.nope", "b.www", "f", "x.w", "y.x.w", "x.here.w", "x.v", "www.moved", "alias.moved", "x.moved")

APEXES = tuple(from_text(apex) for apex, _, _ in _ZONES)


class Part(NamedTuple):
    """What an answer says of one name. *rdatas*: the records, as text; without any there are none, as *rcode* says."""

    name: Name
    rdtype: str
    rdatas: frozenset[str]
    rcode: int = NOERROR


@frozen(eq=False)
class Domain:
    """A zone. *zone*: its key, which counts for nothing where it is *denying* with NOTHING, as it is unsigned."""

    model: ZoneModel
    zone: Zone
    denying: Denying

    @property
    def apex(self) -> Name:
        return self.model.apex

    @property
    def is_signed(self) -> bool:
        return self.denying is not Denying.NOTHING

    @cached_property
    def soa(self) -> str:
        """As text, like every record here: ``OWNER TYPE RDATA``."""
        return soa(self.zone)

    def dname_above(self, name: Name) -> Name | None:
        """The owner of a DNAME that *name* is below."""
        uppers = self.model.above(name)
        return next((upper for upper in uppers if "DNAME" in self.model.nodes.get(upper, ())), None)

    def source(self, name: Name) -> Name | None:
        """The owner of what is at *name*: itself or a wildcard; None where nothing is."""
        match self.model.truth(name):
            case Truth.HERE:
                return name
            case Truth.NOWHERE if self.model.wildcard(name) in self.model.names:
                return self.model.wildcard(name)
        return None

    def types(self, name: Name) -> frozenset[str]:
        """What is at *name*, be it a wildcard's; not what a DNAME makes."""
        source = self.source(name)
        return frozenset() if source is None else self.model.nodes.get(source, frozenset())

    def records(self, name: Name, rdtype: str) -> str:
        """The records of *name*, which has some. A wildcard's are others than a name's."""
        wild = self.source(name) != name or name.is_wild()
        match rdtype:
            case "A":
                return f"{name} A 192.0.2.{2 if wild else 1}"
            case "SOA":
                return self.soa
            case "DNSKEY":
                return f"{name} DNSKEY {self.zone.dnskey.to_text()}"
            case "DS":
                return ds_of(domain(name).zone)
            case "CNAME":
                return f"{name} CNAME {under('alias' if wild else 'www', _neighbour(self.apex, 1))}"
            case "DNAME":
                return f"{name} DNAME {_neighbour(self.apex, 2)}"
        return f"{name} {rdtype} {'ns.test.' if rdtype == 'NS' else 'text'}"

    def is_opted_out(self, name: Name) -> bool:
        """Whether the zone cannot tell whether *name* is, or is below, an unsigned delegation."""
        if self.denying is not Denying.OPT_OUT or name in self.model.hashed or self.dname_above(name) is not None:
            return False
        return self.model.in_opt_out(self.model.provable(name)[1])


def under(label: str, apex: Name) -> Name:
    """The name *label*, which may be several, below *apex*."""
    return from_text(label, None).concatenate(apex)


def _neighbour(apex: Name, distance: int) -> Name:
    """The zone that the aliases of another one lead to."""
    return APEXES[(APEXES.index(apex) + distance) % len(APEXES)]


@cache
def _domains() -> dict[Name, Domain]:
    made = {}
    for number, (text, _, denying) in enumerate(_ZONES):
        apex = from_text(text)
        nodes = {under(label, apex): frozenset(types) for label, types in _CONTENT.items()}
        nodes[apex] = frozenset({"SOA", "NS"} | (set() if denying is Denying.NOTHING else {"DNSKEY"}))
        if text in _WILD:
            nodes[STAR.concatenate(apex)] = frozenset(_WILD[text])
        for child, link, _ in _ZONES:
            if link is not Link.NONE and above(from_text(child)) == apex:
                nodes[from_text(child)] = link.value
        opt_out = denying is Denying.OPT_OUT
        omitted = [name for name, types in nodes.items() if opt_out and types == Link.UNSIGNED.value]
        model = ZoneModel(apex, nodes, opt_out=opt_out, omitted=frozenset(omitted), iterations=1, salt=b"\xab")
        made[apex] = Domain(model, Zone(text, number=100 + number), denying)
    return made


def above(apex: Name) -> Name | None:
    """The apex of the zone around that of *apex*, whether it delegates or not."""
    uppers = [each for each in APEXES if each != apex and apex.is_subdomain(each)]
    return max(uppers, key=len, default=None)


@cache
def domain(name: Name, rdtype: str = "") -> Domain:
    """The zone that *name* is in; of its DS the one above (RFC 4035 section 3.1.4.1)."""
    inside = side(name, rdtype)
    return _domains()[max((apex for apex in APEXES if inside.is_subdomain(apex)), key=len)]


def side(name: Name, rdtype: str) -> Name:
    """The name in whose zone *rdtype* of *name* is: DS are on the upper side of a cut."""
    return name.parent() if rdtype == "DS" and name != dns.name.root else name


@cache
def rdatas(name: Name, rdtype: str) -> frozenset[str]:
    """What is true: the records of *name*, as text."""
    found = domain(name, rdtype)
    if (dname := found.dname_above(name)) is not None:
        return frozenset({str(substitute(name, dname, found))} if rdtype == "CNAME" else ())
    return frozenset(map(str, rrset(found.records(name, rdtype)))) if rdtype in found.types(name) else frozenset()


def substitute(name: Name, dname: Name, found: Domain) -> Name:
    """What the DNAME at *dname* makes of *name* (RFC 6672 section 2.2)."""
    return name.relativize(dname).concatenate(from_text(found.records(dname, "DNAME").split()[2]))


def is_true(part: Part) -> bool:
    """Whether it is so."""
    if part.rdatas:
        return part.rdatas == rdatas(part.name, part.rdtype)
    found = domain(part.name, part.rdtype)
    if part.rcode == NXDOMAIN:
        return found.model.nxdomain(part.name)
    if part.rdtype == "ANY":
        return found.model.truth(part.name) is Truth.HERE and not found.types(part.name)
    return found.model.nodata(part.name, part.rdtype)


#: Every name that is asked for.
NAMES = tuple(
    sorted({name for apex in APEXES for name in (*domain(apex).model.nodes, *(under(each, apex) for each in _ASKED))})
)
