"""Collector: takes records one by one as they are read, and keeps them as rows."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.transaction

from graydns.authority.zone_data import StoredRRset, iterate_rrsets, pack_node, pack_record
from graydns.model.dns_parameters import CNAME, DNAME, DNSKEY, NS, NSEC, RRSIG, SOA
from graydns.model.errors import ConfigIssue
from graydns.model.name import to_text
from graydns.sources.zone_input import LineLocation, ZoneFileLines

#: Seconds (RFC 2181 section 8).
MAX_TTL_SECONDS = 2**31 - 1

#: Records of one zone, and of one $GENERATE.
MAX_ZONE_RECORDS = 20_000_000
MAX_GENERATED_RECORDS = 65_536

#: Warnings kept for one zone.
MAX_ZONE_WARNINGS = 100

#: Octets of one RRset that a message can still hold, with its question and OPT.
MAX_RRSET_BYTES = 65_000

#: Octets of all records of one name: a bound on the work of adding to it record by record.
MAX_ROW_BYTES = 1 << 18

#: Types of which the place in the file is remembered, for the checks that follow the reading.
_LOCATED_RDTYPES = frozenset((SOA, NS, DNAME, DNSKEY))

#: At most one record of these (RFC 2181 section 10.1, RFC 1035 section 5.2, RFC 6672 section 2.4).
_SINGLETON_RDTYPES = frozenset((CNAME, DNAME, SOA))

#: What may stand beside a CNAME (RFC 4035 section 2.5).
_RDTYPES_BESIDE_CNAME = frozenset((CNAME, RRSIG, NSEC))


class InvalidRecordError(ValueError):
    """A record that no zone may have."""


class OriginManager(dns.transaction.TransactionManager):
    """Tells dnspython's reader the origin."""

    def __init__(self, origin: dns.name.Name) -> None:
        self._origin = origin

    def get_class(self) -> dns.rdataclass.RdataClass:
        """IN."""
        return dns.rdataclass.IN

    def origin_information(self) -> tuple[dns.name.Name, bool, dns.name.Name]:
        """Names stay absolute."""
        return self._origin, False, self._origin


