"""Client: who asks, the client subnet that came with the question (RFC 7871), and addresses in packed form."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from graydns.model.transport import UDP, Transport


def unmap_ipv4(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address of an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2); any other address as it is."""
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


#: The tenant of all that belongs to no other tenant.
DEFAULT_TENANT = "default"

#: What an identity begins with, the strongest last: said by a trusted sender, a TSIG key, a TLS client certificate.
IDENTITY_PREFIXES = ("client:", "tsig:", "tls:")


class Subnet(NamedTuple):
    """A client subnet (RFC 7871): *address* packed to 4 or 16 bytes, bits after *prefix* zero."""

    address: bytes
    prefix: int


class Client(NamedTuple):
    """The client of a query, as far as its sender is trusted (docs/configuration.md, "trust").

    *source*: packed sender address, 4 or 16 bytes. *subnet* and *tags* are None / () unless the
    sender is trusted with them. *identity*: the strongest namespaced identity, ``tls:`` over
    ``tsig:`` over ``client:``. *tenant*: whose client this is for names outside all zones.
    *may_forward*: whether names that are not ours are resolved for this client.
    """

    source: bytes
    transport: Transport = UDP
    subnet: Subnet | None = None
    identity: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    tenant: str = DEFAULT_TENANT
    may_forward: bool = False
