"""NSEC and NSEC3 as text, and what they prove: for the tests of denial."""

from __future__ import annotations

from collections.abc import Iterable

import dns.rdata
import dns.rdataclass
import dns.rdatatype

from graydns.dnssec.denial import AuthenticatedDenial
from graydns.dnssec.rrsets import SignedRRset
from graydns.dnssec.work_budget import ValidationLimits, WorkBudget
from graydns.model.answer import AUTHORITY
from graydns.model.name import from_text


def rrset(line: str) -> SignedRRset:
    """The SignedRRset that *line*, "OWNER TYPE RDATA", is."""
    owner, rdtype, rdata = line.split(maxsplit=2)
    record = dns.rdata.from_text(dns.rdataclass.IN, rdtype, rdata)
    return SignedRRset(AUTHORITY, from_text(owner), int(record.rdtype), 1, 3600, (record.to_wire() or b"",))


def denial(
    zone: str, lines: Iterable[str | SignedRRset], limits: ValidationLimits | None = None
) -> AuthenticatedDenial:
    """An AuthenticatedDenial of *zone* with the records that *lines* are."""
    rrsets = tuple(rrset(line) if isinstance(line, str) else line for line in lines)
    return AuthenticatedDenial(from_text(zone), rrsets, WorkBudget(limits or ValidationLimits()))
