from __future__ import annotations

import pytest
from dns.dnssectypes import Algorithm
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from hypothesis import given
from hypothesis import strategies as st

from graydns.dnssec.zone_keys import (
    DEFAULT_ALGORITHMS,
    MAX_RSA_EXPONENT_BITS,
    SUPPORTED_ALGORITHMS,
    EnabledAlgorithms,
    estimate_verification_seconds,
    format_algorithm,
    is_acceptable_key,
    measure_rsa_key,
)
from tests.dnssec.signing import private_key


def rsa(modulus: int, exponent: int, long_form: bool = False) -> bytes:
    """An RSA key as in RFC 3110."""
    e = exponent.to_bytes(max(1, (exponent.bit_length() + 7) // 8))
    size = b"\0" + len(e).to_bytes(2) if long_form or len(e) > 255 else bytes((len(e),))
    return size + e + modulus.to_bytes((modulus.bit_length() + 7) // 8)


def test_what_is_believed() -> None:
    """Those that use SHA-1 are known and off; one that cannot be verified cannot be switched on."""
    assert EnabledAlgorithms().enabled == DEFAULT_ALGORITHMS == {8, 10, 13, 14, 15, 16}
    assert EnabledAlgorithms.of([5, 7, 8]).enabled == {5, 7, 8}
    with pytest.raises(ValueError, match="no such algorithm: 1, 12"):
        EnabledAlgorithms.of([12, 8, 1])


def test_names() -> None:
    """Names are those of the registry."""
    assert all(
        format_algorithm(number) == f"{number} ({Algorithm(number).name})" for number in SUPPORTED_ALGORITHMS - {7}
    )
    assert format_algorithm(7) == "7 (RSASHA1-NSEC3-SHA1)"
    assert format_algorithm(99) == "99"


@given(st.integers(1, 1 << 4200), st.integers(1, 1 << 2100), st.booleans())
def test_rsa_bits(modulus: int, exponent: int, long_form: bool) -> None:
    """Both forms of the exponent's length are read, and zeros in front count for nothing."""
    expected = modulus.bit_length(), exponent.bit_length()
    key = rsa(modulus, exponent, long_form)
    assert measure_rsa_key(key) == expected
    size = 3 if not key[0] else 1
    assert (
        measure_rsa_key(key[: -len(key) + size + (expected[1] + 7) // 8] + b"\0\0" + modulus.to_bytes(526)) == expected
    )


@pytest.mark.parametrize("key", [b"", b"\1", b"\1\3", b"\0\0\1\3", b"\0\0\0\3\3", b"\5\1\1\1\1", b"\2\1\1"])
def test_no_rsa_key(key: bytes) -> None:
    assert measure_rsa_key(key) == (0, 0)
    assert not is_acceptable_key(8, key)


@given(st.binary(max_size=60))
def test_any_octets(key: bytes) -> None:
    for algorithm in SUPPORTED_ALGORITHMS:
        is_acceptable_key(algorithm, key)
        assert estimate_verification_seconds(algorithm, key) >= 0


@pytest.mark.parametrize(
    ("modulus", "exponent", "sound"),
    [
        (512, 65537, True),
        (511, 65537, False),
        (4096, 65537, True),
        (4097, 65537, False),
        (2048, 3, True),
        (2048, 1, False),
        (2048, 2**MAX_RSA_EXPONENT_BITS - 1, True),
        (2048, 2**MAX_RSA_EXPONENT_BITS + 1, False),
        (2048, 2**2047 + 1, False),
    ],
)
def test_bounds_of_rsa(modulus: int, exponent: int, sound: bool) -> None:
    assert is_acceptable_key(8, rsa((1 << modulus) - 1, exponent)) is sound


def test_cost() -> None:
    """The estimate grows with modulus and exponent; no key that is sound costs more than a few milliseconds."""
    small, large = (
        estimate_verification_seconds(8, rsa((1 << 1024) - 1, 65537)),
        estimate_verification_seconds(8, rsa((1 << 4096) - 1, 65537)),
    )
    slow = estimate_verification_seconds(8, rsa((1 << 4096) - 1, 2**32 - 1))
    assert 0 < small < large < slow < 0.003
    for algorithm in SUPPORTED_ALGORITHMS:
        key = private_key(algorithm).public_key().to_dnskey()
        assert isinstance(key, DNSKEY)
        assert 0 < estimate_verification_seconds(algorithm, key.key) < 0.003
