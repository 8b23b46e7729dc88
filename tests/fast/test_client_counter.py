"""The sketch tells how many distinct clients there were, and the same in every process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.fast import client_counter
from graydns.model.client import Client, Subnet


def filled(keys: Iterable[bytes]) -> bytearray:
    """The sketch of clients with these keys."""
    registers = bytearray(client_counter.REGISTER_COUNT)
    for key in keys:
        client_counter.add_to_sketch(registers, key)
    return registers


def options(count: int) -> Iterable[bytes]:
    """Neighbouring /24 subnets, as ECS options."""
    return (b"\0\1\x18\0" + (0x0A0000 + number).to_bytes(3, "big") for number in range(count))


@pytest.mark.parametrize("count", [0, 1, 10, 300, 1024, 5000, 60_000, 250_000])
def test_neighbouring_networks_are_counted(count: int) -> None:
    """Networks one after the other, which checksums map to a pattern, are counted to within four standard errors."""
    assert abs(client_counter.estimate_count(filled(options(count))) - count) <= count * 0.1


@pytest.mark.parametrize("count", [100, 3000, 40_000])
def test_scattered_clients_are_counted(count: int) -> None:
    """So are clients without any pattern."""
    keys = (blake2b(number.to_bytes(4, "big"), digest_size=9).digest() for number in range(count))
    assert abs(client_counter.estimate_count(filled(keys)) - count) <= count * 0.1


def test_a_client_counts_once() -> None:
    """However often a client comes, it is one."""
    assert client_counter.estimate_count(filled([b"\1\x0a\0\0\1"] * 1000)) == 1


@given(st.lists(st.binary(min_size=1, max_size=20)), st.lists(st.binary(min_size=1, max_size=20)))
def test_merging_is_counting_together(one: list[bytes], other: list[bytes]) -> None:
    """The merged sketch is that of all clients of both."""
    assert client_counter.merge_sketches(bytes(filled(one)), bytes(filled(other))) == bytes(filled(one + other))


@pytest.mark.integration
def test_it_is_the_same_in_every_process() -> None:
    """Servers can merge their sketches: nothing in them depends on the process."""
    code = "from tests.fast.test_client_counter import filled, options\nprint(filled(options(500)).hex())"
    seen = {subprocess.check_output([sys.executable, "-c", code], text=True).strip() for _ in range(2)}
    assert seen == {filled(options(500)).hex()}


@st.composite
def clients(draw: st.DrawFn) -> Client:
    """Clients of which one thing is known."""
    kind = draw(st.sampled_from(["source4", "source6", "identity", "subnet4", "subnet6"]))
    if kind == "identity":
        return Client(b"", identity=draw(st.text(min_size=1)))
    if kind.startswith("source"):
        address = draw(st.binary(min_size=4, max_size=4) if kind == "source4" else st.binary(min_size=8, max_size=8))
        return Client(address if kind == "source4" else address + bytes(8))
    width = 32 if kind == "subnet4" else 128
    prefix = draw(st.integers(1, 24 if width == 32 else 56))
    bits = draw(st.integers(0, 2**prefix - 1))
    return Client(b"", subnet=Subnet((bits << width - prefix).to_bytes(width // 8, "big"), prefix))


@given(clients())
def test_a_key_tells_its_client(client: Client) -> None:
    """What tells a client apart can be read back from its key."""
    assert client_counter.parse_counting_key(client_counter.make_counting_key(client), "default") == client


def test_longer_subnets_are_their_24_or_56() -> None:
    """Subnets are cut as the client key cuts them."""
    host, network = Subnet(bytes((10, 1, 2, 3)), 32), Subnet(bytes((10, 1, 2, 0)), 24)
    assert client_counter.make_counting_key(Client(b"", subnet=host)) == client_counter.make_counting_key(
        Client(b"", subnet=network)
    )
    address = bytes.fromhex("20010db8000102ff") + bytes(8)
    longer, shorter = Subnet(address, 64), Subnet(address[:7] + bytes(9), 56)
    assert client_counter.make_counting_key(Client(b"", subnet=longer)) == client_counter.make_counting_key(
        Client(b"", subnet=shorter)
    )


def test_an_identity_is_one_client_wherever_it_is() -> None:
    """Who says who it is counts as that, whatever its address."""
    subnet = Subnet(bytes((10, 1, 2, 0)), 24)
    assert client_counter.make_counting_key(
        Client(b"\1\2\3\4", identity="tls:a", subnet=subnet)
    ) == client_counter.make_counting_key(Client(b"\4\3\2\1", identity="tls:a"))


def test_no_bits_of_a_subnet_mean_the_sender() -> None:
    """A subnet with SOURCE 0 asks not to be told apart; its sender is counted (RFC 7871 section 7.1.2)."""
    assert client_counter.make_counting_key(Client(b"\1\2\3\4", subnet=Subnet(bytes(4), 0))) == b"\1\1\2\3\4"
