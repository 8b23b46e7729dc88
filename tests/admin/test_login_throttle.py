"""How soon a wrong password may be followed by another."""

from __future__ import annotations

from graydns.admin.login_throttle import BackoffPolicy, LoginThrottle


def waits(gate: LoginThrottle, source: str, count: int, now: float = 0.0) -> list[float]:
    """What each of *count* tries at *now* is told."""
    return [gate.begin_attempt(source, now) for _ in range(count)]


def test_the_first_tries_are_free_and_the_others_wait_longer_and_longer() -> None:
    """Each wrong try past the free ones doubles the wait, up to the most."""
    gate = LoginThrottle(BackoffPolicy(free_attempts=3, max_wait=10.0), BackoffPolicy(free_attempts=1000, max_wait=1.0))
    assert waits(gate, "a", 4) == [0.0, 0.0, 0.0, 1.0]
    assert gate.begin_attempt("a", 0.5) == 0.5
    now, told = 1.0, []
    for _ in range(6):
        assert gate.begin_attempt("a", now) == 0.0
        told.append(gate.begin_attempt("a", now))
        now += told[-1]
    assert told == [2.0, 4.0, 8.0, 10.0, 10.0, 10.0]


def test_sources_do_not_wait_for_each_other() -> None:
    """One source's wrong tries cost another nothing."""
    gate = LoginThrottle()
    waits(gate, "a", 10)
    assert gate.begin_attempt("b", 0.0) == 0.0


def test_all_sources_together_have_a_limit_too() -> None:
    """A crowd of sources with a try each has to wait after a while."""
    gate = LoginThrottle(overall=BackoffPolicy(free_attempts=20, max_wait=10.0))
    told = [gate.begin_attempt(f"source {number}", 0.0) for number in range(30)]
    assert told == [0.0] * 20 + [1.0] * 10


def test_a_right_password_starts_the_source_anew() -> None:
    """After a right password the free tries are there again."""
    gate = LoginThrottle()
    waits(gate, "a", 3)
    assert gate.begin_attempt("a", 5.0) == 0.0
    gate.record_success("a")
    assert waits(gate, "a", 3, 5.0) == [0.0, 0.0, 0.0]


def test_wrong_tries_are_forgiven_with_time() -> None:
    """An hour later everything is as at the beginning, and forgiving never makes a wait longer."""
    gate = LoginThrottle()
    for at in range(0, 3600, 10):
        gate.begin_attempt("a", float(at))
    before = gate.begin_attempt("a", 3600.0)
    assert gate.begin_attempt("a", 3660.0) <= max(before - 60.0, 0.0)
    assert waits(gate, "a", 3, 20_000.0) == [0.0, 0.0, 0.0]


def test_what_is_remembered_is_bounded() -> None:
    """However many sources there are, only so many are remembered."""
    gate = LoginThrottle(overall=BackoffPolicy(free_attempts=10**9, max_wait=1.0))
    for number in range(5000):
        gate.begin_attempt(f"source {number}", 0.0)
    assert len(gate) == gate.max_sources
