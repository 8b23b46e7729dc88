"""Work of many queries leaves room for others."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from graydns.resolve.workers import MAX_TURN_SECONDS, TurnLimiter

WORK = 0.001


@define(eq=False)
class Reactor:
    """Turns, one at a time."""

    waiting: list[Callable[[], object]] = field(factory=list)

    def callLater(self, delay: float, call: Callable[[], object]) -> None:
        """As IReactorTime, for the next turn."""
        assert delay == 0
        self.waiting.append(call)

    def turn(self) -> bool:
        """Make the calls of the next turn; whether there were any."""
        calls, self.waiting = self.waiting, []
        for call in calls:
            call()
        return bool(calls)


@define(eq=False)
class Desk:
    """Pieces of work that take *each* seconds. *done*: their numbers."""

    each: float = WORK
    reactor: Reactor = field(factory=Reactor)
    now: float = 1000.0
    done: list[int] = field(factory=list)
    pace: TurnLimiter = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.pace = TurnLimiter(self.reactor, lambda: self.now)

    async def work(self, number: int) -> None:
        await self.pace.pause()
        self.now += self.each
        self.done.append(number)

    def begin(self, number: int) -> Deferred[None]:
        return Deferred.fromCoroutine(self.work(number))


def test_work_of_many_turns_never_waits() -> None:
    """However long each piece takes, and however soon the next turn comes."""
    desk = Desk(each=0.017)
    for number in range(100):
        desk.begin(number)
        assert len(desk.done) == number + 1
        desk.reactor.turn()
    assert not desk.reactor.waiting


def test_dear_work_has_turns_of_its_own() -> None:
    """What takes longer than a turn should is followed by nothing else in it."""
    desk = Desk(each=0.017)
    for number in range(5):
        desk.begin(number)
    for turn in range(1, 6):
        assert desk.done == list(range(turn))
        desk.reactor.turn()


def test_a_burst_is_spread_over_turns_in_its_order() -> None:
    """Of a hundred pieces that come at once, as many are done in a turn as take MOST seconds."""
    desk = Desk()
    for number in range(100):
        desk.begin(number)
    seen = [0, len(desk.done)]
    while desk.reactor.turn():
        seen.append(len(desk.done))
    turns = [after - before for before, after in pairwise(seen)]
    assert desk.done == list(range(100))
    assert max(turns) <= MAX_TURN_SECONDS / WORK + 1


def test_who_comes_while_others_wait_waits_behind_them() -> None:
    desk = Desk()
    for number in range(10):
        desk.begin(number)
    desk.begin(10)
    assert len(desk.done) < 10
    while desk.reactor.turn():
        pass
    assert desk.done == list(range(11))


def ended(failure: Failure) -> None:
    failure.trap(CancelledError)


def test_who_leaves_does_not_hold_up_the_others() -> None:
    desk = Desk()
    running = [desk.begin(number) for number in range(20)]
    running[12].addErrback(ended)
    running[12].cancel()
    while desk.reactor.turn():
        pass
    assert desk.done == [number for number in range(20) if number != 12]
