"""Client keys, hashes and buckets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.gray.client_key import (
    BUCKET_COUNT,
    EMPTY_CLIENT_KEY,
    bucket,
    bucket_threshold,
    compile_client_key,
    derive_hash_key,
    hash64,
)
from tests.gray.documented import table
from tests.gray.making import client

ALL = ("identity", "subnet", "source")
VECTORS = table("tenant", "service")


def _siphash(key: bytes, data: bytes) -> int:
    """SipHash-2-4, from the paper."""
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def rounds(count: int) -> None:
        for _ in range(count):
            for a, b, turn, half in ((0, 1, 13, 32), (2, 3, 16, 0), (0, 3, 21, 0), (2, 1, 17, 32)):
                v[a] = v[a] + v[b] & _ALL
                v[b] = _turned(v[b], turn) ^ v[a]
                v[a] = _turned(v[a], half)

    last = data[len(data) // 8 * 8 :].ljust(7, b"\0") + bytes((len(data) & 255,))
    for word in [data[at : at + 8] for at in range(0, len(data) // 8 * 8, 8)] + [last]:
        number = int.from_bytes(word, "little")
        v[3] ^= number
        rounds(2)
        v[0] ^= number
    v[2] ^= 255
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


_ALL = (1 << 64) - 1


def _turned(value: int, bits: int) -> int:
    return (value << bits | value >> 64 - bits) & _ALL


def test_vector_of_paper() -> None:
    """The hash is SipHash-2-4 as its authors publish it."""
    key, data = bytes(range(16)), bytes(range(15))
    assert hash64(key, data) == _siphash(key, data) == 0xA129CA6149BE45E5


def test_there_are_twenty_vectors() -> None:
    """The page publishes 20 vectors."""
    assert len(VECTORS) == 20


@pytest.mark.parametrize(("tenant", "service", "salt", "purpose", "who", "key", "hashed", "expected"), VECTORS)
def test_published_vectors(
    tenant: str, service: str, salt: str, purpose: str, who: str, key: str, hashed: str, expected: str
) -> None:
    """Each published vector holds, by our hash and by a second implementation."""
    secret = derive_hash_key(tenant, service, salt, purpose)
    number = hash64(secret, bytes.fromhex(key))
    assert f"{number:016x}" == hashed
    assert number == _siphash(secret, bytes.fromhex(key))
    assert bucket(number) == int(expected)
    asker = client(identity=who) if ":" in who and "/" not in who else client(subnet=who)
    uncut = compile_client_key(ALL, {"ipv4": 32, "ipv6": 128})
    assert uncut.read(asker).hex() == key


@given(st.integers(0, BUCKET_COUNT))
def test_threshold_is_first_hash_of_bucket(number: int) -> None:
    """A bucket begins at its threshold, and the hash before that is in the one before."""
    edge = bucket_threshold(number)
    if number < BUCKET_COUNT:
        assert bucket(edge) == number
    if number:
        assert bucket(edge - 1) == number - 1


@given(st.tuples(*[st.text(max_size=3)] * 4), st.tuples(*[st.text(max_size=3)] * 4))
def test_parts_of_hash_key_do_not_run_together(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    """Different parts give different keys, even where their texts joined are equal."""
    assert (derive_hash_key(*one) == derive_hash_key(*other)) == (one == other)


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (ALL, "02" + b"client:qa".hex()),
        (("subnet", "identity"), "010118c0000200"),
        (("source", "identity"), "010120c6336401"),
        (("source",), "010120c6336401"),
    ],
)
def test_first_present_source_wins(sources: tuple[str, ...], expected: str) -> None:
    """The client key is the first of client_key that the client has."""
    asker = client("198.51.100.1", subnet="192.0.2.0/25", identity="client:qa")
    assert compile_client_key(sources, {}).read(asker).hex() == expected


@pytest.mark.parametrize(
    ("subnet", "expected"),
    [
        ("192.0.2.0/25", "010118c0000200"),
        ("192.0.0.0/16", "010110c0000000"),
        ("2001:db8:1:2ff::/64", "01023820010db800010200" + "00" * 8),
        ("2001:db8::/32", "01022020010db8" + "00" * 12),
        ("0.0.0.0/0", "010120c6336401"),
    ],
)
def test_subnets_are_cut(subnet: str, expected: str) -> None:
    """ECS counts up to /24 and /56; a subnet that withholds all bits does not count at all."""
    assert compile_client_key(ALL, {}).read(client("198.51.100.1", subnet=subnet)).hex() == expected


def test_source_is_whole_for_ipv4_and_64_bits_for_ipv6() -> None:
    """The sender counts whole, or to /64."""
    read = compile_client_key(ALL, {}).read
    assert read(client("198.51.100.1")).hex() == "010120c6336401"
    assert read(client("2001:db8::1:2:3:4")).hex() == "01024020010db800000000" + "00" * 8


@given(st.binary(min_size=4, max_size=4), st.integers(1, 32), st.integers(1, 32))
def test_client_prefix_cuts_subnet_and_source_alike(address: bytes, bits: int, prefix: int) -> None:
    """With client_prefix a client is the same one directly and through a resolver that sends enough of it."""
    read = compile_client_key(ALL, {"ipv4": bits}).read
    direct = client(".".join(map(str, address)))
    number = int.from_bytes(address, "big") >> 32 - prefix << 32 - prefix
    seen = client(subnet=f"{'.'.join(map(str, number.to_bytes(4, 'big')))}/{prefix}")
    if prefix >= bits:
        assert read(seen) == read(direct)
    else:
        assert read(seen) != read(direct)


def test_without_any_source_there_is_no_key() -> None:
    """A client that has nothing of client_key has the empty key."""
    assert compile_client_key(("identity", "subnet"), {}).read(client()) == EMPTY_CLIENT_KEY


def test_recipes_are_equal_that_tell_clients_apart_alike() -> None:
    """Whatever is written of what is not read, or as it would be without."""
    assert compile_client_key(ALL, {}) == compile_client_key(ALL, {})
    assert compile_client_key(("source", "subnet"), {}) == compile_client_key(("source",), {})
    assert compile_client_key(("subnet",), {"ipv4": 24}) == compile_client_key(("subnet",), {})
    assert compile_client_key(("identity",), {"ipv4": 8}) == compile_client_key(("identity",), {})
    assert compile_client_key(("subnet", "source"), {"ipv6": 48}) != compile_client_key(("subnet", "source"), {})
    assert compile_client_key(("source",), {"ipv4": 24}) != compile_client_key(("source",), {})
    assert compile_client_key(("identity", "subnet"), {}) != compile_client_key(("subnet", "identity"), {})


@pytest.mark.parametrize(
    ("sources", "reaches"),
    [(ALL, (24, 56)), (("source", "subnet"), (0, 0)), (("identity",), (0, 0)), (("subnet",), (24, 56))],
)
def test_reach_is_what_is_read_of_subnets(sources: tuple[str, ...], reaches: tuple[int, int]) -> None:
    """Only a key that can be a subnet reads subnets."""
    made = compile_client_key(sources, {})
    assert (made.ecs_scope_v4, made.ecs_scope_v6) == reaches
