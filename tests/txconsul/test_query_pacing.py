"""How often a watch may ask."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from txconsul.watch import QueryBackoff, QueryTokenBucket


def test_a_burst_is_let_through_and_then_spaced() -> None:
    """Two at once, then one an interval."""
    bucket, now, sent = QueryTokenBucket(2, 0.5), 10.0, []
    for _ in range(5):
        now += bucket.take(now)
        sent.append(now)
    assert sent == [10.0, 10.0, 10.5, 11.0, 11.5]


def test_a_rest_fills_the_bucket_to_its_burst_and_no_further() -> None:
    """However long it was."""
    bucket = QueryTokenBucket(2, 0.5)
    for _ in range(4):
        bucket.take(0.0)
    assert [bucket.take(100.0) for _ in range(3)] == [0.0, 0.0, 0.5]


@given(st.lists(st.floats(0, 3), min_size=1, max_size=60), st.integers(1, 5))
def test_no_window_has_more_than_its_share(gaps: list[float], burst: int) -> None:
    """In any stretch of time as many as were saved up, and one for each interval of it."""
    bucket, now, sent = QueryTokenBucket(burst, 1.0), 0.0, []
    for gap in gaps:
        now += gap
        now += bucket.take(now)
        sent.append(now)
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            assert last - first + 1 <= burst + (sent[last] - sent[first]) + 1e-6


def test_pauses_double_up_to_the_longest() -> None:
    """With the longest lot they are whole."""
    backoff = QueryBackoff(0.1, 0.8)
    assert [backoff.next_pause(1.0) for _ in range(5)] == [0.1, 0.2, 0.4, 0.8, 0.8]


def test_half_of_a_pause_is_by_lot() -> None:
    """Those who failed together do not come back together."""
    assert QueryBackoff(1.0, 8.0).next_pause(0.0) == 0.5


def test_success_starts_over() -> None:
    """The next error waits as the first one did."""
    backoff = QueryBackoff(0.1, 0.8)
    backoff.next_pause(1.0)
    backoff.reset()
    assert backoff.next_pause(1.0) == 0.1
