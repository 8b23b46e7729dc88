"""Whether an RRset is signed by a key of a zone, now (RFC 4035 section 5.3)."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from enum import IntEnum

from attrs import field, frozen
from dns.rdatatype import RdataType

from graydns.dnssec.algorithms import Algorithms
from graydns.dnssec.algorithms import name as algorithm_name
from graydns.dnssec.budget import Budget, Exceeded, Limits
from graydns.dnssec.keys import Key, KeySet
from graydns.dnssec.records import RRset, Signature
from graydns.model.name import is_within, suffixes, to_text
from graydns.model.proof import EdeCode, Signer
from graydns.wire.rrsig import after

_FIXED = struct.Struct("!HHI")
_SIZE = struct.Struct("!H")


@frozen
class Settings:
    """What a validator is configured to believe. *skew*: seconds that a signer's clock may be wrong by."""

    algorithms: Algorithms = field(factory=Algorithms)
    skew: int = 0
    limits: Limits = field(factory=Limits)


@frozen
class Verified:
    """A signature that holds.

    *wildcard*: where the RRset was made from a wildcard, the closest encloser, which is its name without the ``*``:
    somebody must then prove that the next closer name does not exist. *lifetime*: seconds (RFC 4035 section 5.3.3).
    """

    signature: Signature
    key: Key
    wildcard: bytes | None
    lifetime: int

    @property
    def signer(self) -> Signer:
        """For clients and auditors."""
        return signer_of(self.signature)


@frozen
class Failed:
    """No signature holds; the most telling reason of all of them. *signer*: of that signature."""

    ede: EdeCode
    reason: str
    signer: Signer | None = None


class _Fault(IntEnum):
    """What can be wrong with a signature, the most telling first."""

    EXPIRED = 0
    NOT_YET_VALID = 1
    WRONG_SIGNER = 2
    NO_KEY = 3
    MISMATCH = 4


_EDES = {
    _Fault.EXPIRED: EdeCode.EXPIRED,
    _Fault.NOT_YET_VALID: EdeCode.NOT_YET_VALID,
    _Fault.WRONG_SIGNER: EdeCode.BOGUS,
    _Fault.NO_KEY: EdeCode.DNSKEY_MISSING,
    _Fault.MISMATCH: EdeCode.BOGUS,
}


@frozen
class _Worst:
    """The most telling fault so far."""

    fault: _Fault
    signature: Signature
    detail: str = field(default="")


def verify(rrset: RRset, keys: KeySet, now: int, budget: Budget, settings: Settings) -> Verified | Failed:
    """Look for a signature of *rrset* by one of *keys* that holds *now* (Unix seconds). Raises Exceeded.

    Those that cannot hold are told apart without work; what is left is tried in the order in which it came.
    """
    if not rrset.signatures:
        return Failed(EdeCode.RRSIGS_MISSING, f"{_title(rrset)} has no signature")
    worst: _Worst | None = None
    owners = tuple(suffixes(rrset.owner))
    for signature in rrset.signatures:
        found = _attempt(rrset, owners, signature, keys, now, budget, settings)
        if isinstance(found, Verified):
            return found
        if worst is None or found.fault < worst.fault:
            worst = found
    assert worst is not None
    return _failed(rrset, keys, worst)


