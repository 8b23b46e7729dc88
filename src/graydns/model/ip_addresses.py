"""Hosts: what an instance or a node of Consul's has for an address, as the record that leads there."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

from dns.rdatatype import AAAA, CNAME, A

from graydns.model.name import from_text

#: What stands in no host name, but in an IPv6 address, with a port or a zone (RFC 4007 section 11) after it too.
_ADDRESS_CHARACTERS = frozenset(":%")


def unmap_ipv4(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address of an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2); any other address as it is."""
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def host_record(host: str) -> tuple[int, bytes] | None:
    """The type, A, AAAA or CNAME, and rdata of an IP address or host name; None if it is neither.

    IPv4 within IPv6 (RFC 4291 section 2.5.5.2) is IPv4. A zone is known to one machine only, so an address with one
    is none. A name does not end in digits alone (RFC 1123 section 2.1): that would be an address.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return _cname_record(host)
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return None
    address = unmap_ipv4(address)
    return int(A if address.version == 4 else AAAA), address.packed


def _cname_record(host: str) -> tuple[int, bytes] | None:
    last = host.rstrip(".").rpartition(".")[2]
    if not last or (last.isascii() and last.isdigit()) or _ADDRESS_CHARACTERS.intersection(host):
        return None
    try:
        return int(CNAME), from_text(host)
    except ValueError:
        return None
