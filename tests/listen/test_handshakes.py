from __future__ import annotations

from attrs import define
from twisted.internet.task import Clock

from graydns.listen.handshakes import MOST, PATIENCE, Handshakes


@define(eq=False)
class Shaking:
    """A handshake that only notes what it is told."""

    handshakes: Handshakes
    state: str = "running"

    def hold(self) -> None:
        self.state = "held"

    def begin(self) -> None:
        self.state = "running"

    def abort(self) -> None:
        self.state = "aborted"
        self.handshakes.leave(self)


def crowd(size: int) -> tuple[Clock, Handshakes, list[Shaking]]:
    clock = Clock()
    handshakes = Handshakes(clock)
    shaking = [Shaking(handshakes) for _ in range(size)]
    for each in shaking:
        handshakes.enter(each)
    return clock, handshakes, shaking


def test_no_more_than_so_many_run() -> None:
    """Handshakes past the limit are held."""
    _, handshakes, shaking = crowd(MOST + 2)
    assert [each.state for each in shaking] == ["running"] * MOST + ["held"] * 2
    assert len(handshakes) == MOST


def test_a_free_place_goes_to_who_waits_longest() -> None:
    """When a handshake is done, the first of those that wait begins."""
    _, handshakes, shaking = crowd(MOST + 2)
    handshakes.leave(shaking[7])
    assert [each.state for each in shaking[MOST:]] == ["running", "held"]


def test_who_leaves_the_queue_never_begins() -> None:
    """A connection that is gone while it waits takes no place."""
    _, handshakes, shaking = crowd(MOST + 2)
    handshakes.leave(shaking[MOST])
    handshakes.leave(shaking[0])
    assert [each.state for each in shaking[MOST:]] == ["held", "running"]


def test_slow_handshakes_make_room_when_others_wait() -> None:
    """Silent clients on all places shut nobody out for longer than the patience."""
    clock, _, shaking = crowd(MOST + 2)
    clock.advance(PATIENCE)
    assert [each.state for each in shaking[:2]] == ["aborted", "aborted"]
    assert [each.state for each in shaking[MOST:]] == ["running", "running"]
    assert sum(each.state == "aborted" for each in shaking) == 2


def test_slow_handshakes_keep_their_place_when_nobody_waits() -> None:
    """How long a handshake may take at most is not decided here."""
    clock, handshakes, shaking = crowd(MOST)
    clock.pump([PATIENCE] * 5)
    assert {each.state for each in shaking} == {"running"}
    late = Shaking(handshakes)
    handshakes.enter(late)
    clock.advance(PATIENCE)
    assert late.state == "running"
