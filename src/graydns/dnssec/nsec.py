"""NSEC: the next name of a zone, and what is at this one (RFC 4034 section 4, RFC 6840 section 4)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import cast

import dns.exception
import dns.rdata
import dns.rdtypes.ANY.NSEC
from attrs import field, frozen
from dns.rdataclass import IN
from dns.rdatatype import NSEC

from graydns.dnssec.bitmap import Bitmap
from graydns.dnssec.evidence import REMEMBERED, Absence, Gap
from graydns.dnssec.order import Key, ancestor, between, key, shared
from graydns.dnssec.records import RRset
from graydns.model.name import is_within
from graydns.model.rrtype import DNAME, NS

_GAP = Gap(opt_out=False)


@frozen
class Nsec:
    """One NSEC. *owner*, *next*: as they sort. *hides*: what is below *owner* is not for this zone to tell."""

    owner: Key
    next: Key
    types: Bitmap
    hides: bool

    def covers(self, place: Key) -> bool:
        """Whether nothing is at *place*, nor below it (RFC 4035 section 5.4)."""
        return self._spans(place) and not self._is_above_next(place)

    def is_empty(self, place: Key) -> bool:
        """Whether nothing is at *place*, but something below it: an empty non-terminal (RFC 8020 section 2)."""
        return self._spans(place) and self._is_above_next(place)

    def encloser(self, place: Key) -> int:
        """The number of labels of the closest encloser of *place*, which this covers."""
        return max(shared(place, self.owner), shared(place, self.next))

    def _spans(self, place: Key) -> bool:
        if self.hides and place[: len(self.owner)] == self.owner:
            return False
        return between(self.owner, place, self.next)

    def _is_above_next(self, place: Key) -> bool:
        return self.next[: len(place)] == place


def read(zone: bytes, rrset: RRset) -> Nsec | None:
    """The NSEC that *rrset* is; None where it is none that *zone* could have."""
    return _read(zone, rrset.owner, rrset.rdatas[0]) if len(rrset.rdatas) == 1 else None


@lru_cache(REMEMBERED)
def _read(zone: bytes, name: bytes, wire: bytes) -> Nsec | None:
    try:
        rdata = cast("dns.rdtypes.ANY.NSEC.NSEC", dns.rdata.from_wire(IN, NSEC, wire, 0, len(wire)))
    except (dns.exception.DNSException, ValueError):
        return None
    following = rdata.next.canonicalize().to_wire()
    assert following is not None
    if not (is_within(name, zone) and is_within(following, zone)):
        return None
    owner, last = key(name), key(following)
    if last <= owner and following != zone:
        return None
    types = Bitmap(rdata.windows)
    # RFC 6840 section 4.1. At the zone's own apex NS is no delegation.
    hides = types.has(DNAME) or (types.has(NS) and name != zone)
    return Nsec(owner, last, types, hides)


@frozen
class NsecEvidence:
    """What the *records* of one zone show."""

    records: tuple[Nsec, ...]
    _types: dict[Key, Bitmap] = field(init=False, repr=False)

    @_types.default
    def _by_owner(self) -> dict[Key, Bitmap]:
        return {record.owner: record.types for record in self.records}

    @classmethod
    def read(cls, zone: bytes, rrsets: Iterable[RRset]) -> NsecEvidence | None:
        """The evidence among *rrsets*, None without any."""
        found = (read(zone, rrset) for rrset in rrsets if rrset.rdtype == NSEC)
        records = tuple(record for record in found if record is not None)
        return cls(records) if records else None

    def types_at(self, name: bytes) -> Bitmap | None:
        """See Evidence."""
        place = key(name)
        if (types := self._types.get(place)) is not None:
            return types
        return Bitmap() if any(record.is_empty(place) for record in self.records) else None

    def gap(self, name: bytes) -> Gap | None:
        """See Evidence."""
        place = key(name)
        return _GAP if any(record.covers(place) for record in self.records) else None

    def absence(self, name: bytes) -> Absence | None:
        """See Evidence."""
        place = key(name)
        counts = [record.encloser(place) for record in self.records if record.covers(place)]
        return Absence(ancestor(name, max(counts)), _GAP) if counts else None
