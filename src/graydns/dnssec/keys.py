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

from graydns.dnssec.algorithms import KNOWN, cost, is_sound
from graydns.dnssec.records import Signature

#: Flags of a DNSKEY (RFC 4034 section 2.1.1, RFC 5011 section 7).
ZONE, REVOKE, SEP = 0x0100, 0x0080, 0x0001

#: The only protocol that a DNSKEY may have (RFC 4034 section 2.1.2).
_PROTOCOL = 3

_FIXED = struct.Struct("!HBB")


class _Public(Protocol):
    def verify(self, signature: bytes, data: bytes) -> None: ...


class Key:
    """A DNSKEY. *octets*: its rdata."""

    __slots__ = ("_loaded", "_public", "algorithm", "flags", "octets", "tag")

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.flags, _, self.algorithm = _FIXED.unpack_from(octets)
        self.tag = key_tag(octets)
        self._public: _Public | None = None
        self._loaded = False

    def __repr__(self) -> str:
        return f"Key(tag={self.tag}, algorithm={self.algorithm}, flags={self.flags})"

    @property
    def seconds(self) -> float:
        """Estimated processor time of one verification."""
        return cost(self.algorithm, self.octets[_FIXED.size :])

    def dnskey(self) -> DNSKEY:
        """As dnspython has it."""
        key = dns.rdata.from_wire(IN, _DNSKEY, self.octets, 0, len(self.octets))
        assert isinstance(key, DNSKEY)
        return key

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether *signature* is one of *data* by this key. A key that cannot be loaded verifies nothing."""
        if not self._loaded:
            self._public, self._loaded = _load(self), True
        if self._public is None:
            return False
        try:
            self._public.verify(signature, data)
        except (InvalidSignature, ValueError):
            return False
        return True


@frozen
class KeySet:
    """The keys of *zone* (wire form, lowered) that may sign its data, by algorithm and tag.

    *lifetime*: seconds that they may be remembered. *signature*: what vouches for them; both are set where the keys are
    trusted.
    """

    zone: bytes
    keys: Mapping[tuple[int, int], tuple[Key, ...]]
    lifetime: int = 0
    signature: Signature | None = field(default=None, repr=False)

    @classmethod
    def of(cls, zone: bytes, keys: Iterable[Key], lifetime: int = 0, signature: Signature | None = None) -> KeySet:
        """*keys*, none of them checked again."""
        found: dict[tuple[int, int], list[Key]] = {}
        for key in keys:
            found.setdefault((key.algorithm, key.tag), []).append(key)
        return cls(zone, {name: tuple(named) for name, named in found.items()}, lifetime, signature)


def usable(rdatas: Iterable[bytes], algorithms: frozenset[int]) -> list[Key]:
    """The keys among DNSKEY *rdatas* that may sign data: zone keys of one of *algorithms*, not revoked (RFC 5011)."""
    found = []
    for octets in rdatas:
        if len(octets) <= _FIXED.size:
            continue
        flags, protocol, algorithm = _FIXED.unpack_from(octets)
        if not flags & ZONE or flags & REVOKE or protocol != _PROTOCOL or algorithm not in algorithms:
            continue
        if is_sound(algorithm, octets[_FIXED.size :]):
            found.append(Key(octets))
    return found


def is_zone_key(rdata: bytes) -> bool:
    """Whether DNSKEY *rdata* have the flag that a key needs to sign data."""
    return len(rdata) > _FIXED.size and bool(rdata[0] << 8 & ZONE)


def key_tag(octets: bytes) -> int:
    """The tag of a DNSKEY rdata (RFC 4034 appendix B; algorithm 1, which has another one, is not known here)."""
    if len(octets) % 2:
        octets += b"\0"
    total: int = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    return (total + (total >> 16)) & 0xFFFF


def _load(key: Key) -> _Public | None:
    if key.algorithm not in KNOWN:
        return None
    try:
        return get_algorithm_cls(key.algorithm).public_cls.from_dnskey(key.dnskey())
    except (ValueError, UnsupportedAlgorithm, DNSException):
        return None
