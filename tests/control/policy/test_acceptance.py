"""Acceptance: which revisions are taken, one after the other."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from graydns.control.policy.acceptance import (
    AcceptanceState,
    AcceptanceTerms,
    HighWaterMark,
    LostHighWaterMark,
    PolicyRevision,
    accept_revision,
    evaluate_listing,
    refuse_revision,
    reset_high_water,
)
from graydns.control.policy.policy_errors import (
    BadSignatureError,
    BelowMinRevisionError,
    HighWaterMarkLostError,
    IncompleteRevisionError,
    InvalidRevisionError,
    MalformedRevisionError,
    NoActiveRevisionError,
    NotYetValidError,
    PolicyError,
    RevisionAlteredError,
    RevisionExpiredError,
    RevisionRollbackError,
    WrongScopeError,
)
from graydns.control.policy.revisions import KeyValues
from tests.control.policy.making import KEYS, NOW, SECRET, TERMS, published, strategy, unsigned

SEVEN = published(strategy())


def taken(listing: KeyValues, state: AcceptanceState | None = None, now: float = NOW) -> AcceptanceState:
    """The state once what is active in *listing* is taken."""
    state, revision = evaluate_listing(state or AcceptanceState(), listing, TERMS, now)
    assert revision is not None, state.refused
    return accept_revision(state, revision)


def refused(
    listing: KeyValues, state: AcceptanceState | None = None, terms: AcceptanceTerms = TERMS, now: float = NOW
) -> PolicyError:
    """Why it is not; what ran and was highest is as it was."""
    before = state or AcceptanceState()
    after, revision = evaluate_listing(before, listing, terms, now)
    assert revision is None
    assert evolve(after, refused=None, offered=None) == evolve(before, refused=None, offered=None)
    assert after.refused is not None
    assert after.refused.reason
    assert str(after.refused)
    return after.refused


def running(state: AcceptanceState) -> PolicyRevision:
    """What runs."""
    assert state.running is not None
    return state.running


def test_the_first_one() -> None:
    """A signed revision is taken, and is the highest from then on."""
    state = taken(SEVEN)
    assert (running(state).number, running(state).strategy, state.refused) == (7, strategy(), None)
    assert state.mark == HighWaterMark(7, running(state).digest)


def test_nothing_is_highest_before_it_is_taken() -> None:
    """A revision that is offered and then does not compile leaves no mark, so it can be published anew, corrected."""
    state, revision = evaluate_listing(AcceptanceState(), SEVEN, TERMS, NOW)
    assert revision is not None
    state = refuse_revision(state, InvalidRevisionError(()))
    assert (state.mark, state.running) == (None, None)
    assert running(taken(published(strategy(route=[])), state)).strategy.route == ()


def test_the_same_refusal_again() -> None:
    """What was refused for good is not judged again until it, the terms or the mark are others; what passes is."""
    state = taken(published(strategy(8)))
    forged = {**SEVEN, "gray/strategy/7/route": b"[]"}
    for listing, terms, reason in ((forged, TERMS, "bad-signature"), (SEVEN, TERMS, "lower")):
        first, _ = evaluate_listing(state, listing, terms, NOW)
        again, _ = evaluate_listing(first, {**listing, "gray/junk": b"1"}, terms, NOW)
        assert first.refused is not None
        assert (first.refused.reason, again.refused is first.refused) == (reason, True)
    assert type(evaluate_listing(first, forged, TERMS, NOW)[0].refused) is BadSignatureError
    assert type(evaluate_listing(first, SEVEN, evolve(TERMS, datacenter="dc2"), NOW)[0].refused) is WrongScopeError
    assert running(taken(SEVEN, reset_high_water(first, 7))).number == 7
    early, _ = evaluate_listing(AcceptanceState(), SEVEN, TERMS, NOW - 7200)
    assert type(early.refused) is NotYetValidError
    assert running(taken(SEVEN, early)).number == 7


def test_higher() -> None:
    """A higher one takes the place of the one that runs, gaps or not."""
    assert running(taken(published(strategy(9)), taken(SEVEN))).number == 9


def test_the_same_again() -> None:
    """What runs already is nothing to do, and ends what was wrong in between."""
    state = taken(SEVEN)
    state, _ = evaluate_listing(state, {}, TERMS, NOW)
    assert type(state.refused) is NoActiveRevisionError
    assert evaluate_listing(state, SEVEN, TERMS, NOW) == (taken(SEVEN), None)


def test_the_same_number_with_the_same_contents() -> None:
    """After a restart nothing runs, and the revision that was accepted last is taken, even when it has expired."""
    mark = taken(SEVEN).mark
    late = NOW + 86_400
    assert running(taken(SEVEN, AcceptanceState(mark), late)).number == 7
    assert running(taken(published(strategy(), SECRET, "k0"), AcceptanceState(mark), late)).signed_by == "k0"
    assert type(refused(SEVEN, AcceptanceState(), now=late)) is RevisionExpiredError


def test_the_same_number_with_other_contents() -> None:
    """A number is given once."""
    error = refused(published(strategy(route=[])), taken(SEVEN))
    assert type(error) is RevisionAlteredError


def test_lower() -> None:
    """An old revision, however well it is signed, is never taken again; what to do instead is said."""
    error = refused(published(strategy(6)), taken(SEVEN))
    assert type(error) is RevisionRollbackError
    assert (error.revision, error.highest) == (6, 7)
    assert "policy rollback" in str(error)


def test_contents_of_before_under_a_higher_number() -> None:
    """Going back is going forward to what was there."""
    state = taken(published(strategy(8, route=[])), taken(SEVEN))
    assert running(taken(published(strategy(9)), state)).strategy.route == strategy().route


def test_a_mark_that_is_lost() -> None:
    """If nobody knows what was accepted, nothing is, until somebody says from which number on."""
    state = AcceptanceState(LostHighWaterMark("policy.json: found another checksum"))
    assert type(refused(SEVEN, state)) is HighWaterMarkLostError
    assert type(refused(SEVEN, reset_high_water(state, 8))) is RevisionRollbackError
    assert running(taken(SEVEN, reset_high_water(state, 7))).number == 7


def test_a_reset_does_not_stop_what_runs() -> None:
    """The revision that runs goes on; from then on lower ones are taken, their windows judged."""
    state = reset_high_water(taken(SEVEN), 3)
    assert running(state).number == 7
    assert running(taken(published(strategy(5)), state)).number == 5
    assert type(refused(published(strategy(5)), state, now=NOW + 86_400)) is RevisionExpiredError


@pytest.mark.parametrize("number", [3, 7, 100])
def test_a_reset_outlasts_a_restart(number: int) -> None:
    """What ran is taken again once nothing runs, whatever its window and the mark; others are judged by the mark."""
    state = AcceptanceState(reset_high_water(taken(SEVEN), number).mark)
    late = NOW + 86_400
    again = taken(SEVEN, state, late)
    assert (running(again).number, again.mark) == (7, state.mark)
    assert refused(published(strategy(7, route=[])), state, now=late).reason == ("lower" if number > 7 else "expired")
    higher = taken(published(strategy(101)), state)
    assert type(refused(SEVEN, AcceptanceState(higher.mark))) is RevisionRollbackError


def test_a_higher_one_was_taken_meanwhile() -> None:
    """A revision that took long to compile does not undo one that did not."""
    _, revision = evaluate_listing(AcceptanceState(), SEVEN, TERMS, NOW)
    assert revision is not None
    with pytest.raises(RevisionRollbackError):
        accept_revision(taken(published(strategy(8))), revision)


@pytest.mark.parametrize(
    ("what", "terms"),
    [
        ("prefix", None),
        ("datacenter", evolve(TERMS, datacenter="dc2")),
        ("tenant", evolve(TERMS, tenant="two")),
    ],
)
def test_for_another_place(what: str, terms: AcceptanceTerms | None) -> None:
    """What was signed for staging, another datacenter or another tenant does not count here."""
    listing = SEVEN
    if terms is None:
        terms = evolve(TERMS, prefix="production/")
        listing = {key.replace("gray/", "production/", 1): value for key, value in SEVEN.items()}
    error = refused(listing, terms=terms)
    assert isinstance(error, WrongScopeError)
    assert error.what == what


def test_under_another_number() -> None:
    """A revision cannot be made a higher one by copying its keys."""
    copied = {key.replace("/7/", "/8/"): value for key, value in SEVEN.items()}
    error = refused({**copied, "gray/strategy/active": b"8"})
    assert isinstance(error, WrongScopeError)
    assert (error.what, error.found, error.expected) == ("revision", "7", "8")


def test_the_tenant_that_is_asked_for() -> None:
    """It may be any, or that one; datacenters are compared without letter case."""
    terms = evolve(TERMS, tenant="one", datacenter="DC1")
    assert evaluate_listing(AcceptanceState(), SEVEN, terms, NOW)[1] is not None


def test_below_the_least() -> None:
    """Whatever was accepted before, or nothing, no revision below the configured number is taken."""
    for least, state in (
        (8, AcceptanceState()),
        (8, AcceptanceState(taken(SEVEN).mark)),
        (2**53 - 1, reset_high_water(taken(SEVEN), 1)),
    ):
        error = refused(SEVEN, evolve(state, running=None), evolve(TERMS, min_revision=least))
        assert type(error) is BelowMinRevisionError
        assert str(least) in str(error)
    assert evaluate_listing(AcceptanceState(), SEVEN, evolve(TERMS, min_revision=7), NOW)[1] is not None


def test_the_window() -> None:
    """From ``not_before`` on and before ``not_after``; without them at any time."""
    assert type(refused(SEVEN, now=NOW - 3600.5)) is NotYetValidError
    assert running(taken(SEVEN, now=NOW - 3600)).number == 7
    assert running(taken(SEVEN, now=NOW + 3599.5)).number == 7
    assert type(refused(SEVEN, now=NOW + 3600)) is RevisionExpiredError
    always = published(strategy(meta={"not_before": None, "not_after": None}))
    assert running(taken(always, now=0)).number == 7


@pytest.mark.parametrize("name", ["meta", "route", "weight", "percent", "whitelist"])
def test_incomplete(name: str) -> None:
    """A revision lacks nothing; an empty key is ``{}`` or ``[]``."""
    key = f"gray/strategy/7/{name}"
    error = refused({each: value for each, value in SEVEN.items() if each != key})
    assert isinstance(error, IncompleteRevisionError)
    assert error.missing == (key,)


@pytest.mark.parametrize("active", [b"", b"seven", b"0", b"-7", b"07", b"7.0", b"\xff", b"7" * 17])
def test_active_that_is_no_number(active: bytes) -> None:
    """``active`` is a number of a revision, or nothing is."""
    error = refused({**SEVEN, "gray/strategy/active": active})
    assert isinstance(error, MalformedRevisionError)
    assert error.faults[0].file == "gray/strategy/active"


def test_nothing_needs_to_be_signed() -> None:
    """With ``unsigned: true`` all other rules hold."""
    bare = published(strategy(), None)
    state, revision = evaluate_listing(AcceptanceState(), bare, unsigned(), NOW)
    assert revision is not None
    assert revision.signed_by is None
    state = accept_revision(state, revision)
    assert type(refused(published(strategy(6), None), state, unsigned())) is RevisionRollbackError
    assert type(refused(bare, terms=evolve(unsigned(), datacenter="dc2"))) is WrongScopeError


def test_http_words_are_told() -> None:
    """Whoever writes a path or a method hears that it counts for nothing."""
    assert running(taken(SEVEN)).warnings == ("route vip: path and method kept as metadata; DNS never matches on them",)


@given(st.lists(st.tuples(st.integers(1, 5), st.booleans()), max_size=12))
def test_the_mark_never_falls(offers: list[tuple[int, bool]]) -> None:
    """Whatever is offered in whatever order, what runs is what was accepted last, and no number is taken twice over."""
    state = AcceptanceState()
    seen: dict[int, str] = {}
    for number, bare in offers:
        listing = published(strategy(number, route=[])) if bare else published(strategy(number))
        before = 0 if state.running is None else state.running.number
        state, revision = evaluate_listing(state, listing, TERMS, NOW)
        if revision is not None:
            state = accept_revision(state, revision)
            assert number > before
            assert seen.setdefault(number, revision.digest) == revision.digest
        assert state.running is not None
        assert state.mark == HighWaterMark(state.running.number, state.running.digest)
        assert state.running.number == max(seen)


def test_keys_are_not_shown() -> None:
    """Secrets do not get into logs by way of what they are in."""
    assert SECRET.secret.hex() not in repr(TERMS) + repr(KEYS)
    assert repr(SECRET.secret) not in repr(TERMS) + repr(KEYS)
