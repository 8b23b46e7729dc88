from __future__ import annotations

import pytest

from graydns.listen.addresses import expand


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "192.0.2.1"])
def test_an_address_stands_for_itself(host: str) -> None:
    """Only wildcards are expanded, whether or not the machine has the address."""
    assert expand(host) == (host,)


@pytest.mark.parametrize(("wildcard", "loopback", "mark"), [("0.0.0.0", "127.0.0.1", "."), ("::", "::1", ":")])
def test_a_wildcard_is_every_address_of_its_family(wildcard: str, loopback: str, mark: str) -> None:
    """Each address of the machine is there once, none of the other family, and no wildcard."""
    addresses = expand(wildcard)
    assert loopback in addresses
    assert wildcard not in addresses
    assert len(set(addresses)) == len(addresses)
    assert all(mark in address for address in addresses)


def test_link_local_addresses_carry_their_zone() -> None:
    """fe80:: addresses mean nothing without an interface."""
    assert all("%" in address for address in expand("::") if address.startswith("fe80:"))
