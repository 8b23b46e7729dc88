"""Whether a server that we would ask is ourselves, so that every question would come back."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import NamedTuple

from graydns.model.transport import Transport
from graydns.upstream.server_groups import UpstreamServer, unmap_address


class ListeningAddress(NamedTuple):
    """Where graydns listens; *address* may be a wildcard."""

    transport: Transport
    address: str
    port: int


def is_local_address(address: str) -> bool:
    """Whether *address* belongs to this machine: only to such a one can a socket be bound."""
    parsed = unmap_address(address)
    with socket.socket(socket.AF_INET if parsed.version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(parsed), 0))
        except OSError:
            return False
    return True


def find_forwarding_loops(
    servers: Iterable[UpstreamServer],
    listeners: Iterable[ListeningAddress],
    is_ours: Callable[[str], bool] = is_local_address,
) -> tuple[tuple[UpstreamServer, ListeningAddress], ...]:
    """Each server that is a door of ours, with that door.

    ``udp`` and ``tcp`` count as one: a truncated answer is asked for again over TCP at the same port.
    """
    doors = tuple(listeners)
    return tuple((server, door) for server in servers for door in doors if _reaches(server, door, is_ours))


def _reaches(server: UpstreamServer, door: ListeningAddress, is_ours: Callable[[str], bool]) -> bool:
    if server.port != door.port or server.transport.is_encrypted != door.transport.is_encrypted:
        return False
    if unmap_address(server.address) == unmap_address(door.address):
        return True
    # A wildcard of IPv6 may take IPv4 as well, so families are not compared.
    return ip_address(door.address).is_unspecified and is_ours(server.address)
