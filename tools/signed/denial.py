"""The chains of NSEC and NSEC3 records that say what is not there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import dns.dnssec
import dns.rdata
import dns.rdatatype
from dns.name import Name, from_text
from dns.rdata import Rdata
from dns.rdatatype import DS, NS, SOA, RdataType

from tools.signed.spec import Nsec, Nsec3

#: Types that exist at each name with records of its own.
Types = Mapping[Name, set[RdataType]]


def nsec_chain(_origin: Name, types: Types, _denial: Nsec | Nsec3) -> Iterator[tuple[Name, Rdata]]:
    """An NSEC for each name, in canonical order; the last one points back to the apex."""
    names = sorted(types)
    for name, following in zip(names, names[1:] + names[:1], strict=True):
        kinds = types[name] | {RdataType.NSEC, RdataType.RRSIG}
        yield name, dns.rdata.from_text("IN", "NSEC", f"{following} {_show(kinds)}")


def nsec3_chain(origin: Name, types: Types, denial: Nsec | Nsec3) -> Iterator[tuple[Name, Rdata]]:
    """An NSEC3 for each name and empty non-terminal; with opt-out none for unsigned delegations."""
    assert isinstance(denial, Nsec3)
    hashed = {
        dns.dnssec.nsec3_hash(name, denial.salt, denial.iterations, 1): kinds
        for name, kinds in _with_parents(origin, types, denial).items()
    }
    hashes = sorted(hashed)
    for each, following in zip(hashes, hashes[1:] + hashes[:1], strict=True):
        text = f"1 {int(denial.opt_out)} {_parameters(denial)} {following} {_show(hashed[each])}"
        yield from_text(each.lower(), origin), dns.rdata.from_text("IN", "NSEC3", text)


def nsec3_parameters(denial: Nsec3) -> Rdata:
    """What the server of the zone goes by."""
    return dns.rdata.from_text("IN", "NSEC3PARAM", f"1 0 {_parameters(denial)}")


def _parameters(denial: Nsec3) -> str:
    return f"{denial.iterations} {denial.salt.hex() or '-'}"


def _show(kinds: Iterable[RdataType]) -> str:
    return " ".join(dns.rdatatype.to_text(kind) for kind in kinds)


def _with_parents(origin: Name, types: Types, denial: Nsec3) -> dict[Name, set[RdataType]]:
    """*types* with the empty non-terminals, without what opt-out leaves out."""
    found: dict[Name, set[RdataType]] = {}
    for name, kinds in types.items():
        if denial.opt_out and NS in kinds and not kinds & {SOA, DS}:
            continue
        found.setdefault(name, set()).update(kinds)
        while name != origin:
            name = name.parent()
            found.setdefault(name, set())
    return found
