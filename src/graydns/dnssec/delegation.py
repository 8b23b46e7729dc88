"""From what a parent zone, or an anchor, says of a zone's keys to the keys that are believed (RFC 4035 section 5.2)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from hashlib import sha1, sha256, sha384
from typing import NamedTuple

from attrs import frozen

from graydns.dnssec.algorithms import BETTER_DIGESTS, SHA1, SHA256, SHA384
from graydns.dnssec.algorithms import name as algorithm_name
from graydns.dnssec.budget import Budget
from graydns.dnssec.keys import Key, KeySet, is_zone_key, key_tag, usable
from graydns.dnssec.records import RRset
from graydns.dnssec.signature import Failed, Settings, verify
from graydns.model.name import to_text
from graydns.model.proof import EdeCode

_FIXED = struct.Struct("!HBB")

_DIGESTS = {SHA1: sha1, SHA256: sha256, SHA384: sha384}


class DS(NamedTuple):
    """What vouches for a key (RFC 4034 section 5). *digest_type*: its number in the registry of digest algorithms."""

    tag: int
    algorithm: int
    digest_type: int
    digest: bytes

    @classmethod
    def read(cls, rdata: bytes) -> DS:
        """From rdata, whose layout is fixed. One that is too short has an empty digest, which no key has."""
        if len(rdata) < _FIXED.size:
            return cls(0, 0, 0, b"")
        tag, algorithm, digest_type = _FIXED.unpack_from(rdata)
        return cls(tag, algorithm, digest_type, rdata[_FIXED.size :])

    @classmethod
    def of_key(cls, zone: bytes, dnskey: bytes) -> DS:
        """The DS that vouches for exactly the DNSKEY rdata *dnskey*."""
        return cls(key_tag(dnskey), dnskey[3], SHA256, sha256(zone + dnskey).digest())


@frozen
class Unsupported:
    """Nothing vouches for the zone that we can check: it counts as unsigned (RFC 4035 section 5.2)."""

    reason: str
    ede: EdeCode


def trust_keys(
    zone: bytes, ds: Sequence[DS], dnskey: RRset, now: int, budget: Budget, settings: Settings
) -> KeySet | Failed | Unsupported:
    """The keys in *dnskey*, the DNSKEY RRset of *zone*, if a key that *ds* vouches for has signed it.

    *ds*: verified, or an anchor's; not empty. *now*: Unix seconds. Raises Exceeded.
    """
    enabled = settings.algorithms.enabled
    vouching = _counting(ds, enabled)
    if not vouching:
        return _unsupported(zone, ds, enabled)
    keys = usable(dnskey.rdatas, enabled)
    named = {(each.tag, each.algorithm) for each in vouching}
    trusted = [key for key in keys if (key.tag, key.algorithm) in named and _vouched(zone, key, vouching)]
    if dnskey.owner != zone or not trusted:
        if not keys and dnskey.rdatas and not any(is_zone_key(each) for each in dnskey.rdatas):
            return Failed(EdeCode.NO_ZONE_KEY, f"no DNSKEY of {to_text(zone)} has the flag of a zone's key")
        return Failed(EdeCode.DNSKEY_MISSING, _unmatched(zone, keys, vouching))
    found = verify(dnskey, KeySet.of(zone, trusted), now, budget, settings)
    if isinstance(found, Failed):
        return found
    budget.return_signature()
    return KeySet.of(zone, keys, found.lifetime, found.signature)


def _counting(ds: Iterable[DS], enabled: frozenset[int]) -> frozenset[DS]:
    """Those that can be checked; with SHA-1 only where there is nothing better (RFC 4509 section 3)."""
    known = frozenset(each for each in ds if each.algorithm in enabled and each.digest_type in _DIGESTS)
    better = frozenset(each for each in known if each.digest_type in BETTER_DIGESTS)
    return better or known


def _vouched(zone: bytes, key: Key, vouching: frozenset[DS]) -> bool:
    """Whether a DS has a digest of *key*: as many digests as there are sorts, however many DS there are."""
    return any(
        DS(key.tag, key.algorithm, digest_type, digest(zone + key.octets).digest()) in vouching
        for digest_type, digest in _DIGESTS.items()
    )


def _unmatched(zone: bytes, keys: list[Key], vouching: frozenset[DS]) -> str:
    tags = ", ".join(str(tag) for tag in sorted({each.tag for each in vouching})[:8])
    if not keys:
        return f"{to_text(zone)} has no key that may sign; the DS is for {tags}"
    if {(key.tag, key.algorithm) for key in keys} & {(each.tag, each.algorithm) for each in vouching}:
        return f"the digest of DS {tags} is not that of the key of {to_text(zone)}"
    held = ", ".join(str(tag) for tag in sorted({key.tag for key in keys})[:8])
    return f"{to_text(zone)} has keys {held}, none of DS {tags}"


def _unsupported(zone: bytes, ds: Sequence[DS], enabled: frozenset[int]) -> Unsupported:
    if digests := sorted({each.digest_type for each in ds if each.algorithm in enabled}):
        listed = ", ".join(map(str, digests))
        return Unsupported(f"DS of {to_text(zone)} has unsupported digest type {listed}", EdeCode.UNSUPPORTED_DIGEST)
    listed = ", ".join(algorithm_name(number) for number in sorted({each.algorithm for each in ds}))
    reason = f"{to_text(zone)} is signed with unsupported algorithm {listed}"
    return Unsupported(reason, EdeCode.UNSUPPORTED_ALGORITHM)
