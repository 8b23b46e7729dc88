from __future__ import annotations

import dns.dnssec
import dns.rdata
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.dnssec.zone_keys import (
    DEFAULT_ALGORITHMS,
    SUPPORTED_ALGORITHMS,
    ZoneKey,
    ZoneKeySet,
    compute_key_tag,
    select_usable_keys,
)
from graydns.model.name import from_text
from tests.dnssec.signing import Zone, private_key


@given(st.integers(0, 65535), st.integers(0, 255), st.sampled_from([3, 5, 8, 13, 200]), st.binary(max_size=80))
def test_tag(flags: int, protocol: int, algorithm: int, key: bytes) -> None:
    """The tag of any DNSKEY is the one that dnspython computes."""
    octets = flags.to_bytes(2) + bytes((protocol, algorithm)) + key
    rdata = dns.rdata.from_wire("IN", "DNSKEY", octets, 0, len(octets))
    assert compute_key_tag(octets) == dns.dnssec.key_id(rdata)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "usable_"),
    [
        ((256, 3, 13), True),
        ((257, 3, 13), True),
        ((0xFF7F, 3, 13), True),
        ((1, 3, 13), False),  # not of a zone
        ((256 | 128, 3, 13), False),  # revoked
        ((256, 2, 13), False),
        ((256, 3, 12), False),
        ((256, 3, 5), False),  # off
    ],
)
def test_keys_for_data(change: tuple[int, int, int], usable_: bool) -> None:
    flags, protocol, algorithm = change
    octets = flags.to_bytes(2) + bytes((protocol, algorithm)) + Zone().octets[4:]
    found = select_usable_keys([octets], DEFAULT_ALGORITHMS)
    assert [key.rdata for key in found] == ([octets] if usable_ else [])


def test_what_is_no_key() -> None:
    """Rdata that is cut off, and RSA keys out of bounds, give no key, and do not keep others from being found."""
    good = Zone(algorithm=8).octets
    huge = good[:4] + b"\5\1\0\0\0\1" + good[8:]
    assert [key.rdata for key in select_usable_keys([b"", b"\1\1\3\x08", huge, good], DEFAULT_ALGORITHMS)] == [good]


def test_a_key_that_cannot_be_loaded() -> None:
    """Points that are not on the curve, and keys that are too short, verify nothing."""
    good = Zone().octets
    for octets in (
        good[:4] + b"\1" * 64,
        good[:-1],
        good[:5],
        b"\1\1\3\x0f" + b"\xff" * 31,
        b"\1\1\3\x08\3\1\0\1" + bytes(128),
    ):
        assert not ZoneKey(octets).verifies(bytes(64), b"")
    assert not ZoneKey(b"\1\1\3\xc8" + bytes(32)).verifies(bytes(64), b"")


@pytest.mark.parametrize("algorithm", sorted(SUPPORTED_ALGORITHMS))
def test_verifies(algorithm: int) -> None:
    """What the private key signed, and nothing else, again and again; a signature of another size is false, too."""
    key, private = ZoneKey(Zone(algorithm=algorithm).octets), private_key(algorithm)
    signature = private.sign(b"data")
    for _ in range(2):
        assert key.verifies(signature, b"data")
        assert not key.verifies(signature, b"Data")
        for false in (b"", signature[:-1], signature + b"\0", bytes(len(signature))):
            assert not key.verifies(false, b"data")


def test_key_set() -> None:
    """Keys are found by algorithm and tag, those that share both in the order in which they came."""
    first = ZoneKey(Zone().octets)
    second = ZoneKey(first.rdata)
    other = ZoneKey(Zone(algorithm=8).octets)
    found = ZoneKeySet.from_keys(from_text("example."), [first, other, second])
    assert found.keys == {(13, first.tag): (first, second), (8, other.tag): (other,)}
    assert repr(other) == f"Key(tag={other.tag}, algorithm=8, flags=257)"
