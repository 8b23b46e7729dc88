"""How soon a wrong password may be followed by another."""

from __future__ import annotations

from graydns.admin.gate import Gate, Patience


def waits(gate: Gate, source: str, count: int, now: float = 0.0) -> list[float]:
    """What each of *count* tries at *now* is told."""
    return [gate.enter(source, now) for _ in range(count)]


def test_the_first_tries_are_free_and_the_others_wait_longer_and_longer() -> None:
    """Each wrong try past the free ones doubles the wait, up to the most."""
    gate = Gate(Patience(free=3, most=10.0), Patience(free=1000, most=1.0))
    assert waits(gate, "a", 4) == [0.0, 0.0, 0.0, 1.0]
    assert gate.enter("a", 0.5) == 0.5
    now, told = 1.0, []
    for _ in range(6):
        assert gate.enter("a", now) == 0.0
        told.append(gate.enter("a", now))
        now += told[-1]
    assert told == [2.0, 4.0, 8.0, 10.0, 10.0, 10.0]


def test_sources_do_not_wait_for_each_other() -> None:
    """One source's wrong tries cost another nothing."""
    gate = Gate()
    waits(gate, "a", 10)
    assert gate.enter("b", 0.0) == 0.0


def test_all_sources_together_have_a_limit_too() -> None:
    """A crowd of sources with a try each has to wait after a while."""
    gate = Gate(total=Patience(free=20, most=10.0))
    told = [gate.enter(f"source {number}", 0.0) for number in range(30)]
    assert told == [0.0] * 20 + [1.0] * 10


def test_a_right_password_starts_the_source_anew() -> None:
    """After a right password the free tries are there again."""
    gate = Gate()
    waits(gate, "a", 3)
    assert gate.enter("a", 5.0) == 0.0
    gate.right("a")
    assert waits(gate, "a", 3, 5.0) == [0.0, 0.0, 0.0]


def test_wrong_tries_are_forgiven_with_time() -> None:
    """An hour later everything is as at the beginning, and forgiving never makes a wait longer."""
    gate = Gate()
    for at in range(0, 3600, 10):
        gate.enter("a", float(at))
    before = gate.enter("a", 3600.0)
    assert gate.enter("a", 3660.0) <= max(before - 60.0, 0.0)
    assert waits(gate, "a", 3, 20_000.0) == [0.0, 0.0, 0.0]


def test_what_is_remembered_is_bounded() -> None:
    """However many sources there are, only so many are remembered."""
    gate = Gate(total=Patience(free=10**9, most=1.0))
    for number in range(5000):
        gate.enter(f"source {number}", 0.0)
    assert len(gate) == gate.remembered
