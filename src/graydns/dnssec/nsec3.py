"""NSEC3: the next hash of a zone's names, and what is at the name of this one (RFC 5155)."""

from __future__ import annotations

import hashlib
from base64 import b32hexdecode
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple, cast

import dns.exception
import dns.rdata
import dns.rdtypes.ANY.NSEC3
from attrs import field, frozen
from dns.rdataclass import IN
from dns.rdatatype import NSEC3

from graydns.dnssec.bitmap import Bitmap
from graydns.dnssec.budget import Budget
from graydns.dnssec.evidence import REMEMBERED, Absence, Gap
from graydns.dnssec.order import between
from graydns.dnssec.records import RRset
from graydns.model.name import parent, suffixes
from graydns.model.rrtype import DNAME, NS

#: The only hash algorithm (RFC 5155 section 11), and the octets it gives.
SHA1, SIZE = 1, 20

#: The only flag (RFC 5155 section 3.1.2).
OPT_OUT = 1

#: Past so many a zone is taken for unsigned (RFC 9276 section 3.2).
MOST_ITERATIONS = 150

#: Seconds of CPU time that a name takes, each of its iterations, and each octet of salt in each of those.
NAME, ITERATION, OCTET = 4e-6, 6e-7, 1e-9


class Parameters(NamedTuple):
    """How names are hashed (RFC 5155 section 5)."""

    iterations: int
    salt: bytes

    def hash(self, name: bytes) -> bytes:
        """The hash of *name*, wire form, lowered."""
        salt = self.salt
        digest = hashlib.sha1(name + salt, usedforsecurity=False).digest()
        for _ in range(self.iterations):
            digest = hashlib.sha1(digest + salt, usedforsecurity=False).digest()
        return digest


@frozen
class Nsec3:
    """One NSEC3. *owner*, *next*: hashes, of 20 octets."""

    owner: bytes
    next: bytes
    parameters: Parameters
    opt_out: bool
    types: Bitmap

    def covers(self, digest: bytes) -> bool:
        """Whether no name of the zone hashes to *digest*."""
        return between(self.owner, digest, self.next)


def read(zone: bytes, rrset: RRset) -> Nsec3 | None:
    """The NSEC3 that *rrset* is; None where it is none that *zone* could have, or nothing is known about its kind."""
    if len(rrset.rdatas) != 1 or parent(rrset.owner) != zone or rrset.owner == zone:
        return None
    return _read(rrset.owner[1 : 1 + rrset.owner[0]], rrset.rdatas[0])


@lru_cache(REMEMBERED)
def _read(label: bytes, wire: bytes) -> Nsec3 | None:
    try:
        owner = b32hexdecode(label.upper())
        rdata = cast("dns.rdtypes.ANY.NSEC3.NSEC3", dns.rdata.from_wire(IN, NSEC3, wire, 0, len(wire)))
    except (dns.exception.DNSException, ValueError):
        return None
    if rdata.algorithm != SHA1 or rdata.flags & ~OPT_OUT or not len(owner) == len(rdata.next) == SIZE:
        return None  # RFC 5155 sections 8.1 and 8.2
    parameters = Parameters(rdata.iterations, rdata.salt)
    return Nsec3(owner, rdata.next, parameters, bool(rdata.flags & OPT_OUT), Bitmap(rdata.windows))


@frozen
class Nsec3Evidence:
    """What the *records* of *zone*, all with the same *parameters*, show."""

    zone: bytes
    parameters: Parameters
    records: tuple[Nsec3, ...]
    _budget: Budget = field(repr=False)
    _types: dict[bytes, Bitmap] = field(init=False, repr=False)
    _hashes: dict[bytes, bytes] = field(init=False, factory=dict, repr=False)

    @_types.default
    def _by_owner(self) -> dict[bytes, Bitmap]:
        return {record.owner: record.types for record in self.records}

    @classmethod
    def read(cls, zone: bytes, rrsets: Iterable[RRset], budget: Budget) -> Nsec3Evidence | None:
        """The evidence among *rrsets*, None without any. Of several parameters the least count."""
        found = (read(zone, rrset) for rrset in rrsets if rrset.rdtype == NSEC3)
        records = [record for record in found if record is not None]
        if not records:
            return None
        parameters = min(record.parameters for record in records)
        return cls(zone, parameters, tuple(each for each in records if each.parameters == parameters), budget)

    @property
    def is_too_dear(self) -> bool:
        """Whether it is not to be looked at, and the zone to be taken for unsigned."""
        return self.parameters.iterations > MOST_ITERATIONS

    def seconds(self) -> float:
        """How much CPU time all the names that may be hashed for an answer take."""
        if self.is_too_dear:
            return 0.0
        iterations, salt = self.parameters
        return self._budget.limits.nsec3_hashes * (NAME + (1 + iterations) * (ITERATION + len(salt) * OCTET))

    def types_at(self, name: bytes) -> Bitmap | None:
        """See Evidence."""
        return self._types.get(self._hash(name))

    def gap(self, name: bytes) -> Gap | None:
        """See Evidence."""
        digest = self._hash(name)
        return next((Gap(record.opt_out) for record in self.records if record.covers(digest)), None)

    def absence(self, name: bytes) -> Absence | None:
        """See Evidence; the closest encloser proof of RFC 5155 section 8.3."""
        closer = name
        for encloser in suffixes(name):
            types = self.types_at(encloser)
            if types is not None:
                break
            if encloser == self.zone:
                return None
            closer = encloser
        else:
            return None
        if types.has(DNAME) or (types.has(NS) and encloser != self.zone):
            return None
        gap = self.gap(closer)
        return None if gap is None else Absence(encloser, gap)

    def _hash(self, name: bytes) -> bytes:
        digest = self._hashes.get(name)
        if digest is None:
            self._budget.spend_hash()
            digest = self._hashes[name] = self.parameters.hash(name)
        return digest