def _attempt(
    rrset: RRset,
    owners: tuple[bytes, ...],
    signature: Signature,
    keys: KeySet,
    now: int,
    budget: Budget,
    settings: Settings,
) -> Verified | _Worst:
    if signature.signer != keys.zone or keys.zone not in owners:
        return _Worst(_Fault.WRONG_SIGNER, signature)
    left = after(signature.expiration, now)
    if left + settings.skew < 0:
        return _Worst(_Fault.EXPIRED, signature)
    if after(now + settings.skew, signature.inception) < 0:
        return _Worst(_Fault.NOT_YET_VALID, signature)
    named = keys.keys.get((signature.algorithm, signature.tag), ())
    if not named or signature.algorithm not in settings.algorithms.enabled:
        return _Worst(_Fault.NO_KEY, signature)
    labels = len(owners) - 1 - rrset.owner.startswith(b"\x01*")
    if signature.labels > labels:
        return _Worst(_Fault.MISMATCH, signature, f"counts {signature.labels} labels, more than the name has")
    if signature.labels < len(owners) - 1 - owners.index(keys.zone):
        return _Worst(_Fault.MISMATCH, signature, f"counts {signature.labels} labels, fewer than its zone has")
    if after(signature.expiration, signature.inception) < 0:
        return _Worst(_Fault.MISMATCH, signature, "ends before it begins")
    wildcard = owners[-1 - signature.labels] if signature.labels < labels else None
    data = signed_data(rrset, signature, wildcard)
    for count, key in enumerate(named):
        if count == budget.limits.same_tag_keys:
            raise Exceeded(f"more than {count} keys of {to_text(keys.zone)} with tag {key.tag}")
        budget.spend_signature()
        if key.verifies(signature.octets, data):
            lifetime = min(rrset.ttl, signature.original_ttl, max(0, left))
            return Verified(signature, key, wildcard, lifetime)
    return _Worst(_Fault.MISMATCH, signature)


def signed_data(rrset: RRset, signature: Signature, wildcard: bytes | None) -> bytes:
    """What *signature* is made over (RFC 4034 section 3.1.8.1), *wildcard* as in Verified."""
    owner = rrset.owner if wildcard is None else b"\x01*" + wildcard
    head = owner + _FIXED.pack(rrset.rdtype, rrset.rdclass, signature.original_ttl)
    parts = [signature.signed]
    for rdata in rrset.rdatas:
        parts += head, _SIZE.pack(len(rdata)), rdata
    return b"".join(parts)


def cost(rrset: RRset, keys: KeySet) -> float:
    """Estimated seconds of processor time of verifying *rrset*, should every signature but the last one fail."""
    counts: dict[tuple[int, int], int] = {}
    for signature in rrset.signatures:
        if signature.signer == keys.zone:
            name = signature.algorithm, signature.tag
            counts[name] = counts.get(name, 0) + 1
    return sum(count * sum([key.seconds for key in keys.keys.get(name, ())]) for name, count in counts.items())


def signer_of(signature: Signature) -> Signer:
    """*signature* as clients and auditors are told of it."""
    return Signer(
        signature.signer,
        signature.tag,
        signature.algorithm,
        signature.ttl,
        signature.expiration,
        signature.inception,
    )


def moment(seconds: int) -> str:
    """A time of a signature as in presentation format (RFC 4034 section 3.2), UTC; *seconds* from 1970 to 2106."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%d%H%M%S}"


def _failed(rrset: RRset, keys: KeySet, worst: _Worst) -> Failed:
    signature = worst.signature
    what = f"signature of {_title(rrset)} by key {signature.tag} of {to_text(signature.signer)}"
    match worst.fault:
        case _Fault.EXPIRED:
            reason = f"{what} expired at {moment(signature.expiration)}"
        case _Fault.NOT_YET_VALID:
            reason = f"{what} is not valid before {moment(signature.inception)}"
        case _Fault.WRONG_SIGNER:
            beside = "" if is_within(rrset.owner, keys.zone) else ", which the name is not in"
            reason = f"{what} is not by {to_text(keys.zone)}{beside}"
        case _Fault.NO_KEY:
            reason = f"{what}: no such key of algorithm {algorithm_name(signature.algorithm)}"
        case _Fault.MISMATCH:
            reason = f"{what} {worst.detail or 'does not verify'}"
    return Failed(_EDES[worst.fault], reason, signer_of(signature))


def _title(rrset: RRset) -> str:
    return f"{to_text(rrset.owner)} {RdataType.to_text(rrset.rdtype)}"
