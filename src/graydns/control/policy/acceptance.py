"""Acceptance: which revisions are taken. Pure: what is kept, offered and remembered is passed in and handed back.

::

    offer(state, listing, terms, now) ──► state, None        refused (state.refused), or what runs already
                                      └─► state, PolicyRevision    to be compiled and kept; then
    take(state, revision) ──► state                          it runs, and nothing lower ever will
    refuse(state, error)  ──► state                          it does not fit; what ran goes on

A revision becomes the highest only by ``accept_revision``, that is when it has been compiled and is on the disk.
"""

from __future__ import annotations

from typing import TypeAlias

from attrs import evolve, field, frozen

from graydns.config.release_policy import PolicyMetadata, PolicySignature, ReleasePolicy, list_http_warnings
from graydns.control.policy.policy_errors import (
    BadSignatureError,
    BelowMinRevisionError,
    HighWaterMarkLostError,
    InvalidRevisionError,
    NotYetValidError,
    PolicyError,
    RevisionAlteredError,
    RevisionExpiredError,
    RevisionNotStoredError,
    RevisionRollbackError,
    UnknownKeyError,
    UnsignedRevisionError,
    WrongScopeError,
)
from graydns.control.policy.revisions import (
    KeyValues,
    RevisionCandidate,
    RevisionEnvelope,
    find_active_envelope,
    open_envelope,
    read_signature,
    read_strategy,
)
from graydns.control.policy.signatures import SIGNATURE_KEY, PolicyVerifiers, is_valid_signature


@frozen
class HighWaterMark:
    """The highest *revision* ever accepted, and the *digest* of its contents; None = any, after a reset.

    *spared*: the digest of the revision that ran at the reset, which is taken again whatever its number and its window.
    """

    revision: int
    digest: str | None
    spared: str | None = None


@frozen
class LostHighWaterMark:
    """There was a mark, and it cannot be read; *why*."""

    why: str


#: None: nothing was ever accepted.
HighWater: TypeAlias = HighWaterMark | LostHighWaterMark | None


@frozen
class AcceptanceTerms:
    """What is asked of a revision. *tenant*: None = any. *keys*: None = it needs no signature. *min_revision*: the
    lowest number that is accepted.
    """

    prefix: str
    datacenter: str
    tenant: str | None
    keys: PolicyVerifiers | None = field(repr=False)
    min_revision: int = 0


@frozen
class PolicyRevision:
    """A revision that is accepted. *signed_by*: the id of its key, None = no signature is required. *entries*: its keys
    in KV and ``active``, which is what is kept on the disk.
    """

    number: int
    digest: str
    strategy: ReleasePolicy = field(repr=False)
    signed_by: str | None
    entries: KeyValues = field(repr=False)
    warnings: tuple[str, ...] = ()


@frozen
class RevisionOffer:
    """All that a verdict on a revision depends on, but for the time and the files."""

    envelope: RevisionEnvelope
    terms: AcceptanceTerms
    mark: HighWater


#: Refusals that end by themselves: with time, other files, or room on the disk.
_TRANSIENT_ERRORS = (NotYetValidError, InvalidRevisionError, RevisionNotStoredError)


@frozen
class AcceptanceState:
    """*running*: the revision that counts. *refused*: why the one that is active now does not; None = it does.
    *offered*: what was refused for good.
    """

    mark: HighWater = None
    running: PolicyRevision | None = None
    refused: PolicyError | None = None
    offered: RevisionOffer | None = field(default=None, repr=False)


def evaluate_listing(
    state: AcceptanceState, listing: KeyValues, terms: AcceptanceTerms, now: float
) -> tuple[AcceptanceState, PolicyRevision | None]:
    """Check the active revision of *listing* at *now* (Unix seconds): the PolicyRevision if it is accepted."""
    offered = None
    try:
        envelope = find_active_envelope(listing, terms.prefix)
        if state.running is not None and state.running.entries == envelope.entries:
            return evolve(state, refused=None, offered=None), None
        offered = RevisionOffer(envelope, terms, state.mark)
        if offered == state.offered:  # checking takes long, and would be repeated at each change of any key
            return state, None
        revision = evaluate_envelope(state.mark, envelope, terms, now)
    except PolicyError as error:
        return refuse_revision(state, error, None if isinstance(error, _TRANSIENT_ERRORS) else offered), None
    return evolve(state, refused=None, offered=None), revision


def accept_revision(state: AcceptanceState, revision: PolicyRevision) -> AcceptanceState:
    """*revision* is compiled and kept: it runs. Raises PolicyError if one has been taken meanwhile that forbids it."""
    check_high_water(state.mark, revision.number, revision.digest)
    return AcceptanceState(next_high_water(state.mark, revision), revision)


def next_high_water(mark: HighWater, revision: PolicyRevision) -> HighWaterMark:
    """The highest accepted once *revision* is taken."""
    if isinstance(mark, HighWaterMark) and mark.spared == revision.digest:
        return mark
    return HighWaterMark(revision.number, revision.digest)


