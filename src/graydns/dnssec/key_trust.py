"""From the DS RRset of a parent zone, or a trust anchor, to the trusted keys of a zone (RFC 4035 section 5.2).

Where trust begins, and where it is switched off: anchors (RFC 4033 section 2) and negative ones (RFC 7646).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha1, sha256, sha384
from typing import NamedTuple

from attrs import field, frozen
from dns.edns import EDECode
from dns.rdatatype import RdataType

from graydns.dnssec.rrsets import SignedRRset
from graydns.dnssec.signature import ValidatorSettings, VerificationFailure, verify_rrset
from graydns.dnssec.work_budget import WorkBudget
from graydns.dnssec.zone_keys import (
    DIGEST_SHA1,
    DIGEST_SHA256,
    DIGEST_SHA384,
    PREFERRED_DIGESTS,
    ZoneKey,
    ZoneKeySet,
    compute_key_tag,
    is_zone_key,
    select_usable_keys,
)
from graydns.dnssec.zone_keys import format_algorithm as algorithm_name
from graydns.model.dnssec_values import TrustAnchor, parse_trust_anchor
from graydns.model.name import suffixes, to_text

_DS_HEADER = struct.Struct("!HBB")

_DIGESTS = {DIGEST_SHA1: sha1, DIGEST_SHA256: sha256, DIGEST_SHA384: sha384}


class DsRecord(NamedTuple):
    """A DS record (RFC 4034 section 5). *digest_type*: its number in the registry of digest algorithms."""

    tag: int
    algorithm: int
    digest_type: int
    digest: bytes

    @classmethod
    def from_rdata(cls, rdata: bytes) -> DsRecord:
        """From rdata, whose layout is fixed. One that is too short has an empty digest, which no key has."""
        if len(rdata) < _DS_HEADER.size:
            return cls(0, 0, 0, b"")
        tag, algorithm, digest_type = _DS_HEADER.unpack_from(rdata)
        return cls(tag, algorithm, digest_type, rdata[_DS_HEADER.size :])

    @classmethod
    def from_dnskey(cls, zone: bytes, dnskey: bytes) -> DsRecord:
        """The DS of exactly the DNSKEY rdata *dnskey*."""
        return cls(compute_key_tag(dnskey), dnskey[3], DIGEST_SHA256, sha256(zone + dnskey).digest())


@frozen
class UnsupportedDelegation:
    """No DS with supported algorithms: the zone counts as unsigned (RFC 4035 section 5.2)."""

    reason: str
    ede: EDECode


def authenticate_keys(
    zone: bytes, ds: Sequence[DsRecord], dnskey: SignedRRset, now: int, budget: WorkBudget, settings: ValidatorSettings
) -> ZoneKeySet | VerificationFailure | UnsupportedDelegation:
    """The keys in *dnskey*, the DNSKEY RRset of *zone*, if a key of *ds* has signed it.

    *ds*: verified, or an anchor's; not empty. *now*: Unix seconds. Raises WorkLimitExceededError.
    """
    enabled = settings.algorithms.enabled
    vouching = _select_checkable(ds, enabled)
    if not vouching:
        return _make_unsupported(zone, ds, enabled)
    keys = select_usable_keys(dnskey.rdatas, enabled)
    named = {(each.tag, each.algorithm) for each in vouching}
    trusted = [key for key in keys if (key.tag, key.algorithm) in named and _has_matching_digest(zone, key, vouching)]
    if dnskey.owner != zone or not trusted:
        if not keys and dnskey.rdatas and not any(is_zone_key(each) for each in dnskey.rdatas):
            return VerificationFailure(
                EDECode.NO_ZONE_KEY_BIT_SET, f"no DNSKEY of {to_text(zone)} has the flag of a zone's key"
            )
        return VerificationFailure(EDECode.DNSKEY_MISSING, _format_no_match(zone, keys, vouching))
    found = verify_rrset(dnskey, ZoneKeySet.from_keys(zone, trusted), now, budget, settings)
    if isinstance(found, VerificationFailure):
        return found
    budget.refund_signatures()
    return ZoneKeySet.from_keys(zone, keys, found.lifetime, found.signature)


def _select_checkable(ds: Iterable[DsRecord], enabled: frozenset[int]) -> frozenset[DsRecord]:
    """Those that can be checked; with SHA-1 only where there is nothing better (RFC 4509 section 3)."""
    known = frozenset(each for each in ds if each.algorithm in enabled and each.digest_type in _DIGESTS)
    better = frozenset(each for each in known if each.digest_type in PREFERRED_DIGESTS)
    return better or known


def _has_matching_digest(zone: bytes, key: ZoneKey, vouching: frozenset[DsRecord]) -> bool:
    """Whether a DS has a digest of *key*: as many digests as there are sorts, however many DS there are."""
    return any(
        DsRecord(key.tag, key.algorithm, digest_type, digest(zone + key.rdata).digest()) in vouching
        for digest_type, digest in _DIGESTS.items()
    )


def _format_no_match(zone: bytes, keys: list[ZoneKey], vouching: frozenset[DsRecord]) -> str:
    tags = ", ".join(str(tag) for tag in sorted({each.tag for each in vouching})[:8])
    if not keys:
        return f"{to_text(zone)} has no key that may sign; the DS is for {tags}"
    if {(key.tag, key.algorithm) for key in keys} & {(each.tag, each.algorithm) for each in vouching}:
        return f"the digest of DS {tags} is not that of the key of {to_text(zone)}"
    held = ", ".join(str(tag) for tag in sorted({key.tag for key in keys})[:8])
    return f"{to_text(zone)} has keys {held}, none of DS {tags}"


def _make_unsupported(zone: bytes, ds: Sequence[DsRecord], enabled: frozenset[int]) -> UnsupportedDelegation:
    if digests := sorted({each.digest_type for each in ds if each.algorithm in enabled}):
        listed = ", ".join(map(str, digests))
        return UnsupportedDelegation(
            f"DS of {to_text(zone)} has unsupported digest type {listed}", EDECode.UNSUPPORTED_DS_DIGEST_TYPE
        )
    listed = ", ".join(algorithm_name(number) for number in sorted({each.algorithm for each in ds}))
    reason = f"{to_text(zone)} is signed with unsupported algorithm {listed}"
    return UnsupportedDelegation(reason, EDECode.UNSUPPORTED_DNSKEY_ALGORITHM)


#: The keys of the root, of 2017 and 2024, as IANA publishes them (https://data.iana.org/root-anchors/root-anchors.xml).
ROOT_ANCHORS = tuple(
    parse_trust_anchor(text)
    for text in (
        ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
        ". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
    )
)


@frozen
class ZoneTrustAnchor:
    """The trust anchors of *zone*. A DNSKEY anchor is stored as the DS of exactly that key."""

    zone: bytes
    ds: tuple[DsRecord, ...]


@frozen
class TrustAnchors:
    """Every anchor, by zone."""

    by_zone: Mapping[bytes, ZoneTrustAnchor] = field(factory=dict)

    @classmethod
    def of(cls, anchors: Iterable[TrustAnchor]) -> TrustAnchors:
        """Those that were configured."""
        found: dict[bytes, ZoneTrustAnchor] = {}
        for zone, rdtype, rdata in anchors:
            ds = DsRecord.from_rdata(rdata) if rdtype == RdataType.DS else DsRecord.from_dnskey(zone, rdata)
            before = found[zone].ds if zone in found else ()
            found[zone] = ZoneTrustAnchor(zone, before if ds in before else (*before, ds))
        return cls(found)


@frozen
class NegativeTrustAnchors:
    """The *names* of the negative trust anchors that count: each and all below it are taken for unsigned."""

    names: frozenset[bytes] = frozenset()

    def find_covering(self, name: bytes) -> bytes | None:
        """The deepest one at or above *name*."""
        return next((suffix for suffix in suffixes(name) if suffix in self.names), None) if self.names else None
