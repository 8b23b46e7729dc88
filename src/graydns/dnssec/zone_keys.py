"""Keys of a zone, found by what a signature names them by: algorithm and key tag, which several keys may share.

Also which algorithms and digests are supported (RFC 8624), and what a signature costs to verify.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Protocol

import dns.rdata
from attrs import field, frozen
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from dns.dnssecalgs import get_algorithm_cls
from dns.exception import DNSException
from dns.rdataclass import IN
from dns.rdatatype import DNSKEY as _DNSKEY
from dns.rdtypes.ANY.DNSKEY import DNSKEY

from graydns.dnssec.rrsets import RrsigRecord
from graydns.model.dnssec_values import REVOKE_FLAG, ZONE_KEY_FLAG

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
    """The algorithms whose signatures are verified; a zone with none of them counts as unsigned (RFC 4035 5.2)."""

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


#: The only protocol that a DNSKEY may have (RFC 4034 section 2.1.2).
_PROTOCOL = 3

_DNSKEY_HEADER = struct.Struct("!HBB")


class _PublicKey(Protocol):
    def verify(self, signature: bytes, data: bytes) -> None: ...


class ZoneKey:
    """A DNSKEY. *octets*: its rdata."""

    __slots__ = ("_loaded", "_public", "algorithm", "flags", "rdata", "tag")

    def __init__(self, octets: bytes) -> None:
        self.rdata = octets
        self.flags, _, self.algorithm = _DNSKEY_HEADER.unpack_from(octets)
        self.tag = compute_key_tag(octets)
        self._public: _PublicKey | None = None
        self._loaded = False

    def __repr__(self) -> str:
        return f"Key(tag={self.tag}, algorithm={self.algorithm}, flags={self.flags})"

    @property
    def verification_seconds(self) -> float:
        """Estimated processor time of one verification."""
        return estimate_verification_seconds(self.algorithm, self.rdata[_DNSKEY_HEADER.size :])

    def dnskey(self) -> DNSKEY:
        """As dnspython has it."""
        key = dns.rdata.from_wire(IN, _DNSKEY, self.rdata, 0, len(self.rdata))
        assert isinstance(key, DNSKEY)
        return key

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether *signature* is one of *data* by this key. A key that cannot be loaded verifies nothing."""
        if not self._loaded:
            self._public, self._loaded = _load_public_key(self), True
        if self._public is None:
            return False
        try:
            self._public.verify(signature, data)
        except (InvalidSignature, ValueError):
            return False
        return True


@frozen
class ZoneKeySet:
    """The keys of *zone* (wire form, lowered) that may sign its data, by algorithm and tag.

    *lifetime*: seconds that they may be remembered. *signature*: the one over them; both are set where the keys are
    trusted.
    """

    zone: bytes
    keys: Mapping[tuple[int, int], tuple[ZoneKey, ...]]
    lifetime: int = 0
    signature: RrsigRecord | None = field(default=None, repr=False)

    @classmethod
    def from_keys(
        cls, zone: bytes, keys: Iterable[ZoneKey], lifetime: int = 0, signature: RrsigRecord | None = None
    ) -> ZoneKeySet:
        """*keys*, none of them checked again."""
        found: dict[tuple[int, int], list[ZoneKey]] = {}
        for key in keys:
            found.setdefault((key.algorithm, key.tag), []).append(key)
        return cls(zone, {name: tuple(named) for name, named in found.items()}, lifetime, signature)


def select_usable_keys(rdatas: Iterable[bytes], algorithms: frozenset[int]) -> list[ZoneKey]:
    """The keys among DNSKEY *rdatas* that may sign data: zone keys of one of *algorithms*, not revoked (RFC 5011)."""
    found = []
    for octets in rdatas:
        if len(octets) <= _DNSKEY_HEADER.size:
            continue
        flags, protocol, algorithm = _DNSKEY_HEADER.unpack_from(octets)
        if not flags & ZONE_KEY_FLAG or flags & REVOKE_FLAG or protocol != _PROTOCOL or algorithm not in algorithms:
            continue
        if is_acceptable_key(algorithm, octets[_DNSKEY_HEADER.size :]):
            found.append(ZoneKey(octets))
    return found


def is_zone_key(rdata: bytes) -> bool:
    """Whether DNSKEY *rdata* have the flag that a key needs to sign data."""
    return len(rdata) > _DNSKEY_HEADER.size and bool(rdata[0] << 8 & ZONE_KEY_FLAG)


def compute_key_tag(octets: bytes) -> int:
    """The tag of a DNSKEY rdata (RFC 4034 appendix B; algorithm 1, which has another one, is not known here)."""
    if len(octets) % 2:
        octets += b"\0"
    total: int = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    return (total + (total >> 16)) & 0xFFFF


def _load_public_key(key: ZoneKey) -> _PublicKey | None:
    if key.algorithm not in SUPPORTED_ALGORITHMS:
        return None
    try:
        return get_algorithm_cls(key.algorithm).public_cls.from_dnskey(key.dnskey())
    except (ValueError, UnsupportedAlgorithm, DNSException):
        return None
