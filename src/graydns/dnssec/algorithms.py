"""Algorithms and digests: which count, and what a signature costs to verify."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

RSASHA1, RSASHA1_NSEC3, RSASHA256, RSASHA512, ECDSAP256, ECDSAP384, ED25519, ED448 = 5, 7, 8, 10, 13, 14, 15, 16

#: What can be verified at all.
SUPPORTED_ALGORITHMS = frozenset((RSASHA1, RSASHA1_NSEC3, RSASHA256, RSASHA512, ECDSAP256, ECDSAP384, ED25519, ED448))

#: What is verified unless configured otherwise: not what uses SHA-1 (RFC 9905).
DEFAULT_ALGORITHMS = SUPPORTED_ALGORITHMS - {RSASHA1, RSASHA1_NSEC3}

_RSA_ALGORITHMS = frozenset((RSASHA1, RSASHA1_NSEC3, RSASHA256, RSASHA512))

#: Names as in the registry of DNSSEC algorithm numbers, for people.
_MNEMONICS = {
    RSASHA1: "RSASHA1",
    RSASHA1_NSEC3: "RSASHA1-NSEC3-SHA1",
    RSASHA256: "RSASHA256",
    RSASHA512: "RSASHA512",
    ECDSAP256: "ECDSAP256SHA256",
    ECDSAP384: "ECDSAP384SHA384",
    ED25519: "ED25519",
    ED448: "ED448",
}

#: Digest types of DS records.
DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA384 = 1, 2, 4

#: Preferred over SHA-1, which counts only where a zone has none of them (RFC 4509 section 3).
PREFERRED_DIGESTS = frozenset((DIGEST_SHA256, DIGEST_SHA384))

#: Modulus of an RSA key in bits, and its exponent: what is outside is no key, as work grows with both.
MIN_RSA_MODULUS_BITS, MAX_RSA_MODULUS_BITS, MAX_RSA_EXPONENT_BITS = 512, 4096, 32

#: Seconds to verify one signature (benchmarks/micro/signatures.py).
_VERIFICATION_SECONDS = {ECDSAP256: 0.0001, ECDSAP384: 0.0008, ED25519: 0.00015, ED448: 0.0005}

#: Seconds of one squaring or multiplication with a modulus of one bit; grows with its square.
_RSA_STEP_SECONDS = 4e-13


@frozen
class EnabledAlgorithms:
    """The algorithms that signatures are believed of; a zone with none of them counts as unsigned (RFC 4035 5.2)."""

    enabled: frozenset[int] = DEFAULT_ALGORITHMS

    @classmethod
    def of(cls, numbers: Iterable[int]) -> EnabledAlgorithms:
        """*numbers* only. Raises ValueError for one that cannot be verified."""
        enabled = frozenset(numbers)
        if unknown := sorted(enabled - SUPPORTED_ALGORITHMS):
            raise ValueError(f"no such algorithm: {', '.join(map(str, unknown))}")
        return cls(enabled)


def format_algorithm(algorithm: int) -> str:
    """For people: the number, and the mnemonic where it is known."""
    return f"{algorithm} ({_MNEMONICS[algorithm]})" if algorithm in _MNEMONICS else str(algorithm)


def is_acceptable_key(algorithm: int, key: bytes) -> bool:
    """Whether a *key* (DNSKEY rdata without its first four octets) is worth loading: RSA keys within bounds."""
    if algorithm not in _RSA_ALGORITHMS:
        return True
    modulus, exponent = measure_rsa_key(key)
    return MIN_RSA_MODULUS_BITS <= modulus <= MAX_RSA_MODULUS_BITS and 1 < exponent <= MAX_RSA_EXPONENT_BITS


def estimate_verification_seconds(algorithm: int, key: bytes) -> float:
    """Estimated seconds of processor time of one verification with *key* (as in is_sound)."""
    if algorithm not in _RSA_ALGORITHMS:
        return _VERIFICATION_SECONDS.get(algorithm, 0.0)
    modulus, exponent = measure_rsa_key(key)
    return 20e-6 + _RSA_STEP_SECONDS * modulus * modulus * (exponent + 2)


def measure_rsa_key(key: bytes) -> tuple[int, int]:
    """Bits of modulus and of exponent of an RSA *key* (RFC 3110 section 2); zeros for what is no key."""
    if len(key) < 3:
        return 0, 0
    start, size = (1, key[0]) if key[0] else (3, int.from_bytes(key[1:3]))
    if not 0 < size < len(key) - start:
        return 0, 0
    return _bit_length(key[start + size :]), _bit_length(key[start : start + size])


def _bit_length(number: bytes) -> int:
    stripped = number.lstrip(b"\0")
    return (len(stripped) - 1) * 8 + stripped[0].bit_length() if stripped else 0
