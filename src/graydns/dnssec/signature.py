"""Whether a SignedRRset is signed by a key of a zone, now (RFC 4035 section 5.3)."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from enum import IntEnum

from attrs import field, frozen
from dns.edns import EDECode
from dns.rdatatype import RdataType

from graydns.dnssec.rrsets import RrsigRecord, SignedRRset
from graydns.dnssec.work_budget import ValidationLimits, WorkBudget, WorkLimitExceededError
from graydns.dnssec.zone_keys import EnabledAlgorithms, ZoneKey, ZoneKeySet
from graydns.dnssec.zone_keys import format_algorithm as algorithm_name
from graydns.model.dnssec_values import RrsigInfo
from graydns.model.name import is_within, suffixes, to_text
from graydns.wire.rdata_layout import subtract_serials

_RR_HEADER = struct.Struct("!HHI")
_RDLENGTH = struct.Struct("!H")


@frozen
class ValidatorSettings:
    """What a validator is configured to believe. *skew*: seconds that a signer's clock may be wrong by."""

    algorithms: EnabledAlgorithms = field(factory=EnabledAlgorithms)
    skew: int = 0
    limits: ValidationLimits = field(factory=ValidationLimits)


@frozen
class VerifiedSignature:
    """A signature that holds.

    *wildcard*: where the SignedRRset was made from a wildcard, the closest encloser, which is its name without the
    ``*``: somebody must then prove that the next closer name does not exist. *lifetime*: seconds (RFC 4035 section
    5.3.3).
    """

    signature: RrsigRecord
    key: ZoneKey
    wildcard: bytes | None
    lifetime: int

    @property
    def signer(self) -> RrsigInfo:
        """For clients and auditors."""
        return describe_rrsig(self.signature)


@frozen
class VerificationFailure:
    """No signature holds; the most telling reason of all of them. *signer*: of that signature."""

    ede: EDECode
    reason: str
    signer: RrsigInfo | None = None


class _FailureKind(IntEnum):
    """What can be wrong with a signature, the most telling first."""

    EXPIRED = 0
    NOT_YET_VALID = 1
    WRONG_SIGNER = 2
    NO_KEY = 3
    MISMATCH = 4


_EDE_BY_FAILURE = {
    _FailureKind.EXPIRED: EDECode.SIGNATURE_EXPIRED,
    _FailureKind.NOT_YET_VALID: EDECode.SIGNATURE_NOT_YET_VALID,
    _FailureKind.WRONG_SIGNER: EDECode.DNSSEC_BOGUS,
    _FailureKind.NO_KEY: EDECode.DNSKEY_MISSING,
    _FailureKind.MISMATCH: EDECode.DNSSEC_BOGUS,
}


@frozen
class _FailedAttempt:
    """The most telling fault so far."""

    fault: _FailureKind
    signature: RrsigRecord
    detail: str = field(default="")


def verify_rrset(
    rrset: SignedRRset, keys: ZoneKeySet, now: int, budget: WorkBudget, settings: ValidatorSettings
) -> VerifiedSignature | VerificationFailure:
    """Look for a signature of *rrset* by one of *keys* that holds *now* (Unix seconds). Raises WorkLimitExceededError.

    Those that cannot be valid are excluded without work; what is left is tried in the order in which it came.
    """
    if not rrset.signatures:
        return VerificationFailure(EDECode.RRSIGS_MISSING, f"{_format_rrset(rrset)} has no signature")
    worst: _FailedAttempt | None = None
    owners = tuple(suffixes(rrset.owner))
    for signature in rrset.signatures:
        found = _verify_signature(rrset, owners, signature, keys, now, budget, settings)
        if isinstance(found, VerifiedSignature):
            return found
        if worst is None or found.fault < worst.fault:
            worst = found
    assert worst is not None
    return _make_failure(rrset, keys, worst)


