from __future__ import annotations

from ipaddress import ip_address

import pytest

from graydns.listen.listener import expand_wildcard, find_advertised_addresses


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "192.0.2.1"])
def test_an_address_stands_for_itself(host: str) -> None:
    """Only wildcards are expanded, whether or not the machine has the address."""
    assert expand_wildcard(host) == (host,)


@pytest.mark.parametrize(("wildcard", "loopback", "mark"), [("0.0.0.0", "127.0.0.1", "."), ("::", "::1", ":")])
def test_a_wildcard_is_every_address_of_its_family(wildcard: str, loopback: str, mark: str) -> None:
    """Each address of the machine is there once, none of the other family, and no wildcard."""
    addresses = expand_wildcard(wildcard)
    assert loopback in addresses
    assert wildcard not in addresses
    assert len(set(addresses)) == len(addresses)
    assert all(mark in address for address in addresses)


def test_link_local_addresses_carry_their_zone() -> None:
    """fe80:: addresses mean nothing without an interface."""
    assert all("%" in address for address in expand_wildcard("::") if address.startswith("fe80:"))


def test_what_others_can_use_is_announced() -> None:
    """Loopback only where there is nothing else, each address once, link-local never."""
    four, six = bytes((192, 0, 2, 1)), ip_address("2001:db8::1").packed
    assert find_advertised_addresses(["127.0.0.1", "192.0.2.1", "2001:db8::1", "192.0.2.1", "fe80::1%1"]) == (four, six)
    assert find_advertised_addresses(["127.0.0.1", "::1"]) == (bytes((127, 0, 0, 1)), bytes(15) + b"\1")
    assert find_advertised_addresses(["fe80::1%1", "169.254.0.1"]) == ()
    assert not any(ip_address(address).is_unspecified for address in find_advertised_addresses(["0.0.0.0", "::"]))
