"""Listeners: where clients reach graydns, and what every transport's own module provides for that.

Addresses of the machine, for listeners on a wildcard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address
from typing import Any, Protocol, TypeAlias

import ifaddr
from attrs import frozen

from graydns.fast.interfaces import QueryHandler
from graydns.listen.connections import ConnectionTracker
from graydns.listen.tls_context import TlsContext
from graydns.model.transport import Transport
from graydns.runtime.twisted_types import ListenReactor


@frozen
class Listener:
    """One address to listen on. *host*: an IP address, maybe 0.0.0.0 or ``::``. *port*: 0 lets the system choose.
    *tenant*: the tenant that all its clients belong to, None = the client's address decides."""

    transport: Transport
    host: str
    port: int
    tenant: str | None = None

    def __str__(self) -> str:
        return self.transport.format_url(self.host, self.port)


@frozen
class ListenContext:
    """What a listener works with. *connections*: those of all listeners. *tls*: given if the transport is encrypted."""

    handler: QueryHandler[Any]
    connections: ConnectionTracker
    reactor: ListenReactor
    tls: TlsContext | None = None


class BoundListener(Protocol):
    """A listener that is open."""

    @property
    def listener(self) -> Listener:
        """Where it listens: the port as it is, one address of a wildcard if each has a socket of its own."""

    @property
    def received(self) -> int:
        """Messages that came in."""

    @property
    def dropped(self) -> int:
        """Replies that the kernel did not take."""

    @property
    def pending(self) -> int:
        """Queries in the pipeline that came over no connection."""

    def drain(self) -> bool:
        """Read or accept nothing more. Whether it stays open, to send the replies that are pending."""

    async def stop(self) -> None:
        """Close the socket and cancel what is pending."""


#: Opens a listener: one socket, or one for each address of a wildcard; sockets are yielded one by one, so that those
#: already open can be closed when the next fails. Raises CannotListenError or OSError.
OpenListener: TypeAlias = Callable[[Listener, ListenContext], Iterator[BoundListener]]


WILDCARD_FAMILIES = {"0.0.0.0": 4, "::": 6}


def expand_wildcard(host: str) -> tuple[str, ...]:
    """The addresses *host* stands for: itself, or for a wildcard every address of that family the machine has now.

    A UDP socket on a wildcard replies from whichever address routing chooses; one on the address that was asked
    replies from it. Link-local addresses carry their zone index (RFC 4007 section 11).
    """
    if host not in WILDCARD_FAMILIES:
        return (host,)
    found = (address.ip for adapter in ifaddr.get_adapters() for address in adapter.ips)
    if WILDCARD_FAMILIES[host] == 4:
        return tuple(dict.fromkeys(ip for ip in found if isinstance(ip, str)))
    scoped = ((ip, scope) for ip, _, scope in (ip for ip in found if not isinstance(ip, str)))
    return tuple(dict.fromkeys(f"{ip}%{scope}" if scope else ip for ip, scope in scoped))


def find_advertised_addresses(hosts: Iterable[str]) -> tuple[bytes, ...]:
    """The packed addresses at which others reach listeners on *hosts*: none that is link-local, and loopback addresses
    only if there are no others."""
    found = dict.fromkeys(ip_address(address) for host in hosts for address in expand_wildcard(host))
    wide = [address for address in found if not address.is_link_local]
    return tuple(one.packed for one in [one for one in wide if not one.is_loopback] or wide)
