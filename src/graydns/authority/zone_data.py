"""Rows: all RRsets of one owner name in one bytes object.

A zone of a million names is two million bytes objects and nothing else, so that it costs little memory
and nothing to the garbage collector. Per RRset: type u16, TTL u32, number of records u16, then for each record its
length u16 and its rdata, uncompressed. A row may name a type twice while a file is being read (``records``);
``pack_node`` writes each type once, lowest first.

Zone: the records of one zone, kept small; Zones: all of ours, found by longest suffix.

A row says all of a name (``authority.rows``). Names without records that have names below them (empty
non-terminals, RFC 4592 section 2.2.2) have an empty row, so that "does it exist" is one look-up.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from struct import Struct
from typing import NamedTuple, Protocol

from attrs import evolve, field, frozen

from graydns.authority.local_answer import LookupQuestion, LookupStep
from graydns.model.catalog import InstanceSelection
from graydns.model.decision import Decision
from graydns.model.dns_parameters import NS, SOA
from graydns.model.name import ROOT, is_within, parent

_RRSET_HEADER = Struct(">HIH")
_SINGLE_RECORD_HEADER = Struct(">HIHH")
_RDATA_LENGTH = Struct(">H")


class StoredRRset(NamedTuple):
    """The records of one type at one name: TTL in seconds, rdata in wire form."""

    ttl: int
    rdatas: tuple[bytes, ...]


#: The RRsets of one name by type; empty for an empty non-terminal.
ZoneNode = Mapping[int, StoredRRset]


def pack_record(rdtype: int, ttl: int, rdata: bytes) -> bytes:
    """The row of a name with one record. Raises ``struct.error`` for values that no record can have."""
    return _SINGLE_RECORD_HEADER.pack(rdtype, ttl, 1, len(rdata)) + rdata


def pack_node(node: ZoneNode) -> bytes:
    """The row of *node*; raises ``struct.error`` for values that no RRset can have."""
    parts = []
    for rdtype in sorted(node):
        ttl, rdatas = node[rdtype]
        parts.append(_RRSET_HEADER.pack(rdtype, ttl, len(rdatas)))
        for rdata in rdatas:
            parts += (_RDATA_LENGTH.pack(len(rdata)), rdata)
    return b"".join(parts)


def iterate_rrsets(row: bytes) -> Iterator[tuple[int, StoredRRset]]:
    """What *row* holds, in its order."""
    at, end = 0, len(row)
    while at < end:
        rdtype, ttl, count = _RRSET_HEADER.unpack_from(row, at)
        at += 8
        rdatas = []
        for _ in range(count):
            start = at + 2
            at = start + (row[at] << 8 | row[at + 1])
            rdatas.append(row[start:at])
        yield rdtype, StoredRRset(ttl, tuple(rdatas))


def unpack_node(row: bytes) -> dict[int, StoredRRset]:
    """The node of a row in which each type stands once."""
    return dict(iterate_rrsets(row))


#: Rows taken per step of :func:`build_zone`: well under a millisecond.
ROWS_PER_STEP = 500

#: Names per shard. A dictionary that grows is copied in one go: at this size in a quarter of a millisecond, at a
#: million names in a tenth of a second, during which no query would be answered.
_NAMES_PER_SHARD = 4096
_MAX_SHARDS = 4096

Shards = tuple[dict[bytes, bytes], ...]


class DynamicZoneBackend(Protocol):
    """Who answers for names whose records come and go while their zone stays."""

    def find_selection(self, name: bytes) -> InstanceSelection | None:
        """The instances that *name* stands for, None if it is not a service's. Raises CatalogPendingError."""

    def describe(self, name: bytes) -> str:
        """What *name* stands for, in words."""

    def answer(self, zone: Zone, name: bytes, decision: Decision, asked: LookupQuestion) -> LookupStep:
        """What there is at *name* of *zone*, of which nothing has been decided. Raises CatalogPendingError."""


