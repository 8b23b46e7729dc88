"""Server: one resolver that questions may be sent to.

UpstreamGroup: the servers that answer for some suffix or rule, and what they may be sent.

ForwardTable: which group answers for a name that is not ours.

Reputation: which servers to ask last, because they lately said nothing useful. Pure: time is an argument.

Whether a server that we would ask is ourselves, so that every question would come back.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from attrs import Factory, define, field, frozen

from graydns.model.client import unmap_ipv4
from graydns.model.dns_parameters import DS
from graydns.model.name import parent, suffixes
from graydns.model.query import Query
from graydns.model.transport import UDP, Transport


@frozen(cache_hash=True)
class UpstreamServer:
    """Where and how one resolver is asked.

    *transport*: ``udp`` (TCP where an answer does not fit), ``tcp`` or ``tls``. *address*: textual IP address, an IPv6
    one perhaps with a zone (``fe80::1%eth0``). *tls_name*: for ``tls``: whom the certificate must name (RFC 8310), "" =
    the address. *packed*: the address in octets, for logs. Raises ValueError if *address* is none.
    """

    address: str
    port: int = UDP.default_port
    transport: Transport = UDP
    tls_name: str = ""
    packed: bytes = field(
        init=False,
        repr=False,
        eq=False,
        default=Factory(lambda self: unmap_address(self.address).packed, takes_self=True),
    )

    def __str__(self) -> str:
        url = self.transport.format_url(self.address, self.port)
        return f"{url}#{self.tls_name}" if self.tls_name else url


def parse_resolv_conf(resolv_conf: str) -> tuple[UpstreamServer, ...]:
    """The ``nameserver`` lines of *resolv_conf*; without one the local machine, as resolv.conf(5) has it."""
    addresses = []
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver" and _is_address(words[1]):
            addresses.append(words[1])
    return tuple(UpstreamServer(address) for address in addresses or ["127.0.0.1"])


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def unmap_address(address: str) -> IPv4Address | IPv6Address:
    """*address* without its zone; an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) as the IPv4 one it means."""
    parsed = ip_address(address.partition("%")[0])
    return unmap_ipv4(parsed)


#: Seconds: what contracts promise for ``deadline`` unless configured otherwise.
DEFAULT_DEADLINE_SECONDS = 0.5


def _make_label(group: UpstreamGroup) -> str:
    return f"upstream {group.name}"


@frozen(cache_hash=True)
class UpstreamGroup:
    """Servers in order of preference; the origin of every answer they give.

    Groups with equal settings are equal, so a reload that changes nothing about a group keeps its answers.

    *deadline*: seconds for a question in all, whatever is tried meanwhile. *ecs*, *tags*: whether the client's subnet
    (RFC 7871) and tags (option 65001) are passed on to these servers. *max_ttl*, *negative_ttl*: seconds that an answer
    or a negative one of theirs is used at most. *resolver*: reference to the factory of an IResolver that is asked
    instead of servers, else empty. *label*: the ``why`` of those answers. *identity*: all
    of that in one text, for keys, because a text remembers its hash.
    """

    name: str
    servers: tuple[UpstreamServer, ...]
    deadline: float = DEFAULT_DEADLINE_SECONDS
    ecs: bool = False
    tags: bool = False
    max_ttl: int = field(default=86400, kw_only=True)
    negative_ttl: int = field(default=3600, kw_only=True)
    resolver: str = field(default="", kw_only=True)
    label: str = field(init=False, repr=False, eq=False, default=Factory(_make_label, takes_self=True))
    identity: str = field(init=False, repr=False, eq=False, default=Factory(repr, takes_self=True))


@frozen(eq=False)
class ForwardTable:
    """Groups by suffix (wire names) and by name."""

    by_suffix: Mapping[bytes, UpstreamGroup]
    by_name: Mapping[str, UpstreamGroup] = field(factory=dict)

    def find_group(self, qname: bytes) -> UpstreamGroup | None:
        """The group of the longest suffix of *qname* that has one."""
        if len(self.by_suffix) == 1 and (only := self.by_suffix.get(b"\0")) is not None:
            return only
        return next((group for suffix in suffixes(qname) if (group := self.by_suffix.get(suffix)) is not None), None)

    def choose_group(self, query: Query) -> UpstreamGroup | None:
        """The group that a rule names for *query*, else that of its name."""
        decision = query.decision
        if decision is not None and decision.upstream is not None:
            return self.by_name.get(decision.upstream)
        # What a zone's parent says of it is asked where the parent is known (RFC 4035 section 3.1.4.1).
        return self.find_group(parent(query.qname) if query.qtype == DS else query.qname)


#: Seconds for which a server that failed is asked after the others.
SUSPECT_SECONDS = 10.0


@define(eq=False)
class ServerReputation:
    """Servers under suspicion, each until a monotonic time; holds no more than were ever configured."""

    _suspect_until: dict[UpstreamServer, float] = field(init=False, factory=dict)

    def order(self, servers: Sequence[UpstreamServer], now: float) -> Sequence[UpstreamServer]:
        """*servers* in their order, those under suspicion moved to the end."""
        if not self._suspect_until:
            return servers
        return sorted(servers, key=lambda server: self._suspect_until.get(server, 0.0) > now)

    def is_suspect(self, server: UpstreamServer, now: float) -> bool:
        """Whether *server* is asked after the others."""
        return self._suspect_until.get(server, 0.0) > now

    def suspect(self, server: UpstreamServer, now: float) -> None:
        """*server* kept silent or failed."""
        self._suspect_until[server] = now + SUSPECT_SECONDS

    def clear(self, server: UpstreamServer) -> None:
        """*server* answered."""
        self._suspect_until.pop(server, None)


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