class RecordCollector(dns.transaction.Transaction):
    """The rows of a zone being read (``authority.rows``), by lowered name.

    *lines*: what is being read. *record_count*: records so far. *locations*: where each (name, type) that later checks
    look at was first seen. *warnings*: what an operator should know and what stops nothing.
    """

    def __init__(self, origin: dns.name.Name) -> None:
        super().__init__(OriginManager(origin), replacement=True)
        self.rows: dict[bytes, bytes] = {}
        self.lines = ZoneFileLines(BytesIO(), "")
        self.record_count = 0
        self.locations: dict[tuple[bytes, int], LineLocation] = {}
        self.warnings: list[str] = []
        self._repeated: dict[bytes, LineLocation] = {}
        self._entry_end = 0

    def begin_entry(self) -> None:
        """A new entry of the file begins."""
        self._entry_end = self.record_count + MAX_GENERATED_RECORDS

    def add(self, *args: object) -> None:
        """Take one record from dnspython's reader: name, TTL, rdata."""
        name, ttl, rdata = args
        if not (isinstance(name, dns.name.Name) and isinstance(ttl, int) and isinstance(rdata, dns.rdata.Rdata)):
            raise TypeError(f"not a record: {args!r}")
        if dns.rdatatype.is_metatype(rdata.rdtype):
            raise InvalidRecordError(f"{dns.rdatatype.to_text(rdata.rdtype)} is no type of records")
        if self.record_count == self._entry_end:
            raise InvalidRecordError(f"one $GENERATE makes more than {MAX_GENERATED_RECORDS} records")
        self.add_record(to_wire_name(name), int(rdata.rdtype), ttl, rdata.to_wire() or b"")

    def add_record(self, name: bytes, rdtype: int, ttl: int, rdata: bytes) -> None:
        """Take one record. Raises InvalidRecordError."""
        if ttl > MAX_TTL_SECONDS:
            raise InvalidRecordError(f"a TTL of more than {MAX_TTL_SECONDS} seconds")
        self.record_count += 1
        if self.record_count > MAX_ZONE_RECORDS:
            raise InvalidRecordError(f"more than {MAX_ZONE_RECORDS} records")
        row = pack_record(rdtype, ttl, rdata)
        first = self.rows.setdefault(name, row)
        if first is not row:
            if len(first) > MAX_ROW_BYTES:
                raise InvalidRecordError(f"more than {MAX_ROW_BYTES} octets of records at one name")
            self.rows[name] = first + row
            self._repeated[name] = self.lines.location
        if rdtype in _LOCATED_RDTYPES:
            self.locations.setdefault((name, rdtype), self.lines.location)

    def warn(self, text: str) -> None:
        """Keep *text* for the operator, once, if there are not too many already."""
        if len(self.warnings) < MAX_ZONE_WARNINGS and text not in self.warnings:
            self.warnings.append(text)
        elif len(self.warnings) == MAX_ZONE_WARNINGS:
            self.warnings.append("… and more")

    def merge_rows(self) -> Iterator[ConfigIssue]:
        """Bring the names with several records into their final form; yields what is wrong with them."""
        for name, place in self._repeated.items():
            node: dict[int, StoredRRset] = {}
            for rdtype, (ttl, rdatas) in iterate_rrsets(self.rows[name]):
                before = node.setdefault(rdtype, StoredRRset(ttl, ()))
                node[rdtype] = StoredRRset(min(ttl, before.ttl), before.rdatas + rdatas)
                if ttl != before.ttl:
                    self._warn_ttl_mismatch(place, name, rdtype)
            # A record that stands twice is one record (RFC 2181 section 5).
            node = {rdtype: StoredRRset(ttl, tuple(dict.fromkeys(rdatas))) for rdtype, (ttl, rdatas) in node.items()}
            yield from (_make_issue(place, name, *wrong) for wrong in _find_rrset_conflicts(node))
            try:
                self.rows[name] = pack_node(node)
            except struct.error:
                yield _make_issue(place, name, "too many records", "at most 65,535 of a type")

    def _warn_ttl_mismatch(self, place: LineLocation, name: bytes, rdtype: int) -> None:
        kind = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rdtype))
        self.warn(f"{place}: {to_text(name)}: {kind} records with different TTLs; the lowest is taken")

    def _set_origin(self, origin: dns.name.Name) -> None:
        """Dnspython's reader tells of each $ORIGIN; the zone's stays what it is."""


def to_wire_name(name: dns.name.Name) -> bytes:
    """*name* as ``model.name`` keeps names."""
    return (name.to_wire() or b"").lower()


def _find_rrset_conflicts(node: dict[int, StoredRRset]) -> Iterator[tuple[str, str]]:
    """What the RRsets of one name do not allow of each other: found, expected."""
    for rdtype in _SINGLETON_RDTYPES & node.keys():
        if len(node[rdtype].rdatas) > 1:
            kind = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rdtype))
            yield f"{len(node[rdtype].rdatas)} {kind} records", "one"
    if CNAME in node and node.keys() - _RDTYPES_BESIDE_CNAME:
        others = sorted(
            dns.rdatatype.to_text(dns.rdatatype.RdataType.make(t)) for t in node.keys() - _RDTYPES_BESIDE_CNAME
        )
        yield f"CNAME and other data ({', '.join(others)})", "a CNAME alone (RFC 1034 section 3.6.2)"
    for rdtype, stored in node.items():
        if sum(12 + len(rdata) for rdata in stored.rdatas) > MAX_RRSET_BYTES:
            kind = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rdtype))
            yield f"{kind} records too large for a message", f"at most {MAX_RRSET_BYTES} octets"


def _make_issue(place: LineLocation, name: bytes, found: str, expected: str) -> ConfigIssue:
    return ConfigIssue((to_text(name),), found, expected, place.file, place.line)
