"""Networks around an address."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network

from hypothesis import given
from hypothesis import strategies as st

from graydns.gray.networks import Networks
from graydns.model.query import Subnet

Network = IPv4Network | IPv6Network


def _subnet(network: Network) -> Subnet:
    return Subnet(network.network_address.packed, network.prefixlen)


def _networks(size: int) -> st.SearchStrategy[Network]:
    """Networks that often nest: few different bytes."""
    address = st.lists(st.sampled_from((0, 10, 129, 255)), min_size=size, max_size=size).map(bytes)
    return st.tuples(address, st.integers(0, 8 * size)).map(lambda pair: ip_network(pair, strict=False))


ANY = _networks(4) | _networks(16)


@given(st.lists(ANY, max_size=12), ANY)
def test_containing_is_every_network_around(listed: list[Network], asked: Network) -> None:
    """All networks that contain the asked one are found, longest first, and none that is longer or elsewhere."""
    networks = Networks()
    numbers = {network: networks.number(_subnet(network)) for network in listed}
    for _ in networks.seal():
        pass
    around = [
        network
        for network in numbers
        if network.version == asked.version
        and network.prefixlen <= asked.prefixlen
        and asked.network_address in network
    ]
    expected = [numbers[network] for network in sorted(around, key=lambda network: -network.prefixlen)]
    assert list(networks.containing(*_subnet(asked))) == expected


def test_network_has_one_number() -> None:
    """The same network is numbered once."""
    networks = Networks()
    one = networks.number(Subnet(bytes(4), 8))
    assert networks.number(Subnet(bytes(4), 9)) != one
    assert networks.number(Subnet(bytes(4), 8)) == one
