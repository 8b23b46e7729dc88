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

from graydns.dnssec.denial_evidence import MAX_CACHED_RECORDS, NameAbsence, NameGap, TypeBitmap, is_between
from graydns.dnssec.rrsets import SignedRRset
from graydns.dnssec.work_budget import WorkBudget
from graydns.model.dns_parameters import DNAME, NS
from graydns.model.name import parent, suffixes

#: The only hash algorithm (RFC 5155 section 11), and the octets it gives.
HASH_SHA1, HASH_BYTES = 1, 20

#: The only flag (RFC 5155 section 3.1.2).
OPT_OUT_FLAG = 1

#: Past so many a zone is taken for unsigned (RFC 9276 section 3.2).
MAX_ITERATIONS = 150

#: Seconds of CPU time that a name takes, each of its iterations, and each octet of salt in each of those.
NAME_SECONDS, ITERATION_SECONDS, SALT_OCTET_SECONDS = 4e-6, 6e-7, 1e-9


class Nsec3Parameters(NamedTuple):
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
class Nsec3Record:
    """One NSEC3. *owner*, *next*: hashes, of 20 octets."""

    owner: bytes
    next: bytes
    parameters: Nsec3Parameters
    opt_out: bool
    types: TypeBitmap

    def covers(self, digest: bytes) -> bool:
        """Whether no name of the zone hashes to *digest*."""
        return is_between(self.owner, digest, self.next)


def read(zone: bytes, rrset: SignedRRset) -> Nsec3Record | None:
    """The NSEC3 that *rrset* is; None where it is none that *zone* could have, or nothing is known about its kind."""
    if len(rrset.rdatas) != 1 or parent(rrset.owner) != zone or rrset.owner == zone:
        return None
    return _parse_nsec3(rrset.owner[1 : 1 + rrset.owner[0]], rrset.rdatas[0])


@lru_cache(MAX_CACHED_RECORDS)
def _parse_nsec3(label: bytes, wire: bytes) -> Nsec3Record | None:
    try:
        owner = b32hexdecode(label.upper())
        rdata = cast("dns.rdtypes.ANY.NSEC3.NSEC3", dns.rdata.from_wire(IN, NSEC3, wire, 0, len(wire)))
    except (dns.exception.DNSException, ValueError):
        return None
    if rdata.algorithm != HASH_SHA1 or rdata.flags & ~OPT_OUT_FLAG or not len(owner) == len(rdata.next) == HASH_BYTES:
        return None  # RFC 5155 sections 8.1 and 8.2
    parameters = Nsec3Parameters(rdata.iterations, rdata.salt)
    return Nsec3Record(owner, rdata.next, parameters, bool(rdata.flags & OPT_OUT_FLAG), TypeBitmap(rdata.windows))


@frozen
class Nsec3Evidence:
    """What the *records* of *zone*, all with the same *parameters*, show."""

    zone: bytes
    parameters: Nsec3Parameters
    records: tuple[Nsec3Record, ...]
    _budget: WorkBudget = field(repr=False)
    _types: dict[bytes, TypeBitmap] = field(init=False, repr=False)
    _hashes: dict[bytes, bytes] = field(init=False, factory=dict, repr=False)

    @_types.default
    def _by_owner(self) -> dict[bytes, TypeBitmap]:
        return {record.owner: record.types for record in self.records}

    @classmethod
    def read(cls, zone: bytes, rrsets: Iterable[SignedRRset], budget: WorkBudget) -> Nsec3Evidence | None:
        """The evidence among *rrsets*, None without any. Of several parameters the least count."""
        found = (read(zone, rrset) for rrset in rrsets if rrset.rdtype == NSEC3)
        records = [record for record in found if record is not None]
        if not records:
            return None
        parameters = min(record.parameters for record in records)
        return cls(zone, parameters, tuple(each for each in records if each.parameters == parameters), budget)

    @property
    def exceeds_iterations(self) -> bool:
        """Whether it is not to be looked at, and the zone to be taken for unsigned."""
        return self.parameters.iterations > MAX_ITERATIONS

    def estimate_seconds(self) -> float:
        """How much CPU time all the names that may be hashed for an answer take."""
        if self.exceeds_iterations:
            return 0.0
        iterations, salt = self.parameters
        return self._budget.limits.nsec3_hashes * (
            NAME_SECONDS + (1 + iterations) * (ITERATION_SECONDS + len(salt) * SALT_OCTET_SECONDS)
        )

    def types_at(self, name: bytes) -> TypeBitmap | None:
        """See Evidence."""
        return self._types.get(self._hash(name))

    def find_gap(self, name: bytes) -> NameGap | None:
        """See Evidence."""
        digest = self._hash(name)
        return next((NameGap(record.opt_out) for record in self.records if record.covers(digest)), None)

    def find_absence(self, name: bytes) -> NameAbsence | None:
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
        gap = self.find_gap(closer)
        return None if gap is None else NameAbsence(encloser, gap)

    def _hash(self, name: bytes) -> bytes:
        digest = self._hashes.get(name)
        if digest is None:
            self._budget.spend_hash()
            digest = self._hashes[name] = self.parameters.hash(name)
        return digest
