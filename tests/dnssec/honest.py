"""Answers about the islands: what an honest resolver says, and an upstream that says so."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, cached_property

import dns.name
import dns.rdatatype
import dns.rrset
from attrs import define, evolve, field, frozen
from dns.name import Name
from dns.rdatatype import RRSIG, RdataType

from graydns.model.answer import Answer
from graydns.model.errors import UpstreamError
from tests.dnssec import islands
from tests.dnssec.answering import Upstream, answer, rrset, signed
from tests.dnssec.islands import NOERROR, NXDOMAIN, Denying, Domain, Part, domain
from tests.dnssec.signing import Zone
from tests.dnssec.zonemodel import STAR, Truth

RRsets = tuple[dns.rrset.RRset, ...]


@frozen(eq=False)
class Reply:
    """What somebody says when *name* and *rdtype* are asked for. Signatures are RRsets of their own in the sections."""

    name: Name
    rdtype: str
    records: RRsets = ()
    authority: RRsets = ()
    rcode: int = NOERROR

    @cached_property
    def answer(self) -> Answer:
        return answer(str(self.name), self.records, self.authority, self.rcode)

    @property
    def parts(self) -> list[Part]:
        """All that is said of names: each RRset, and that there is nothing where the aliases end."""
        found: dict[tuple[Name, str], set[str]] = {}
        for each in self.records:
            if each.rdtype != RRSIG:
                rdtype = dns.rdatatype.to_text(each.rdtype)
                found.setdefault((each.name, rdtype), set()).update(map(str, each))
        parts = [Part(name, rdtype, frozenset(rdatas)) for (name, rdtype), rdatas in found.items()]
        end, seen = self.name, {self.name}
        while (end, self.rdtype) not in found and not (self.rdtype == "ANY" and any(end == name for name, _ in found)):
            targets = map(dns.name.from_text, found.get((end, "CNAME"), ()))
            target = min(targets, key=_octets, default=None)  # of several, which is wrong, the first as signed
            if target is None or target in seen:
                parts.append(Part(target or end, self.rdtype, frozenset(), self.rcode))
                break
            seen.add(target)
            end = target
        return parts

    def followed_by(self, further: Reply) -> Reply:
        """An alias, and what is said of where it leads."""
        records, authority = self.records + further.records, self.authority + further.authority
        return evolve(self, records=records, authority=authority, rcode=further.rcode)


def _octets(name: Name) -> bytes:
    return name.to_wire() or b""


@cache
def honest(name: Name, rdtype: str) -> Reply:
    """The whole truth, with all proofs that it takes."""
    found = domain(name, rdtype)
    if (dname := found.dname_above(name)) is not None:
        target = islands.substitute(name, dname, found)
        records = (*texts(found, found.records(dname, "DNAME")), rrset(f"{name} CNAME {target}"))
        return _followed(Reply(name, rdtype, records), target)
    types = found.types(name)
    asked = sorted(types) if rdtype == "ANY" else [rdtype] if rdtype in types else []
    if asked:
        return _positive(found, name, rdtype, asked)
    if "CNAME" in types:
        target = dns.name.from_text(min(islands.rdatas(name, "CNAME")))
        return _followed(_positive(found, name, rdtype, ["CNAME"]), target)
    rcode = NXDOMAIN if found.model.nxdomain(name) else NOERROR
    return Reply(name, rdtype, (), texts(found, found.soa, *denial(found, name)), rcode)


def texts(found: Domain, *lines: str) -> RRsets:
    """Records of a zone, signed if it is."""
    return tuple(each for line in lines for each in (_signed(found.zone, line) if found.is_signed else [rrset(line)]))


@cache
def _signed(zone: Zone, line: str) -> list[dns.rrset.RRset]:
    return signed(zone, line)


def expanded(records: RRsets, name: Name) -> RRsets:
    """What a wildcard has, with its signature, as if it were *name*'s."""
    return tuple(dns.rrset.from_rdata_list(name, each.ttl, list(each)) for each in records)


def _followed(reply: Reply, target: Name) -> Reply:
    return reply if reply.rdtype in ("CNAME", "ANY") else reply.followed_by(honest(target, reply.rdtype))


def _positive(found: Domain, name: Name, asked: str, rdtypes: Iterable[str]) -> Reply:
    source = found.source(name)
    assert source is not None
    records = texts(found, *(found.records(source, rdtype) for rdtype in rdtypes))
    if source == name:
        return Reply(name, asked, records)
    return Reply(name, asked, expanded(records, name), texts(found, *_no_closer(found, name)))


def _no_closer(found: Domain, name: Name) -> list[str]:
    """The proof that nothing is closer to *name* than a wildcard."""
    match found.denying:
        case Denying.NOTHING:
            return []
        case Denying.NSEC:
            return [found.model.nsec_at(name)]
    return [found.model.nsec3_at(found.model.provable(name)[1])]


def denial(found: Domain, name: Name) -> list[str]:
    """What a zone has to prove what is not at *name*, nor at a wildcard for it."""
    model = found.model
    match found.denying:
        case Denying.NOTHING:
            return []
        case Denying.NSEC:
            names = [name] if model.truth(name) is Truth.HERE else [name, model.wildcard(name)]
            lines = [model.nsec_at(each) for each in names]
        case _ if name in model.hashed:
            lines = [model.nsec3_at(name)]
        case _:
            encloser, closer = model.provable(name)
            lines = [model.nsec3_at(each) for each in (encloser, closer, STAR.concatenate(encloser))]
    return list(dict.fromkeys(lines))


@define(eq=False)
class Honest(Upstream):
    """Says the truth, but for what it was told to say. *silent*: the DS and DNSKEY that it does not answer for."""

    silent: frozenset[tuple[bytes, int]] = field(factory=frozenset)

    async def fetch(self, name: bytes, rdtype: int) -> Answer:
        if (name, rdtype) in self.silent:
            raise UpstreamError("nobody answers")
        if (name, rdtype) not in self.answers:
            asked = dns.name.from_wire(name, 0)[0], dns.rdatatype.to_text(RdataType(rdtype))
            self.answers[name, rdtype] = honest(*asked).answer
        return await super().fetch(name, rdtype)

    def told(self, reply: Reply) -> None:
        """Say *reply* from now on."""
        self.answers[_octets(reply.name), dns.rdatatype.from_text(reply.rdtype)] = reply.answer