def refuse_revision(
    state: AcceptanceState, error: PolicyError, offered: RevisionOffer | None = None
) -> AcceptanceState:
    """What is active cannot be taken; what runs goes on. *offered*: it, if it never will be unless something of that
    changes.
    """
    return evolve(state, refused=error, offered=offered)


def reset_high_water(state: AcceptanceState, number: int) -> AcceptanceState:
    """Set the highest accepted revision to *number*. The revision in force stays, over a restart too."""
    spared = None if state.running is None else state.running.digest
    return evolve(state, mark=HighWaterMark(number, None, spared))


def evaluate_envelope(
    mark: HighWater, envelope: RevisionEnvelope, terms: AcceptanceTerms, now: float
) -> PolicyRevision:
    """*envelope* as a PolicyRevision. Raises PolicyError. What it says is looked at when it is known who says it."""
    candidate, signature, strategy = verify_envelope(envelope, terms)
    check_acceptable(mark, candidate, strategy.meta, now)
    return PolicyRevision(
        number=candidate.revision,
        digest=candidate.digest,
        strategy=strategy,
        signed_by=None if signature is None else signature.key,
        entries=candidate.entries,
        warnings=tuple(list_http_warnings(strategy)),
    )


def verify_envelope(
    envelope: RevisionEnvelope, terms: AcceptanceTerms
) -> tuple[RevisionCandidate, PolicySignature | None, ReleasePolicy]:
    """The contents of *envelope* and the id of the key that signed it, None = no signature is required. Raises
    PolicyError.

    It is opened, which takes long where it is large, only if it has the signature of a key that is known.
    """
    signature = None if terms.keys is None else find_signature(envelope, terms.keys)
    candidate = open_envelope(envelope)
    if terms.keys is not None and signature is not None:
        verify_signature(candidate, signature, terms.keys)
    strategy = read_strategy(candidate)
    check_scope(strategy.meta, candidate, terms)
    return candidate, signature, strategy


def check_acceptable(mark: HighWater, candidate: RevisionCandidate, meta: PolicyMetadata, now: float) -> None:
    """Raise PolicyError unless *candidate*, which has *meta*, may be taken after *mark*, and now."""
    known = check_high_water(mark, candidate.revision, candidate.digest)
    if not known:  # what was accepted in its time stays, also over a restart
        check_validity_window(meta, now)


def find_signature(envelope: RevisionEnvelope, keys: PolicyVerifiers) -> PolicySignature:
    """The signature, by the one of *keys* that it names. Raises UnsignedRevisionError, UnknownKeyError,
    MalformedRevisionError, InvalidRevisionError."""
    if (signature := read_signature(envelope)) is None:
        raise UnsignedRevisionError(envelope.revision, envelope.key(SIGNATURE_KEY))
    if signature.key not in keys:
        raise UnknownKeyError(envelope.revision, signature.key, tuple(keys))
    return signature


def verify_signature(candidate: RevisionCandidate, signature: PolicySignature, keys: PolicyVerifiers) -> None:
    """Raise BadSignatureError unless *signature* is right."""
    if not is_valid_signature(keys[signature.key], signature.algorithm, signature.signature, candidate.signed_message):
        raise BadSignatureError(candidate.revision, signature.key)


def check_scope(meta: PolicyMetadata, candidate: RevisionCandidate, terms: AcceptanceTerms) -> None:
    """Raise WrongScopeError, or BelowMinRevisionError, unless *meta* says that *candidate* is for here and its number
    is one to take."""
    pairs = {
        "prefix": (meta.prefix, terms.prefix),
        "datacenter": (meta.datacenter, terms.datacenter.lower()),
        "tenant": (meta.tenant, terms.tenant or meta.tenant),
        "revision": (str(meta.revision), str(candidate.revision)),
    }
    for what, (found, expected) in pairs.items():
        if found != expected:
            raise WrongScopeError(candidate.revision, what, found, expected)
    if candidate.revision < terms.min_revision:
        raise BelowMinRevisionError(candidate.revision, terms.min_revision)


def check_high_water(mark: HighWater, revision: int, digest: str) -> bool:
    """Whether it is the very one that was accepted last, or ran at a reset. Raises RevisionRollbackError,
    RevisionAlteredError, HighWaterMarkLostError."""
    if isinstance(mark, LostHighWaterMark):
        raise HighWaterMarkLostError(revision, mark.why)
    if mark is not None and mark.spared == digest:
        return True
    if mark is None or revision > mark.revision:
        return False
    if revision < mark.revision:
        raise RevisionRollbackError(revision, mark.revision)
    if mark.digest not in (None, digest):
        raise RevisionAlteredError(revision)
    return mark.digest is not None


def check_validity_window(meta: PolicyMetadata, now: float) -> None:
    """Raise NotYetValidError or RevisionExpiredError."""
    if meta.not_before is not None and now < meta.not_before:
        raise NotYetValidError(meta.revision, meta.not_before)
    if meta.not_after is not None and now >= meta.not_after:
        raise RevisionExpiredError(meta.revision, meta.not_after)
