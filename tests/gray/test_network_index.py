"""Networks around an address."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.gray.network_index import ExtendedNetworkIndex, NetworkIndex
from graydns.model.client import Subnet

Network = IPv4Network | IPv6Network


def _subnet(network: Network) -> Subnet:
    return Subnet(network.network_address.packed, network.prefixlen)


def _networks(size: int) -> st.SearchStrategy[Network]:
    """Networks that often nest: few different bytes."""
    address = st.lists(st.sampled_from((0, 10, 129, 255)), min_size=size, max_size=size).map(bytes)
    return st.tuples(address, st.integers(0, 8 * size)).map(lambda pair: ip_network(pair, strict=False))


ANY = _networks(4) | _networks(16)


@given(st.lists(ANY, max_size=40), ANY)
def test_containing_is_every_network_around(listed: list[Network], asked: Network) -> None:
    """All networks that contain the asked one are found, longest first, and none that is longer or elsewhere."""
    networks = NetworkIndex()
    numbers = {network: networks.assign_number(_subnet(network)) for network in listed}
    for _ in networks.build():
        pass
    around = [network for network in numbers if _lies_in(asked, network)]
    expected = [numbers[network] for network in sorted(around, key=lambda network: -network.prefixlen)]
    assert list(networks.find_containing(*_subnet(asked))) == expected


@pytest.mark.parametrize(("address", "bits"), [("203.0.113.77", 32), ("2001:db8:5:6:7:8:9:a", 128)])
def test_every_length(address: str, bits: int) -> None:
    """Of nested networks of every length, those up to the asked length are found."""
    packed = ip_address(address).packed
    networks = NetworkIndex()
    numbers = [
        networks.assign_number(_subnet(ip_network((packed, length), strict=False))) for length in range(bits + 1)
    ]
    for _ in networks.build():
        pass
    for length in range(bits + 1):
        assert networks.find_containing(packed, length) == tuple(reversed(numbers[: length + 1]))
        other = bytes(byte ^ 0xFF for byte in packed)
        assert networks.find_containing(other, length) == (numbers[0],)


def test_release_leaves_nothing() -> None:
    """What nobody uses any more is taken apart step by step."""
    networks = NetworkIndex()
    for text in ("10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32"):
        networks.assign_number(_subnet(ip_network(text)))
    for _ in networks.build():
        pass
    assert len(list(networks.reclaim_steps())) >= 6
    assert len(networks) == 0
    assert networks.find_containing(bytes((10, 1, 2, 3)), 32) == ()


def test_network_has_one_number() -> None:
    """The same network is numbered once."""
    networks = NetworkIndex()
    one = networks.assign_number(Subnet(bytes(4), 8))
    assert networks.assign_number(Subnet(bytes(4), 9)) != one
    assert networks.assign_number(Subnet(bytes(4), 8)) == one


@given(st.lists(ANY, max_size=8), st.lists(ANY, max_size=5), ANY)
def test_added_networks_are_found_beside_sealed_ones(
    listed: list[Network], added: list[Network], asked: Network
) -> None:
    """Networks added to sealed ones are found as if all had been there from the start, and leave those as they are."""
    base = NetworkIndex()
    for network in listed:
        base.assign_number(_subnet(network))
    for _ in base.build():
        pass
    before = base.find_containing(*_subnet(asked))
    more = ExtendedNetworkIndex(base, [_subnet(network) for network in added if network not in listed])
    names = {more.assign_number(_subnet(network)): network for network in (*listed, *added)}
    assert len(names) == len({*listed, *added})
    found = [names[number] for number in more.find_containing(*_subnet(asked))]
    assert found == sorted(
        (network for network in names.values() if _lies_in(asked, network)), key=lambda network: -network.prefixlen
    )
    assert base.find_containing(*_subnet(asked)) == before


def _lies_in(asked: Network, network: Network) -> bool:
    return (
        network.version == asked.version and network.prefixlen <= asked.prefixlen and asked.network_address in network
    )
