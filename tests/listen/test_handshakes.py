from __future__ import annotations

from attrs import define
from twisted.internet.task import Clock

from graydns.listen.connections import HANDSHAKE_SLOT_TIMEOUT_SECONDS, MAX_CONCURRENT_HANDSHAKES, HandshakeLimiter


@define(eq=False)
class Shaking:
    """A handshake that only notes what it is told."""

    handshakes: HandshakeLimiter
    state: str = "running"
    source: bytes = bytes(4)

    def finish(self) -> None:
        self.state = "finished"

    def close(self) -> None:
        self.state = "closed"

    def pause_reading(self) -> None:
        self.state = "held"

    def resume_reading(self) -> None:
        self.state = "running"

    def abort(self) -> None:
        self.state = "aborted"
        self.handshakes.release(self)


def crowd(size: int) -> tuple[Clock, HandshakeLimiter, list[Shaking]]:
    clock = Clock()
    handshakes = HandshakeLimiter(clock)
    shaking = [Shaking(handshakes) for _ in range(size)]
    for each in shaking:
        handshakes.acquire(each)
    return clock, handshakes, shaking


def test_no_more_than_so_many_run() -> None:
    """Handshakes past the limit are held."""
    _, handshakes, shaking = crowd(MAX_CONCURRENT_HANDSHAKES + 2)
    assert [each.state for each in shaking] == ["running"] * MAX_CONCURRENT_HANDSHAKES + ["held"] * 2
    assert len(handshakes) == MAX_CONCURRENT_HANDSHAKES


def test_a_free_place_goes_to_who_waits_longest() -> None:
    """When a handshake is done, the first of those that wait begins."""
    _, handshakes, shaking = crowd(MAX_CONCURRENT_HANDSHAKES + 2)
    handshakes.release(shaking[7])
    assert [each.state for each in shaking[MAX_CONCURRENT_HANDSHAKES:]] == ["running", "held"]


def test_who_leaves_the_queue_never_begins() -> None:
    """A connection that is gone while it waits takes no place."""
    _, handshakes, shaking = crowd(MAX_CONCURRENT_HANDSHAKES + 2)
    handshakes.release(shaking[MAX_CONCURRENT_HANDSHAKES])
    handshakes.release(shaking[0])
    assert [each.state for each in shaking[MAX_CONCURRENT_HANDSHAKES:]] == ["held", "running"]


def test_slow_handshakes_make_room_when_others_wait() -> None:
    """Silent clients on all places shut nobody out for longer than the patience."""
    clock, _, shaking = crowd(MAX_CONCURRENT_HANDSHAKES + 2)
    clock.advance(HANDSHAKE_SLOT_TIMEOUT_SECONDS)
    assert [each.state for each in shaking[:2]] == ["aborted", "aborted"]
    assert [each.state for each in shaking[MAX_CONCURRENT_HANDSHAKES:]] == ["running", "running"]
    assert sum(each.state == "aborted" for each in shaking) == 2


def test_slow_handshakes_keep_their_place_when_nobody_waits() -> None:
    """How long a handshake may take at most is not decided here."""
    clock, handshakes, shaking = crowd(MAX_CONCURRENT_HANDSHAKES)
    clock.pump([HANDSHAKE_SLOT_TIMEOUT_SECONDS] * 5)
    assert {each.state for each in shaking} == {"running"}
    late = Shaking(handshakes)
    handshakes.acquire(late)
    clock.advance(HANDSHAKE_SLOT_TIMEOUT_SECONDS)
    assert late.state == "running"
