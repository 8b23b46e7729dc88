"""Acceptance: which revisions are taken. Pure: what is kept, offered and remembered is passed in and handed back.

::

    offer(state, listing, terms, now) ──► state, None        refused (state.refused), or what runs already
                                      └─► state, Revision    to be compiled and kept; then
    take(state, revision) ──► state                          it runs, and nothing lower ever will
    refuse(state, error)  ──► state                          it does not fit; what ran goes on

A revision becomes the highest only by ``take``, that is when it has been compiled and is on the disk.
"""

from __future__ import annotations

from typing import TypeAlias

from attrs import evolve, field, frozen

from graydns.config.release_policy import PolicyMetadata, PolicySignature, ReleasePolicy, list_http_warnings
from graydns.sources.policy.errors import (
    Altered,
    BadSignature,
    BelowLeast,
    Elsewhere,
    Expired,
    Invalid,
    Lower,
    MarkLost,
    NotKept,
    NotYetValid,
    PolicyError,
    UnknownKey,
    Unsigned,
)
from graydns.sources.policy.keys import Keys
from graydns.sources.policy.reading import (
    Candidate,
    Envelope,
    KeyValues,
    find_active,
    open_envelope,
    read_signature,
    read_strategy,
)
from graydns.sources.policy.signing import SIGNATURE, verifies


@frozen
class Mark:
    """The highest *revision* ever accepted, and the *digest* of its contents; None = any, after a reset.

    *spared*: the digest of the revision that ran at the reset, which is taken again whatever its number and its window.
    """

    revision: int
    digest: str | None
    spared: str | None = None


@frozen
class Lost:
    """There was a mark, and it cannot be read; *why*."""

    why: str


#: None: nothing was ever accepted.
High: TypeAlias = Mark | Lost | None


@frozen
class Terms:
    """What is asked of a revision. *tenant*: None = any. *keys*: None = it needs no signature. *least*: the lowest
    number that is taken.
    """

    prefix: str
    datacenter: str
    tenant: str | None
    keys: Keys | None = field(repr=False)
    least: int = 0


@frozen
class Revision:
    """A revision that may be taken. *signed_by*: the id of its key, None = nobody had to. *entries*: its keys in KV and
    ``active``, which is what is kept on the disk.
    """

    number: int
    digest: str
    strategy: ReleasePolicy = field(repr=False)
    signed_by: str | None
    entries: KeyValues = field(repr=False)
    warnings: tuple[str, ...] = ()


@frozen
class Offered:
    """All that a verdict on a revision depends on, but for the time and the files."""

    envelope: Envelope
    terms: Terms
    mark: High


#: Refusals that end by themselves: with time, other files, or room on the disk.
_PASSING = (NotYetValid, Invalid, NotKept)


@frozen
class State:
    """*running*: the revision that counts. *refused*: why the one that is active now does not; None = it does.
    *offered*: what was refused for good.
    """

    mark: High = None
    running: Revision | None = None
    refused: PolicyError | None = None
    offered: Offered | None = field(default=None, repr=False)


def offer(state: State, listing: KeyValues, terms: Terms, now: float) -> tuple[State, Revision | None]:
    """Judge the active revision of *listing* at *now* (Unix seconds): the Revision if it is one to be taken."""
    offered = None
    try:
        envelope = find_active(listing, terms.prefix)
        if state.running is not None and state.running.entries == envelope.entries:
            return evolve(state, refused=None, offered=None), None
        offered = Offered(envelope, terms, state.mark)
        if offered == state.offered:  # what takes long to judge would be judged at each change of any key
            return state, None
        revision = judge(state.mark, envelope, terms, now)
    except PolicyError as error:
        return refuse(state, error, None if isinstance(error, _PASSING) else offered), None
    return evolve(state, refused=None, offered=None), revision


def take(state: State, revision: Revision) -> State:
    """*revision* is compiled and kept: it runs. Raises PolicyError if one has been taken meanwhile that forbids it."""
    check_mark(state.mark, revision.number, revision.digest)
    return State(mark_after(state.mark, revision), revision)


def mark_after(mark: High, revision: Revision) -> Mark:
    """The highest accepted once *revision* is taken."""
    if isinstance(mark, Mark) and mark.spared == revision.digest:
        return mark
    return Mark(revision.number, revision.digest)


