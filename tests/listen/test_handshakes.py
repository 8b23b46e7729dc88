from __future__ import annotations

from attrs import define
from twisted.internet.task import Clock

from graydns.listen.connections import HANDSHAKE_SLOT_SECONDS, MAX_CONCURRENT_HANDSHAKES, HandshakeLimiter


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


def test_slow_handshakes_go_on_without_a_slot() -> None:
    """Silent clients keep others waiting for a moment only, and are not ended for it."""
    clock, handshakes, shaking = crowd(MAX_CONCURRENT_HANDSHAKES + 2)
    clock.advance(HANDSHAKE_SLOT_SECONDS)
    assert {each.state for each in shaking} == {"running"}
    assert len(handshakes) == 2
    clock.advance(HANDSHAKE_SLOT_SECONDS)
    assert len(handshakes) == 0
    assert clock.getDelayedCalls() == []
