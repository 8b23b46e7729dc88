"""NSEC and NSEC3 as text, and what they prove: for the tests of denial."""

from __future__ import annotations

from collections.abc import Iterable

import dns.rdata
import dns.rdataclass
import dns.rdatatype

from graydns.dnssec.budget import Budget, Limits
from graydns.dnssec.denial import Denial
from graydns.dnssec.records import RRset
from graydns.model.answer import AUTHORITY
from graydns.model.name import from_text


def rrset(line: str) -> RRset:
    """The RRset that *line*, "OWNER TYPE RDATA", is."""
    owner, rdtype, rdata = line.split(maxsplit=2)
    record = dns.rdata.from_text(dns.rdataclass.IN, rdtype, rdata)
    return RRset(AUTHORITY, from_text(owner), int(record.rdtype), 1, 3600, (record.to_wire() or b"",))


def denial(zone: str, lines: Iterable[str | RRset], limits: Limits | None = None) -> Denial:
    """A Denial of *zone* with the records that *lines* are."""
    rrsets = tuple(rrset(line) if isinstance(line, str) else line for line in lines)
    return Denial(from_text(zone), rrsets, Budget(limits or Limits()))
