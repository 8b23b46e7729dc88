"""Questions for tests: from text to a Query, a zone, a verdict."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from pathlib import Path

import dns.rdata
import dns.rdatatype

from graydns.authority.zone_data import Zone
from graydns.model.client import Client, Subnet
from graydns.model.decision import Cohort, Decision
from graydns.model.name import from_text
from graydns.model.query import Query
from graydns.model.transport import UDP, Transport
from tests.sources.zone_text import load_zone_file

STANDARD = "@ SOA ns.invalid. hostmaster.invalid. 1 7200 900 1209600 60\n@ NS ns.invalid.\n"

PLAIN = Decision(Cohort("default"))


def everything_plain(_name: bytes, _rdtype: int) -> Decision:
    return PLAIN


def rdtype_of(mnemonic: str) -> int:
    return int(dns.rdatatype.from_text(mnemonic))


def make_query(
    text: str, mnemonic: str, *, transport: Transport = UDP, subnet: str | None = None, decision: Decision | None = None
) -> Query:
    """A question as wire.parse would hand it on; letter case of *text* is kept in the question section."""
    name, rdtype = from_text(text), rdtype_of(mnemonic)
    client = Client(b"\x7f\0\0\1", transport)
    if subnet is not None:
        network = ipaddress.ip_network(subnet)
        client = client._replace(subnet=Subnet(network.network_address.packed, network.prefixlen))
    return Query(7, b"", name + rdtype.to_bytes(2, "big") + b"\0\1", name, rdtype, 1, client, decision=decision)


def make_zone(folder: Path, origin: str, text: str, services: Iterable[str] = ()) -> Zone:
    """The zone of *text*, given a standard SOA and NS if it has none."""
    path = folder / f"{origin}.zone"
    path.write_text("$TTL 300\n" + ("" if " SOA " in text else STANDARD) + text)
    return load_zone_file(path, from_text(origin), folder).zone.with_services(frozenset(map(from_text, services)))


def rdata_wire(mnemonic: str, text: str) -> bytes:
    rdata = dns.rdata.from_text("IN", mnemonic, text)
    return rdata.to_wire() or b""
