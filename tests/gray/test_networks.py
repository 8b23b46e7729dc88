"""Networks around an address."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network

from hypothesis import given
from hypothesis import strategies as st

from graydns.gray.networks import MoreNetworks, Networks
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
    around = [network for network in numbers if _lies_in(asked, network)]
    expected = [numbers[network] for network in sorted(around, key=lambda network: -network.prefixlen)]
    assert list(networks.containing(*_subnet(asked))) == expected


def test_network_has_one_number() -> None:
    """The same network is numbered once."""
    networks = Networks()
    one = networks.number(Subnet(bytes(4), 8))
    assert networks.number(Subnet(bytes(4), 9)) != one
    assert networks.number(Subnet(bytes(4), 8)) == one


@given(st.lists(ANY, max_size=8), st.lists(ANY, max_size=5), ANY)
def test_added_networks_are_found_beside_sealed_ones(
    listed: list[Network], added: list[Network], asked: Network
) -> None:
    """Networks added to sealed ones are found as if all had been there from the start, and leave those as they are."""
    base = Networks()
    for network in listed:
        base.number(_subnet(network))
    for _ in base.seal():
        pass
    before = base.containing(*_subnet(asked))
    more = MoreNetworks(base, [_subnet(network) for network in added if network not in listed])
    names = {more.number(_subnet(network)): network for network in (*listed, *added)}
    assert len(names) == len({*listed, *added})
    found = [names[number] for number in more.containing(*_subnet(asked))]
    assert found == sorted(
        (network for network in names.values() if _lies_in(asked, network)), key=lambda network: -network.prefixlen
    )
    assert base.containing(*_subnet(asked)) == before


def _lies_in(asked: Network, network: Network) -> bool:
    return (
        network.version == asked.version and network.prefixlen <= asked.prefixlen and asked.network_address in network
    )
