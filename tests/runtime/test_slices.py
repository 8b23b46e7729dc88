"""Work in slices: its result, its errors, and that all work of a clock shares the time between two turns."""

from __future__ import annotations

from collections.abc import Callable, Generator

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from graydns.runtime.slices import MAX_SLICE_SECONDS, run_in_slices
from tests.coroutines import finished

#: Steps that fit into a slice.
STEPS = 4


@define(eq=False)
class Call:
    """A call in the next turn."""

    function: Callable[[], object]
    pending: bool = True

    def active(self) -> bool:
        return self.pending

    def cancel(self) -> None:
        self.pending = False


@define(eq=False)
class Turns:
    """A clock whose turns are taken one by one, and whose time passes with the work."""

    now: float = 0.0
    calls: list[Call] = field(init=False, factory=list)

    def seconds(self) -> float:
        return self.now

    def callLater(self, delay: float, function: Callable[[], object], /) -> Call:
        assert delay == 0
        self.calls.append(Call(function))
        return self.calls[-1]

    def turn(self) -> None:
        """What was scheduled before this turn."""
        calls, self.calls = self.calls, []
        for call in calls:
            if call.pending:
                call.pending = False
                call.function()


def work(clock: Turns, steps: int, log: list[float]) -> Generator[None, None, str]:
    """Steps of a quarter of a slice each; *log*: when each was taken."""
    for _ in range(steps):
        log.append(clock.seconds())
        clock.now += MAX_SLICE_SECONDS / STEPS
        yield
    return "done"


def test_short_work_takes_no_turn_of_the_reactor() -> None:
    """Work that fits into one slice is complete when the call returns, and schedules nothing."""
    clock, log = Turns(), list[float]()
    assert finished(run_in_slices(clock, work(clock, STEPS - 1, log))) == "done"
    assert not clock.calls


def test_long_work_gives_way_after_each_slice() -> None:
    """Its result comes after as many turns as it has slices beyond the first."""
    clock, log, results = Turns(), list[float](), list[str]()
    Deferred.fromCoroutine(run_in_slices(clock, work(clock, 3 * STEPS, log))).addCallback(results.append)
    assert len(log) == STEPS
    clock.turn()
    assert len(log) == 2 * STEPS
    assert not results
    while not results:
        clock.turn()
    assert results == ["done"]


def test_all_work_of_a_clock_shares_a_slice() -> None:
    """Eight jobs do not take eight slices between two turns, and each makes progress."""
    clock = Turns()
    logs: list[list[float]] = [[] for _ in range(8)]
    for log in logs:
        Deferred.fromCoroutine(run_in_slices(clock, work(clock, 10 * STEPS, log)))
    taken = [len(log) for log in logs]
    began = clock.seconds()
    clock.turn()
    assert clock.seconds() - began <= MAX_SLICE_SECONDS * 1.01
    clock.turn()
    assert all(len(log) > before for log, before in zip(logs, taken, strict=True))


def test_an_error_of_a_step_is_raised() -> None:
    """Whichever slice it happens in."""

    def failing(steps: int) -> Generator[None, None, None]:
        yield from work(clock, steps, [])
        raise LookupError("no such step")

    clock = Turns()
    for steps in (1, 2 * STEPS):
        waiting = Deferred.fromCoroutine(run_in_slices(clock, failing(steps)))
        for _ in range(3):
            clock.turn()
        failures: list[Failure] = []
        waiting.addErrback(failures.append)
        assert isinstance(failures[0].value, LookupError)


def test_cancelling_ends_the_work() -> None:
    """No step is taken any more, and the generator is closed."""
    clock, log = Turns(), list[float]()
    waiting = Deferred.fromCoroutine(run_in_slices(clock, work(clock, 10 * STEPS, log)))
    failures: list[Failure] = []
    waiting.addErrback(failures.append)
    waiting.cancel()
    assert isinstance(failures[0].value, CancelledError)
    for _ in range(3):
        clock.turn()
    assert len(log) == STEPS
