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

from graydns.dnssec.denial_evidence import (
    MAX_CACHED_RECORDS,
    CanonicalName,
    NameAbsence,
    NameGap,
    TypeBitmap,
    count_shared_labels,
    is_between,
    to_canonical,
    truncate_name,
)
from graydns.dnssec.rrsets import SignedRRset
from graydns.model.dns_parameters import DNAME, NS
from graydns.model.name import is_within

_PLAIN_GAP = NameGap(opt_out=False)


@frozen
class NsecRecord:
    """One NSEC. *owner*, *next*: as they sort. *ends_authority*: what is below *owner* is not for this zone to tell."""

    owner: CanonicalName
    next: CanonicalName
    types: TypeBitmap
    ends_authority: bool

    def covers(self, place: CanonicalName) -> bool:
        """Whether nothing is at *place*, nor below it (RFC 4035 section 5.4)."""
        return self._spans(place) and not self._is_above_next(place)

    def is_empty(self, place: CanonicalName) -> bool:
        """Whether nothing is at *place*, but something below it: an empty non-terminal (RFC 8020 section 2)."""
        return self._spans(place) and self._is_above_next(place)

    def encloser(self, place: CanonicalName) -> int:
        """The number of labels of the closest encloser of *place*, which this covers."""
        return max(count_shared_labels(place, self.owner), count_shared_labels(place, self.next))

    def _spans(self, place: CanonicalName) -> bool:
        if self.ends_authority and place[: len(self.owner)] == self.owner:
            return False
        return is_between(self.owner, place, self.next)

    def _is_above_next(self, place: CanonicalName) -> bool:
        return self.next[: len(place)] == place


def read(zone: bytes, rrset: SignedRRset) -> NsecRecord | None:
    """The NSEC that *rrset* is; None where it is none that *zone* could have."""
    return _parse_nsec(zone, rrset.owner, rrset.rdatas[0]) if len(rrset.rdatas) == 1 else None


@lru_cache(MAX_CACHED_RECORDS)
def _parse_nsec(zone: bytes, name: bytes, wire: bytes) -> NsecRecord | None:
    try:
        rdata = cast("dns.rdtypes.ANY.NSEC.NSEC", dns.rdata.from_wire(IN, NSEC, wire, 0, len(wire)))
    except (dns.exception.DNSException, ValueError):
        return None
    following = rdata.next.canonicalize().to_wire()
    assert following is not None
    if not (is_within(name, zone) and is_within(following, zone)):
        return None
    owner, last = to_canonical(name), to_canonical(following)
    if last <= owner and following != zone:
        return None
    types = TypeBitmap(rdata.windows)
    # RFC 6840 section 4.1. At the zone's own apex NS is no delegation.
    hides = types.has(DNAME) or (types.has(NS) and name != zone)
    return NsecRecord(owner, last, types, hides)


@frozen
class NsecEvidence:
    """What the *records* of one zone show."""

    records: tuple[NsecRecord, ...]
    _types: dict[CanonicalName, TypeBitmap] = field(init=False, repr=False)

    @_types.default
    def _by_owner(self) -> dict[CanonicalName, TypeBitmap]:
        return {record.owner: record.types for record in self.records}

    @classmethod
    def read(cls, zone: bytes, rrsets: Iterable[SignedRRset]) -> NsecEvidence | None:
        """The evidence among *rrsets*, None without any."""
        found = (read(zone, rrset) for rrset in rrsets if rrset.rdtype == NSEC)
        records = tuple(record for record in found if record is not None)
        return cls(records) if records else None

    def types_at(self, name: bytes) -> TypeBitmap | None:
        """See Evidence."""
        place = to_canonical(name)
        if (types := self._types.get(place)) is not None:
            return types
        return TypeBitmap() if any(record.is_empty(place) for record in self.records) else None

    def find_gap(self, name: bytes) -> NameGap | None:
        """See Evidence."""
        place = to_canonical(name)
        return _PLAIN_GAP if any(record.covers(place) for record in self.records) else None

    def find_absence(self, name: bytes) -> NameAbsence | None:
        """See Evidence."""
        place = to_canonical(name)
        counts = [record.encloser(place) for record in self.records if record.covers(place)]
        return NameAbsence(truncate_name(name, max(counts)), _PLAIN_GAP) if counts else None
