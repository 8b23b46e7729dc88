"""Who is believed: by address, and never beyond what TLS has proved."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from graydns.fast.hot_table import HotTable
from graydns.fast.peer import MAX_PEERS_PER_GENERATION, LongestPrefixMap, PeerCache, PeerTrust
from graydns.model.client import Subnet
from graydns.model.query import Edns
from graydns.model.transport import TCP, TLS

TRUST = PeerTrust(
    ecs=LongestPrefixMap([ip_network("127.0.0.0/8"), ip_network("2001:db8::/32")]),
    tags=LongestPrefixMap([ip_network("127.0.0.0/8")]),
    forward=LongestPrefixMap([ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8")]),
    tenants=LongestPrefixMap({ip_network("10.0.0.0/8"): "wide", ip_network("10.1.0.0/16"): "narrow"}),
)


@pytest.fixture
def peers() -> PeerCache:
    """Peers with a hot table a tenant."""
    tables: dict[str, HotTable] = {}
    return PeerCache(TRUST, lambda tenant: tables.setdefault(tenant, HotTable(1000)))


SENT = Edns(1232, subnet=Subnet(b"\x0a\1\2\0", 24), tags=b"client=qa,team=web")


def test_trusted_sender_brings_subnet_and_tags(peers: PeerCache) -> None:
    """From a trusted address subnet, tags and the claimed identity are the client's."""
    client = peers.datagram_peer("127.0.0.1").client(SENT)
    assert client.subnet == SENT.subnet
    assert client.identity == "client:qa"
    assert dict(client.tags) == {"client": "qa", "team": "web"}


def test_untrusted_sender_brings_neither(peers: PeerCache) -> None:
    """From others the options say nothing."""
    client = peers.datagram_peer("203.0.113.9").client(SENT)
    assert (client.subnet, client.identity, client.tags) == (None, None, ())


def test_the_two_trusts_are_apart(peers: PeerCache) -> None:
    """A network trusted for subnets only brings no tags."""
    client = peers.datagram_peer("2001:db8::1").client(SENT)
    assert client.subnet == SENT.subnet
    assert client.tags == ()


def test_a_tag_never_overrides_tls(peers: PeerCache) -> None:
    """The identity that TLS has proved stays, whatever a tag claims."""
    peer = peers.make("127.0.0.1", TLS, "tls:laptop.test")
    assert peer.client(SENT).identity == "tls:laptop.test"


def test_malformed_tags_are_ignored_altogether(peers: PeerCache) -> None:
    """A duplicate key spoils all tags."""
    edns = Edns(1232, tags=b"client=a,client=b")
    assert peers.datagram_peer("127.0.0.1").client(edns).identity is None


@pytest.mark.parametrize(
    ("address", "tenant"),
    [("10.2.0.1", "wide"), ("10.1.0.1", "narrow"), ("192.0.2.1", "default"), ("::ffff:10.1.0.1", "narrow")],
)
def test_tenant_by_longest_network(peers: PeerCache, address: str, tenant: str) -> None:
    """A client belongs to the tenant with the longest of its networks, else to the default."""
    assert peers.datagram_peer(address).tenant == tenant


def test_the_listener_decides_before_the_address(peers: PeerCache) -> None:
    """A tenant's own listener makes its clients the tenant's."""
    assert peers.make("10.1.0.1", TCP, None, "door").tenant == "door"


def test_forged_senders_do_not_fill_memory(peers: PeerCache) -> None:
    """Any number of addresses leaves two bounded generations behind."""
    for number in range(3 * MAX_PEERS_PER_GENERATION):
        peers.datagram_peer(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(peers._young) <= MAX_PEERS_PER_GENERATION
    assert len(peers._old) <= MAX_PEERS_PER_GENERATION
