"""Who a sender is: what graydns believes of an address, worked out once and remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

import radix
from attrs import define, field, frozen

from graydns.fast.hot import RA, HotTable
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
    """

    __slots__ = (
        "ecs",
        "hot",
        "identity",
        "limit",
        "may_forward",
        "plain",
        "recursion",
        "source",
        "tags",
        "tenant",
        "transport",
    )

    def __init__(self, address: str, transport: str, identity: str | None, trust: Trust, tenant: str,
                 hot: HotTable) -> None:  # fmt: skip
        self.source = ip_address(address).packed
        self.transport = transport
        self.identity = identity
        self.ecs = trust.ecs.get(address) is not None
        self.tags = trust.tags.get(address) is not None
        self.may_forward = trust.forward.get(address) is not None
        self.limit = 0 if transport == UDP else 65535
        self.recursion = RA if self.may_forward else 0
        self.tenant = tenant
        self.hot = hot
        self.plain = Client(self.source, transport, None, identity, (), tenant, self.may_forward)

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
    _young: dict[str, Peer] = field(init=False, factory=dict, repr=False)
    _old: dict[str, Peer] = field(init=False, factory=dict, repr=False)

    def of_datagram(self, address: str) -> Peer:
        """The Peer that sends datagrams from *address* (text, IPv6 zone index allowed)."""
        peer = self._young.get(address)
        if peer is None:
            peer = self._old.get(address) or self.make(address, UDP, None)
            if len(self._young) >= REMEMBERED:
                self._old, self._young = self._young, {}
            self._young[address] = peer
        return peer

    def make(self, address: str, transport: str, identity: str | None, listener_tenant: str | None = None) -> Peer:
        """A Peer; its tenant is the listener's, else the one whose ``clients`` hold *address*, else the default."""
        parsed = ip_address(address.partition("%")[0])
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        bare = str(parsed)
        tenant = listener_tenant or str(self.trust.tenants.get(bare) or DEFAULT_TENANT)
        return Peer(bare, transport, identity, self.trust, tenant, self.hot_of(tenant))