@frozen(eq=False)
class Zone:
    """One zone; its identity is the Origin of the answers made from it.

    *origin*: name of the *apex*, whose RRsets are kept unpacked, as every walk starts there. *shards*: the rows by
    lowered name, spread by hash; never changed once built. *services*: names under release control; they exist though
    the zone may hold nothing at them, and so do the names above them (*implied_names*: those of both without a row).
    *backend*: answers in place of the rows, None for nearly all zones.
    """

    origin: bytes
    apex: ZoneNode = field(repr=False)
    shards: Shards = field(repr=False)
    services: frozenset[bytes] = field(default=frozenset(), repr=False)
    implied_names: frozenset[bytes] = field(default=frozenset(), repr=False)
    backend: DynamicZoneBackend | None = field(default=None, repr=False)

    def node(self, name: bytes) -> ZoneNode | None:
        """The RRsets at *name* by type, empty for an empty non-terminal, None if the name does not exist."""
        row = self.shards[_shard_index(name, len(self.shards))].get(name)
        if row is None:
            return {} if name in self.implied_names else None
        return unpack_node(row)

    @property
    def size(self) -> int:
        """Number of names, empty non-terminals included."""
        return sum(map(len, self.shards))

    @property
    def soa(self) -> StoredRRset:
        """The SOA."""
        return self.apex[SOA]

    @property
    def serial(self) -> int:
        """The SOA's SERIAL (RFC 1035 section 3.3.13: before four more 32-bit fields)."""
        return int.from_bytes(self.soa.rdatas[0][-20:-16], "big")

    @property
    def negative_ttl(self) -> int:
        """Seconds for which "there is no such thing" may be cached (RFC 2308 section 3)."""
        return min(self.soa.ttl, int.from_bytes(self.soa.rdatas[0][-4:], "big"))

    def with_services(self, services: frozenset[bytes]) -> Zone:
        """The same records with other services: a new Origin that shares the shards; O(services)."""
        implied = set()
        for name in services:
            if is_within(name, self.origin):
                while name not in self.shards[_shard_index(name, len(self.shards))]:
                    implied.add(name)
                    name = parent(name)
        return evolve(self, services=services, implied_names=frozenset(implied))


def build_zone(
    origin: bytes, rows: Iterable[tuple[bytes, bytes]], *, count: int, services: frozenset[bytes] = frozenset()
) -> Generator[None, None, Zone]:
    """Make a Zone of *rows* in steps short enough to run between two wake-ups; returns it.

    *rows*: (lowered name at or below *origin*, row), each name once. *count*: about how many. Raises ValueError without
    an SOA and an NS at the apex.
    """
    size = _shard_count(count)
    shards: Shards = tuple({} for _ in range(size))
    for number, (name, row) in enumerate(rows):
        shards[_shard_index(name, size)][name] = row
        while name != origin:
            name = parent(name)
            above = shards[_shard_index(name, size)]
            if name in above:
                break
            above[name] = b""
        if number % ROWS_PER_STEP == 0:
            yield
    apex = unpack_node(shards[_shard_index(origin, size)].get(origin, b""))
    if SOA not in apex or NS not in apex:
        raise ValueError("a zone needs an SOA and an NS at its apex")
    return Zone(origin, apex, shards).with_services(services)


@frozen(eq=False)
class ZoneTable:
    """All zones of a Snapshot by origin."""

    by_origin: Mapping[bytes, Zone] = field(factory=dict, repr=False)

    def find(self, name: bytes) -> Zone | None:
        """The zone with the longest origin that *name* is at or below."""
        zones, at = self.by_origin, 0
        while length := name[at]:
            if (zone := zones.get(name[at:])) is not None:
                return zone
            at += 1 + length
        return zones.get(ROOT)

    def find_parent(self, zone: Zone) -> Zone | None:
        """Our zone that delegates *zone*, if it does."""
        found = self.find(parent(zone.origin))
        if found is None or found is zone or NS not in (found.node(zone.origin) or {}):
            return None
        return found

    def __iter__(self) -> Iterator[Zone]:
        return iter(self.by_origin.values())


def _shard_index(name: bytes, size: int) -> int:
    """Which shard holds *name*; by high bits of its hash, as dictionaries place their keys by the low ones."""
    return (hash(name) >> 40) % size


def _shard_count(count: int) -> int:
    """A power of two, so that about _PER_SHARD names share a shard."""
    return min(_MAX_SHARDS, 1 << max(0, (count // _NAMES_PER_SHARD).bit_length()))