def refuse(state: State, error: PolicyError, offered: Offered | None = None) -> State:
    """What is active cannot be taken; what runs goes on. *offered*: it, if it never will be unless something of that
    changes.
    """
    return evolve(state, refused=error, offered=offered)


def reset(state: State, number: int) -> State:
    """The highest accepted is *number*, whatever it holds. What runs goes on, over a restart too."""
    spared = None if state.running is None else state.running.digest
    return evolve(state, mark=Mark(number, None, spared))


def judge(mark: High, envelope: Envelope, terms: Terms, now: float) -> Revision:
    """*envelope* as a Revision. Raises PolicyError. What it says is looked at when it is known who says it."""
    candidate, signature, strategy = read_signed(envelope, terms)
    check(mark, candidate, strategy.meta, now)
    return Revision(
        number=candidate.revision,
        digest=candidate.digest,
        strategy=strategy,
        signed_by=None if signature is None else signature.key,
        entries=candidate.entries,
        warnings=tuple(list_http_warnings(strategy)),
    )


def read_signed(envelope: Envelope, terms: Terms) -> tuple[Candidate, PolicySignature | None, ReleasePolicy]:
    """What *envelope* says, by whose signature, None = nobody's is asked for. Raises PolicyError.

    It is opened, which takes long where it is large, only if it has the signature of a key that is known.
    """
    signature = None if terms.keys is None else find_signature(envelope, terms.keys)
    candidate = open_envelope(envelope)
    if terms.keys is not None and signature is not None:
        check_signature(candidate, signature, terms.keys)
    strategy = read_strategy(candidate)
    check_place(strategy.meta, candidate, terms)
    return candidate, signature, strategy


def check(mark: High, candidate: Candidate, meta: PolicyMetadata, now: float) -> None:
    """Raise PolicyError unless *candidate*, which has *meta*, may be taken after *mark*, and now."""
    known = check_mark(mark, candidate.revision, candidate.digest)
    if not known:  # what was accepted in its time stays, also over a restart
        check_window(meta, now)


def find_signature(envelope: Envelope, keys: Keys) -> PolicySignature:
    """The signature, of one of *keys* by its own word. Raises Unsigned, UnknownKey, Malformed, Invalid."""
    if (signature := read_signature(envelope)) is None:
        raise Unsigned(envelope.revision, envelope.key(SIGNATURE))
    if signature.key not in keys:
        raise UnknownKey(envelope.revision, signature.key, tuple(keys))
    return signature


def check_signature(candidate: Candidate, signature: PolicySignature, keys: Keys) -> None:
    """Raise BadSignature unless *signature* is right."""
    if not verifies(keys[signature.key], signature.algorithm, signature.signature, candidate.signed):
        raise BadSignature(candidate.revision, signature.key)


def check_place(meta: PolicyMetadata, candidate: Candidate, terms: Terms) -> None:
    """Raise Elsewhere, or BelowLeast, unless *meta* says that *candidate* is for here and its number is one to take."""
    pairs = {
        "prefix": (meta.prefix, terms.prefix),
        "datacenter": (meta.datacenter, terms.datacenter.lower()),
        "tenant": (meta.tenant, terms.tenant or meta.tenant),
        "revision": (str(meta.revision), str(candidate.revision)),
    }
    for what, (found, expected) in pairs.items():
        if found != expected:
            raise Elsewhere(candidate.revision, what, found, expected)
    if candidate.revision < terms.least:
        raise BelowLeast(candidate.revision, terms.least)


def check_mark(mark: High, revision: int, digest: str) -> bool:
    """Whether it is the very one that was accepted last, or ran at a reset. Raises Lower, Altered, MarkLost."""
    if isinstance(mark, Lost):
        raise MarkLost(revision, mark.why)
    if mark is not None and mark.spared == digest:
        return True
    if mark is None or revision > mark.revision:
        return False
    if revision < mark.revision:
        raise Lower(revision, mark.revision)
    if mark.digest not in (None, digest):
        raise Altered(revision)
    return mark.digest is not None


def check_window(meta: PolicyMetadata, now: float) -> None:
    """Raise NotYetValid or Expired."""
    if meta.not_before is not None and now < meta.not_before:
        raise NotYetValid(meta.revision, meta.not_before)
    if meta.not_after is not None and now >= meta.not_after:
        raise Expired(meta.revision, meta.not_after)
