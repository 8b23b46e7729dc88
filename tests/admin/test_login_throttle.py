"""The delay after wrong passwords."""

from __future__ import annotations

from graydns.admin.login_throttle import BackoffPolicy, LoginThrottle


def make_attempts(throttle: LoginThrottle, source: str, count: int, now: float = 0.0) -> list[float]:
    """The delays of *count* attempts at *now*."""
    return [throttle.begin_attempt(source, now) for _ in range(count)]


def test_the_delay_doubles_after_the_free_attempts() -> None:
    """Up to its maximum."""
    throttle = LoginThrottle(
        BackoffPolicy(free_attempts=3, max_wait=10.0), BackoffPolicy(free_attempts=1000, max_wait=1.0)
    )
    assert make_attempts(throttle, "a", 4) == [0.0, 0.0, 0.0, 1.0]
    assert throttle.begin_attempt("a", 0.5) == 0.5
    now, delays = 1.0, []
    for _ in range(6):
        assert throttle.begin_attempt("a", now) == 0.0
        delays.append(throttle.begin_attempt("a", now))
        now += delays[-1]
    assert delays == [2.0, 4.0, 8.0, 10.0, 10.0, 10.0]


def test_sources_are_delayed_separately() -> None:
    """Failures of one source do not delay another."""
    throttle = LoginThrottle()
    make_attempts(throttle, "a", 10)
    assert throttle.begin_attempt("b", 0.0) == 0.0


def test_many_sources_are_delayed_together() -> None:
    """After the free attempts of all sources, a source without failures waits too."""
    throttle = LoginThrottle(overall=BackoffPolicy(free_attempts=20, max_wait=10.0))
    delays = [throttle.begin_attempt(f"source {number}", 0.0) for number in range(30)]
    assert delays == [0.0] * 20 + [1.0] * 10


def test_a_success_resets_the_source() -> None:
    """It has all its free attempts again."""
    throttle = LoginThrottle()
    make_attempts(throttle, "a", 3)
    assert throttle.begin_attempt("a", 5.0) == 0.0
    throttle.record_success("a")
    assert make_attempts(throttle, "a", 3, 5.0) == [0.0, 0.0, 0.0]


def test_failures_are_forgotten_with_time() -> None:
    """In the end all are, and forgetting never makes a delay longer."""
    throttle = LoginThrottle()
    for at in range(0, 3600, 10):
        throttle.begin_attempt("a", float(at))
    before = throttle.begin_attempt("a", 3600.0)
    assert throttle.begin_attempt("a", 3660.0) <= max(before - 60.0, 0.0)
    assert make_attempts(throttle, "a", 3, 20_000.0) == [0.0, 0.0, 0.0]


def test_the_number_of_sources_is_bounded() -> None:
    """However many sources there are."""
    throttle = LoginThrottle(overall=BackoffPolicy(free_attempts=10**9, max_wait=1.0))
    for number in range(5000):
        throttle.begin_attempt(f"source {number}", 0.0)
    assert len(throttle) == throttle.max_sources
