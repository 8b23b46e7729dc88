"""Door: where clients reach graydns, and what they may take there.

Addresses: the machine's own, for doors that are to be open on all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

import ifaddr
from attrs import frozen


@frozen
class Listener:
    """One socket to listen on. *transport*: udp, tcp or tls. *host*: an address, maybe 0.0.0.0 or ``::``. *port*: 0
    lets the system choose. *tenant*: whose door it is, None = everyone's."""

    transport: str
    host: str
    port: int
    tenant: str | None = None

    def __str__(self) -> str:
        return f"{self.transport}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


@frozen
class ListenerLimits:
    """What clients may take of the stream doors.

    *max_connections*: of all doors together. *max_per_source*: connections of one /24 or /56. *max_pipelined*:
    queries of one connection in the pipeline. *tcp_idle*: seconds without a complete query, or without taking what
    was written. *tls_handshake*: seconds from the TCP connection to the end of the handshake.
    """

    max_connections: int = 10_000
    max_per_source: int = 100
    max_pipelined: int = 100
    tcp_idle: float = 8.0
    tls_handshake: float = 3.0


WILDCARD_FAMILIES = {"0.0.0.0": 4, "::": 6}


def expand_wildcard(host: str) -> tuple[str, ...]:
    """The addresses *host* stands for: itself, or for a wildcard every address of that family the machine has now.

    A UDP socket on a wildcard answers from whichever address routing likes; one on the address that was asked
    answers from it. Link-local addresses carry their zone index (RFC 4007 section 11).
    """
    if host not in WILDCARD_FAMILIES:
        return (host,)
    found = (address.ip for adapter in ifaddr.get_adapters() for address in adapter.ips)
    if WILDCARD_FAMILIES[host] == 4:
        return tuple(dict.fromkeys(ip for ip in found if isinstance(ip, str)))
    scoped = ((ip, scope) for ip, _, scope in (ip for ip in found if not isinstance(ip, str)))
    return tuple(dict.fromkeys(f"{ip}%{scope}" if scope else ip for ip, scope in scoped))


def find_advertised_addresses(hosts: Iterable[str]) -> tuple[bytes, ...]:
    """The packed addresses at which doors on *hosts* can be told to others: none of one link, and those of the machine
    itself only if there is no other."""
    found = dict.fromkeys(ip_address(address) for host in hosts for address in expand_wildcard(host))
    wide = [address for address in found if not address.is_link_local]
    return tuple(one.packed for one in [one for one in wide if not one.is_loopback] or wide)
