"""Who a sender is: what graydns believes of an address, worked out once and remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from weakref import WeakSet

import radix
from attrs import define, field, frozen

from graydns.fast.entry import RA
from graydns.fast.hot import HotTable
from graydns.fast.sketch import source_key
from graydns.model.query import DEFAULT_TENANT, UDP, Client, Edns
from graydns.wire.edns import parse_tags

Network = IPv4Network | IPv6Network

#: Addresses remembered in each of the two generations of :class:`Peers`; under 1 KiB each.
REMEMBERED = 4096


class NetworkMap:
    """A value by the longest network that holds an address."""

    def __init__(self, values: Mapping[Network, object] | Iterable[Network]) -> None:
        self._tree = radix.Radix()
        items = values.items() if isinstance(values, Mapping) else ((network, True) for network in values)
        for network, value in items:
            self._tree.add(str(network)).data["value"] = value

    def get(self, address: str) -> object | None:
        """The value for *address* (text), None when no network holds it."""
        node = self._tree.search_best(address)
        return None if node is None else node.data["value"]


@frozen
class Trust:
    """Whose subnet and tags are believed, for whom names that are not ours are resolved, whose client is whose."""

    ecs: NetworkMap
    tags: NetworkMap
    forward: NetworkMap
    tenants: NetworkMap


class Peer:
    """A sender: an address, or a connection with its TLS identity.

    *plain*: the Client of a query that brings neither subnet nor tags. *hot*: the table of the sender's tenant.
    *limit*: octets an answer may have, 0 = what the client says. *recursion*: the RA bit as ``hot`` indexes it.
    *address*: *source* as text. *listener*: the tenant of the door it came through, if that has one.
    *believed*: whether a client subnet tells who asks, as nothing else does.
    *key*: see ``fast.sketch``. *last*: the last query that the hot table answered for it, as it came.
    """

    __slots__ = (
        "__weakref__",
        "address",
        "believed",
        "ecs",
        "hot",
        "identity",
        "key",
        "last",
        "limit",
        "listener",
        "may_forward",
        "plain",
        "recursion",
        "source",
        "tags",
        "tenant",
        "transport",
    )

    def __init__(self, address: str, transport: str, identity: str | None, listener: str | None) -> None:
        self.address = address
        self.listener = listener
        self.source = ip_address(address).packed
        self.transport = transport
        self.identity = identity
        self.limit = 0 if transport == UDP else 65535
        self.key = source_key(self.source, identity)
        self.last = b""

    def believe(self, trust: Trust, hot_of: Callable[[str], HotTable]) -> None:
        """Believe of it what *trust* says, from the next query on."""
        address = self.address
        self.ecs = trust.ecs.get(address) is not None
        self.believed = self.ecs and self.identity is None
        self.tags = trust.tags.get(address) is not None
        self.may_forward = trust.forward.get(address) is not None
        self.recursion = RA if self.may_forward else 0
        self.tenant = self.listener or str(trust.tenants.get(address) or DEFAULT_TENANT)
        self.hot = hot_of(self.tenant)
        self.plain = Client(self.source, self.transport, None, self.identity, (), self.tenant, self.may_forward)

    def client(self, edns: Edns | None) -> Client:
        """The Client behind a query with these options, as far as it is believed.

        A tag never overrides or equals an authenticated identity: ``client=`` names one only where TLS has not.
        """
        if edns is None:
            return self.plain
        subnet = edns.subnet if self.ecs else None
        tags = (parse_tags(edns.tags) or ()) if self.tags and edns.tags is not None else ()
        if subnet is None and not tags:
            return self.plain
        identity = self.identity
        if identity is None and (claimed := dict(tags).get("client")):
            identity = f"client:{claimed}"
        return Client(self.source, self.transport, subnet, identity, tags, self.tenant, self.may_forward)


@define(eq=False)
class Peers:
    """Makes Peers; remembers those of datagrams by address, boundedly. *hot_of* gives a tenant's hot table."""

    trust: Trust = field(repr=False)
    hot_of: Callable[[str], HotTable] = field(repr=False)
    _connected: WeakSet[Peer] = field(factory=WeakSet, repr=False)
    _young: dict[str, Peer] = field(init=False, factory=dict, repr=False)
    _old: dict[str, Peer] = field(init=False, factory=dict, repr=False)

    def of_datagram(self, address: str, listener_tenant: str | None = None) -> Peer:
        """The Peer that sends datagrams from *address* (text, IPv6 zone index allowed) to a tenant's door, or any."""
        key = address if listener_tenant is None else f"{address} {listener_tenant}"
        peer = self._young.get(key)
        if peer is None:
            peer = self._old.get(key) or self.make(address, UDP, None, listener_tenant)
            if len(self._young) >= REMEMBERED:
                self._old, self._young = self._young, {}
            self._young[key] = peer
        return peer

    def known(self, address: str) -> Peer | None:
        """The Peer that has sent datagrams from *address* (text), if it is remembered."""
        return self._young.get(address) or self._old.get(address)

    def make(self, address: str, transport: str, identity: str | None, listener_tenant: str | None = None) -> Peer:
        """A Peer; its tenant is the listener's, else the one whose ``clients`` hold *address*, else the default."""
        parsed = ip_address(address.partition("%")[0])
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        peer = Peer(str(parsed), transport, identity, listener_tenant)
        peer.believe(self.trust, self.hot_of)
        if transport != UDP:
            self._connected.add(peer)
        return peer

    def trusting(self, trust: Trust) -> tuple[Peers, Iterator[None]]:
        """Peers after another *trust*, and what makes those that are connected follow it, one at a step."""
        return Peers(trust, self.hot_of, self._connected), self._follow(trust)

    def _follow(self, trust: Trust) -> Iterator[None]:
        for peer in list(self._connected):
            peer.believe(trust, self.hot_of)
            yield
