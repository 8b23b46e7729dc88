"""A token bucket allows a second's worth at once, and then its rate."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from graydns.runtime.token_bucket import TokenBucket


def test_a_second_s_worth_comes_at_once_and_is_refilled() -> None:
    """The burst is the rate; half a second gives half of it back."""
    bucket = TokenBucket(10)
    assert sum(bucket.try_consume(5.0) for _ in range(50)) == 10
    assert sum(bucket.try_consume(5.5) for _ in range(50)) == 5
    assert sum(bucket.try_consume(100.0) for _ in range(50)) == 10


def test_without_a_rate_everything_may_happen() -> None:
    """None is no limit."""
    bucket = TokenBucket()
    assert bucket.has_token(0.0)
    assert all(bucket.try_consume(0.0) for _ in range(1000))


@given(st.lists(st.floats(0.0, 0.2), max_size=60))
def test_asking_consumes_nothing(pauses: list[float]) -> None:
    """``has_token`` says what ``try_consume`` would, and changes nothing."""
    bucket, now = TokenBucket(7), 0.0
    for pause in pauses:
        now += pause
        expected = bucket.has_token(now)
        assert bucket.has_token(now) == expected
        assert bucket.try_consume(now) == expected
