"""What the records of a zone must and should say about each other, and about the services in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import dns.rdata
import dns.rdataclass
import dns.rdatatype
from dns.rdatatype import RdataType
from dns.rdtypes.svcbbase import ParamKey, SVCBBase

from graydns.authority.additional_section import list_target_hosts
from graydns.authority.zone_data import Zone, ZoneNode, unpack_node
from graydns.authority.zone_search import DelegationMatch, DnameRedirect, search_zone
from graydns.model.dns_parameters import AAAA, CNAME, DNAME, DNSKEY, HTTPS, NS, SERVICE_RDTYPES, SOA, SVCB, A
from graydns.model.errors import ConfigIssue
from graydns.model.name import is_within, parent, suffixes, to_text
from graydns.model.policy import ServicePolicy
from graydns.sources.record_collector import RecordCollector
from graydns.sources.zone_input import LineLocation


def check_zone_records(origin: bytes, collector: RecordCollector, file: str) -> Iterator[ConfigIssue]:
    """What is wrong with the zone that *collector* holds; what is only odd goes to its warnings."""
    if not collector.record_count:
        yield ConfigIssue((to_text(origin),), "no records", "a zone", file)
        return
    apex = unpack_node(collector.rows.get(origin, b""))
    for rdtype, kind in ((SOA, "SOA"), (NS, "NS")):
        if rdtype not in apex:
            yield ConfigIssue((to_text(origin),), f"no {kind} record", f"{kind} at the zone's own name", file)
    if DNSKEY in apex:
        place = collector.locations[origin, DNSKEY]
        collector.warn(f"{place}: a signed zone: its signatures are only answered to those who ask for them by type")
    for (name, rdtype), place in collector.locations.items():
        yield from _check_owner_name(origin, collector.rows, name, rdtype, place)
        if rdtype == NS:
            for host in list_target_hosts(name, NS, unpack_node(collector.rows[name])[NS].rdatas):
                if _lacks_address(origin, collector.rows, name, host):
                    collector.warn(f"{place}: {to_text(name)}: no address for the name server {to_text(host)}")
    yield from _check_below_dnames(collector)


def _check_owner_name(
    origin: bytes, rows: Mapping[bytes, bytes], name: bytes, rdtype: int, place: LineLocation
) -> Iterator[ConfigIssue]:
    """What only some names may have."""
    kind = dns.rdatatype.to_text(RdataType.make(rdtype))
    if rdtype == SOA and name != origin:
        yield _make_issue(name, place, "SOA below the zone's own name", "one SOA, at the zone's own name")
    if rdtype in (NS, DNAME) and name.startswith(b"\1*"):
        yield _make_issue(name, place, f"{kind} at a wildcard", "no such records there (RFC 4592 sections 4.2 and 4.4)")
    if rdtype == DNAME and name != origin and NS in unpack_node(rows[name]):
        yield _make_issue(name, place, "DNAME beside NS", "one of them (RFC 6672 section 2.3)")


def _check_below_dnames(collector: RecordCollector) -> Iterator[ConfigIssue]:
    """RFC 6672 section 2.4: nothing exists below a DNAME. One fault for each DNAME."""
    dnames = {name: place for (name, rdtype), place in collector.locations.items() if rdtype == DNAME}
    for name in collector.rows if dnames else ():
        for above in suffixes(parent(name)):
            if above != name and (place := dnames.pop(above, None)) is not None:
                yield _make_issue(above, place, f"DNAME above {to_text(name)}", "no names below a DNAME")


def _lacks_address(origin: bytes, rows: Mapping[bytes, bytes], owner: bytes, host: bytes) -> bool:
    """Whether the zone ought to have an address for the name server *host* of *owner* and has none."""
    if not is_within(host, origin):
        return False
    node = unpack_node(rows.get(host, b""))
    if A in node or AAAA in node:
        return False
    if owner != origin and is_within(host, owner):
        return True
    above = [name for name in suffixes(parent(host)) if is_within(name, origin)]
    return not any(b"\1*" + name in rows or NS in unpack_node(rows.get(name, b"")) for name in above if name != origin)


def check_zone_services(zone: Zone, services: Mapping[bytes, ServicePolicy]) -> Iterator[ConfigIssue]:
    """What *zone* has that stands against a service; paths are those of zone-config.yaml."""
    if services and DNSKEY in zone.apex:
        yield ConfigIssue(
            ("services",), "services in a zone that has a DNSKEY", "an unsigned zone: graydns signs no answers"
        )
    for name, service in services.items():
        path = ("services", to_text(name))
        if name.startswith(b"\1*"):
            yield ConfigIssue(path, "a service at a wildcard", "a name; for many names there are rules")
            continue
        place = search_zone(zone, name) if is_within(name, zone.origin) else None
        if isinstance(place, DelegationMatch | DnameRedirect):
            kind = "a delegation" if isinstance(place, DelegationMatch) else "a DNAME"
            yield ConfigIssue(
                path, f"a service below {kind} at {to_text(place.owner)}", "a name that the zone answers for"
            )
            continue
        for found, expected in _find_service_conflicts(zone.node(name) or {}, service):
            yield ConfigIssue(path, found, expected)


def _find_service_conflicts(node: ZoneNode, service: ServicePolicy) -> Iterator[tuple[str, str]]:
    """What stands at a service's name and may not: found, expected."""
    given = {
        int(dns.rdatatype.from_text(mnemonic))
        for version in service.versions.values()
        for endpoint in version.endpoints
        for mnemonic in endpoint.records
    }
    if both := sorted(node.keys() & (SERVICE_RDTYPES | given)):
        kinds = ", ".join(dns.rdatatype.to_text(RdataType.make(rdtype)) for rdtype in both)
        yield f"{kinds} at the same name in the zone", "each type in the zone or in the versions, and addresses here"
    elif CNAME in given and node:
        yield "other records in the zone beside a version's CNAME", "a CNAME alone (RFC 1034 section 3.6.2)"
    for rdtype in (SVCB, HTTPS):
        if rdtype in node and any(_has_address_hints(rdtype, rdata) for rdata in node[rdtype].rdatas):
            kind = dns.rdatatype.to_text(RdataType.make(rdtype))
            yield f"{kind} with address hints in the zone", "no ipv4hint or ipv6hint: it would bypass the versions"


def _has_address_hints(rdtype: int, wire: bytes) -> bool:
    rdata = dns.rdata.from_wire(dns.rdataclass.IN, RdataType.make(rdtype), wire, 0, len(wire))
    return isinstance(rdata, SVCBBase) and bool(rdata.params.keys() & {ParamKey.IPV4HINT, ParamKey.IPV6HINT})


def _make_issue(name: bytes, place: LineLocation, found: str, expected: str) -> ConfigIssue:
    return ConfigIssue((to_text(name),), found, expected, place.file, place.line)