def _verify_signature(
    rrset: SignedRRset,
    owners: tuple[bytes, ...],
    signature: RrsigRecord,
    keys: ZoneKeySet,
    now: int,
    budget: WorkBudget,
    settings: ValidatorSettings,
) -> VerifiedSignature | _FailedAttempt:
    if signature.signer != keys.zone or keys.zone not in owners:
        return _FailedAttempt(_FailureKind.WRONG_SIGNER, signature)
    left = subtract_serials(signature.expiration, now)
    if left + settings.skew < 0:
        return _FailedAttempt(_FailureKind.EXPIRED, signature)
    if subtract_serials(now + settings.skew, signature.inception) < 0:
        return _FailedAttempt(_FailureKind.NOT_YET_VALID, signature)
    named = keys.keys.get((signature.algorithm, signature.tag), ())
    if not named or signature.algorithm not in settings.algorithms.enabled:
        return _FailedAttempt(_FailureKind.NO_KEY, signature)
    labels = len(owners) - 1 - rrset.owner.startswith(b"\x01*")
    if signature.labels > labels:
        return _FailedAttempt(
            _FailureKind.MISMATCH, signature, f"counts {signature.labels} labels, more than the name has"
        )
    if signature.labels < len(owners) - 1 - owners.index(keys.zone):
        return _FailedAttempt(
            _FailureKind.MISMATCH, signature, f"counts {signature.labels} labels, fewer than its zone has"
        )
    if subtract_serials(signature.expiration, signature.inception) < 0:
        return _FailedAttempt(_FailureKind.MISMATCH, signature, "ends before it begins")
    wildcard = owners[-1 - signature.labels] if signature.labels < labels else None
    data = signed_data(rrset, signature, wildcard)
    for count, key in enumerate(named):
        if count == budget.limits.same_tag_keys:
            raise WorkLimitExceededError(f"more than {count} keys of {to_text(keys.zone)} with tag {key.tag}")
        budget.spend_signature()
        if key.verifies(signature.octets, data):
            lifetime = min(rrset.ttl, signature.original_ttl, max(0, left))
            return VerifiedSignature(signature, key, wildcard, lifetime)
    return _FailedAttempt(_FailureKind.MISMATCH, signature)


def signed_data(rrset: SignedRRset, signature: RrsigRecord, wildcard: bytes | None) -> bytes:
    """What *signature* is made over (RFC 4034 section 3.1.8.1), *wildcard* as in VerifiedSignature."""
    owner = rrset.owner if wildcard is None else b"\x01*" + wildcard
    head = owner + _RR_HEADER.pack(rrset.rdtype, rrset.rdclass, signature.original_ttl)
    parts = [signature.signed]
    for rdata in rrset.rdatas:
        parts += head, _RDLENGTH.pack(len(rdata)), rdata
    return b"".join(parts)


def estimate_rrset_seconds(rrset: SignedRRset, keys: ZoneKeySet) -> float:
    """Estimated seconds of processor time of verifying *rrset*, should every signature but the last one fail."""
    counts: dict[tuple[int, int], int] = {}
    for signature in rrset.signatures:
        if signature.signer == keys.zone:
            name = signature.algorithm, signature.tag
            counts[name] = counts.get(name, 0) + 1
    return sum(
        count * sum([key.verification_seconds for key in keys.keys.get(name, ())]) for name, count in counts.items()
    )


def describe_rrsig(signature: RrsigRecord) -> RrsigInfo:
    """*signature* as text for clients and auditors."""
    return RrsigInfo(
        signature.signer,
        signature.tag,
        signature.algorithm,
        signature.ttl,
        signature.expiration,
        signature.inception,
    )


def format_signature_time(seconds: int) -> str:
    """A time of a signature as in presentation format (RFC 4034 section 3.2), UTC; *seconds* from 1970 to 2106."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%d%H%M%S}"


def _make_failure(rrset: SignedRRset, keys: ZoneKeySet, worst: _FailedAttempt) -> VerificationFailure:
    signature = worst.signature
    what = f"signature of {_format_rrset(rrset)} by key {signature.tag} of {to_text(signature.signer)}"
    match worst.fault:
        case _FailureKind.EXPIRED:
            reason = f"{what} expired at {format_signature_time(signature.expiration)}"
        case _FailureKind.NOT_YET_VALID:
            reason = f"{what} is not valid before {format_signature_time(signature.inception)}"
        case _FailureKind.WRONG_SIGNER:
            beside = "" if is_within(rrset.owner, keys.zone) else ", which the name is not in"
            reason = f"{what} is not by {to_text(keys.zone)}{beside}"
        case _FailureKind.NO_KEY:
            reason = f"{what}: no such key of algorithm {algorithm_name(signature.algorithm)}"
        case _FailureKind.MISMATCH:
            reason = f"{what} {worst.detail or 'does not verify'}"
    return VerificationFailure(_EDE_BY_FAILURE[worst.fault], reason, describe_rrsig(signature))


def _format_rrset(rrset: SignedRRset) -> str:
    return f"{to_text(rrset.owner)} {RdataType.to_text(rrset.rdtype)}"
