"""What is remembered of upstreams, below all cohorts."""

from __future__ import annotations

import pytest

from graydns.model.errors import OverloadedError, ResolveError, UpstreamError
from graydns.resolve.cache.cache_keys import CacheKey
from graydns.resolve.cache.raw_cache import MIN_FAILURE_TTL_SECONDS, FailureCache
from tests.resolve.chains import Chain, address_of, of_cohort
from tests.upstream.queries import make_query

WWW = make_query()


def test_cohorts_share_what_upstreams_said() -> None:
    """The second cohort's question is answered from the raw cache, with the very same bytes."""
    chain = Chain(raw=True)
    first = chain.learn(of_cohort(WWW, "a"))
    assert chain.get(of_cohort(WWW, "b")) is first
    assert chain.asked() == 1


def test_cohorts_share_a_question_in_flight() -> None:
    """Two cohorts that ask at once make one question to the upstream."""
    chain = Chain(raw=True)
    chain.ask(of_cohort(WWW, "a"))
    chain.ask(of_cohort(WWW, "b"))
    assert chain.asked() == 1
    chain.below.answer(stored_at=0.0)
    assert chain.got[0] is chain.got[1]
    assert chain.store.stats()["default"].entries == 3


def test_failures_are_remembered_for_a_moment() -> None:
    """A dead upstream is not asked again by every query, and the error is the same."""
    chain = Chain(raw=True)
    for asked in (1, 1, 1):
        chain.ask(WWW)
        if not chain.got:
            chain.below.fail(UpstreamError("gone", ede=23))
        error = chain.error()
        assert isinstance(error, UpstreamError)
        assert (error.ede, str(error), chain.asked()) == (23, "gone", asked)
    chain.clock.advance(MIN_FAILURE_TTL_SECONDS + 0.1)
    chain.ask(WWW)
    assert chain.asked() == 2


@pytest.mark.parametrize(
    ("name", "partition", "left"),
    [
        (None, None, []),
        (b"\1a\0", None, ["b one", "b two"]),
        (None, "one", ["a two", "b two"]),
        (b"\1b\0", "two", ["a one", "a two", "b one"]),
    ],
)
def test_failures_are_flushed_as_answers_are(name: bytes | None, partition: str | None, left: list[str]) -> None:
    """By name and by whose they are."""
    failures = FailureCache()
    keys = {
        f"{label} {part}": CacheKey(bytes((1, *label.encode(), 0)), 1, 1, False, False, "", (), None, part, None)
        for label in "ab"
        for part in ("one", "two")
    }
    for key in keys.values():
        failures.add(key, UpstreamError("gone", ede=23), 0.0)
    failures.flush(name, partition)
    assert [text for text, key in keys.items() if failures.find(key, 1.0)] == left


@pytest.mark.parametrize("error", [OverloadedError("busy"), ResolveError("no upstream", rcode=5)])
def test_only_upstream_failures_are_remembered(error: ResolveError) -> None:
    """Our own limits and refusals are decided anew for each query."""
    chain = Chain(raw=True)
    for _ in range(2):
        chain.ask(WWW)
        chain.below.fail(error)
    assert chain.asked() == 2


def test_failure_of_an_early_refresh_leaves_the_answer() -> None:
    """In the last tenth of its TTL an entry is asked for anew, and given if that fails."""
    chain = Chain(raw=True)
    chain.learn(of_cohort(WWW, "a"), last=1)
    chain.clock.advance(55)
    for _ in range(2):
        chain.ask(of_cohort(WWW, "b"))
        if chain.asked() == 2 and len(chain.got) == 1:
            chain.below.fail(UpstreamError("gone"))
        assert address_of(chain.answer()) == 1
    assert chain.asked() == 2


def test_failures_are_bounded() -> None:
    """However many names fail, only so many are remembered, the oldest going first."""
    failures, chain = FailureCache(), Chain()
    keys = [chain.keys.make_raw_key(make_query(f"n{number}.test")) for number in range(5000)]
    for key in keys:
        failures.add(key, UpstreamError("gone"), 0.0)
    known = [key for key in keys if failures.find(key, 1.0) is not None]
    assert known == keys[-4096:]
    failures.flush()
    assert failures.find(keys[-1], 1.0) is None


def test_remembered_failure_holds_no_frames() -> None:
    """Each time a new exception is raised, so that tracebacks do not pile up in memory; it tells since when it is."""
    failures, key = FailureCache(), Chain().keys.make_raw_key(WWW)
    try:
        raise UpstreamError("gone")
    except UpstreamError as error:
        failures.add(key, error, 0.0)
    found = failures.find(key, 1.0)
    assert found is not None
    assert found.since == 0.0
    assert (found.__traceback__, found is failures.find(key, 1.0)) == (None, False)


def test_cd_is_kept_apart() -> None:
    """An answer that no upstream validator looked at is for those who asked for it so."""
    chain = Chain(raw=True)
    chain.learn(WWW)
    chain.ask(WWW._replace(checking_disabled=True))
    assert chain.asked() == 2
