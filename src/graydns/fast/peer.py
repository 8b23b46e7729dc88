"""Senders: tenant, trust and hot table of an address or connection, worked out once and cached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from weakref import WeakSet

import radix
from attrs import define, field, frozen

from graydns.fast.client_counter import make_source_key
from graydns.fast.hot_entry import RA_BIT
from graydns.fast.hot_table import HotTable
from graydns.model.client import DEFAULT_TENANT, Client
from graydns.model.query import Edns
from graydns.model.transport import UDP, Transport
from graydns.wire.edns import parse_tags

IpNetwork = IPv4Network | IPv6Network

#: Addresses cached in each of the two generations of :class:`PeerCache`; under 1 KiB each.
MAX_PEERS_PER_GENERATION = 4096


class LongestPrefixMap:
    """Longest-prefix match: a value by the longest network that contains an address."""

    def __init__(self, values: Mapping[IpNetwork, object] | Iterable[IpNetwork]) -> None:
        self._tree = radix.Radix()
        items = values.items() if isinstance(values, Mapping) else ((network, True) for network in values)
        for network, value in items:
            self._tree.add(str(network)).data["value"] = value

    def get(self, address: str) -> object | None:
        """The value for *address* (text), None when no network contains it."""
        node = self._tree.search_best(address)
        return None if node is None else node.data["value"]


@frozen
class PeerTrust:
    """Networks by what they are trusted with: client subnets (*ecs*), *tags*, forwarding (*forward*); and the *tenants*
    by the networks of their clients."""

    ecs: LongestPrefixMap
    tags: LongestPrefixMap
    forward: LongestPrefixMap
    tenants: LongestPrefixMap


class Peer:
    """A sender: an address, or a connection with its TLS identity.

    *default_client*: the Client of a query without subnet and tags. *hot*: the table of the sender's tenant.
    *max_reply_bytes*: 0 = what the query says. *ra_bit*: the RA bit as HotTable indexes it. *address*: *source* as
    text. *listener_tenant*: the tenant of its listener, if it has one. *subnet_identifies*: whether a client subnet is
    trusted and there is no identity. *counting_key*: see ClientCounter. *last_query*: the last query of it that the hot
    table answered, as received.
    """

    __slots__ = (
        "__weakref__",
        "address",
        "counting_key",
        "default_client",
        "hot",
        "identity",
        "last_query",
        "listener_tenant",
        "max_reply_bytes",
        "may_forward",
        "ra_bit",
        "source",
        "subnet_identifies",
        "tenant",
        "transport",
        "trusts_ecs",
        "trusts_tags",
    )

    def __init__(self, address: str, transport: Transport, identity: str | None, listener: str | None) -> None:
        self.address = address
        self.listener_tenant = listener
        self.source = ip_address(address).packed
        self.transport = transport
        self.identity = identity
        self.max_reply_bytes = 0 if transport.may_truncate else 65535
        self.counting_key = make_source_key(self.source, identity)
        self.last_query = b""

    def apply_trust(self, trust: PeerTrust, hot_table_for: Callable[[str], HotTable]) -> None:
        """Apply *trust* from the next query on."""
        address = self.address
        self.trusts_ecs = trust.ecs.get(address) is not None
        self.subnet_identifies = self.trusts_ecs and self.identity is None
        self.trusts_tags = trust.tags.get(address) is not None
        self.may_forward = trust.forward.get(address) is not None
        self.ra_bit = RA_BIT if self.may_forward else 0
        self.tenant = self.listener_tenant or str(trust.tenants.get(address) or DEFAULT_TENANT)
        self.hot = hot_table_for(self.tenant)
        self.default_client = Client(
            self.source, self.transport, None, self.identity, (), self.tenant, self.may_forward
        )

    def client(self, edns: Edns | None) -> Client:
        """The Client of a query with these options, as far as they are trusted.

        A tag never overrides or equals an authenticated identity: ``client=`` names one only where TLS has not.
        """
        if edns is None:
            return self.default_client
        subnet = edns.subnet if self.trusts_ecs else None
        tags = (parse_tags(edns.tags) or ()) if self.trusts_tags and edns.tags is not None else ()
        if subnet is None and not tags:
            return self.default_client
        identity = self.identity
        if identity is None and (claimed := dict(tags).get("client")):
            identity = f"client:{claimed}"
        return Client(self.source, self.transport, subnet, identity, tags, self.tenant, self.may_forward)


@define(eq=False)
class PeerCache:
    """Makes Peers; caches those of datagrams by address. *hot_table_for*: the hot table of a tenant."""

    trust: PeerTrust = field(repr=False)
    hot_table_for: Callable[[str], HotTable] = field(repr=False)
    _connected: WeakSet[Peer] = field(factory=WeakSet, repr=False)
    _young: dict[str, Peer] = field(init=False, factory=dict, repr=False)
    _old: dict[str, Peer] = field(init=False, factory=dict, repr=False)

    def datagram_peer(self, address: str, listener_tenant: str | None = None) -> Peer:
        """The Peer that sends datagrams from *address* (text, IPv6 zone index allowed)."""
        key = address if listener_tenant is None else f"{address} {listener_tenant}"
        peer = self._young.get(key)
        if peer is None:
            peer = self._old.get(key) or self.make(address, UDP, None, listener_tenant)
            if len(self._young) >= MAX_PEERS_PER_GENERATION:
                self._old, self._young = self._young, {}
            self._young[key] = peer
        return peer

    def find_datagram_peer(self, address: str) -> Peer | None:
        """The Peer that has sent datagrams from *address* (text), if it is cached."""
        return self._young.get(address) or self._old.get(address)

    def make(
        self, address: str, transport: Transport, identity: str | None, listener_tenant: str | None = None
    ) -> Peer:
        """A Peer; its tenant is the listener's, else the one whose ``clients`` contain *address*, else the default."""
        parsed = ip_address(address.partition("%")[0])
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        peer = Peer(str(parsed), transport, identity, listener_tenant)
        peer.apply_trust(self.trust, self.hot_table_for)
        if not transport.is_datagram:
            self._connected.add(peer)
        return peer

    def with_trust(self, trust: PeerTrust) -> tuple[PeerCache, Iterator[None]]:
        """A cache for another *trust*, and the steps that apply it to connected peers, one at a step."""
        return PeerCache(trust, self.hot_table_for, self._connected), self._apply_trust(trust)

    def _apply_trust(self, trust: PeerTrust) -> Iterator[None]:
        for peer in list(self._connected):
            peer.apply_trust(trust, self.hot_table_for)
            yield
