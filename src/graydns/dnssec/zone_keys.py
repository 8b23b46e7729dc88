"""Keys of a zone, by what a signature names them by: algorithm and tag. Several keys may share a tag."""

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

from graydns.dnssec.algorithms import SUPPORTED_ALGORITHMS, estimate_verification_seconds, is_acceptable_key
from graydns.dnssec.rrsets import RrsigRecord
from graydns.model.dnssec_values import REVOKE_FLAG, ZONE_KEY_FLAG

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

    *lifetime*: seconds that they may be remembered. *signature*: what vouches for them; both are set where the keys are
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
