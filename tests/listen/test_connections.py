from __future__ import annotations

import pytest
from attrs import define, evolve
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from graydns.listen.connections import ConnectionTracker, ListenerLimits, mask_source


@define(eq=False)
class Connected:
    """A connection that only notes what it is told."""

    source: bytes
    state: str = "open"

    def finish(self) -> None:
        self.state = "finished"

    def close(self) -> None:
        self.state = "closed"

    def abort(self) -> None:
        self.state = "aborted"

    def pause_reading(self) -> None:
        self.state = "held"

    def resume_reading(self) -> None:
        self.state = "open"


LIMITS = ListenerLimits(max_connections=3, max_per_source=2)


def join(connections: ConnectionTracker, *hosts: int) -> list[Connected]:
    """Connect from 192.0.HOST.1 each."""
    joined = []
    for host in hosts:
        connected = Connected(bytes((192, 0, host, 1)))
        assert connections.admit(connected.source)
        connections.add(connected)
        connections.idle.start(connected)
        joined.append(connected)
    return joined


@pytest.mark.parametrize(
    ("source", "network"),
    [
        (bytes((192, 0, 2, 77)), bytes((192, 0, 2))),
        (bytes(10) + b"\xff\xff" + bytes((192, 0, 2, 77)), bytes((192, 0, 2))),
        (bytes.fromhex("20010db8000102030405060708090a0b"), bytes.fromhex("20010db8000102")),
    ],
)
def test_a_source_is_a_24_or_a_56(source: bytes, network: bytes) -> None:
    """Clients are counted by /24, mapped or not, and by /56."""
    assert mask_source(source) == network


def test_one_source_gets_no_more_than_its_share() -> None:
    """A third connection of a /24 is refused where two are allowed, another /24 is not."""
    connections = ConnectionTracker(Clock(), LIMITS)
    join(connections, 2, 2)
    assert not connections.admit(bytes((192, 0, 2, 200)))
    assert connections.admit(bytes((192, 0, 3, 200)))
    assert connections.refused == 1


def test_a_place_of_a_source_is_free_again_after_its_connection() -> None:
    """What has ended does not count, and is not counted off twice."""
    connections = ConnectionTracker(Clock(), LIMITS)
    first, _ = join(connections, 2, 2)
    connections.remove(first)
    connections.remove(first)
    join(connections, 2)
    assert not connections.admit(first.source)


def test_when_full_the_longest_idle_goes() -> None:
    """The connection whose last query is longest ago makes room, busy ones do not."""
    connections = ConnectionTracker(Clock(), LIMITS)
    busy, older, newer = join(connections, 1, 2, 3)
    connections.idle.stop(busy)
    connections.idle.start(newer)
    join(connections, 4)
    assert [each.state for each in (busy, older, newer)] == ["open", "aborted", "open"]
    assert connections.evicted == 1
    assert len(connections) == 3


def test_when_full_and_none_idle_the_new_one_is_refused() -> None:
    """Nobody who waits for an answer is thrown out for somebody else."""
    connections = ConnectionTracker(Clock(), LIMITS)
    for each in join(connections, 1, 2, 3):
        connections.idle.stop(each)
    assert not connections.admit(bytes((192, 0, 4, 1)))
    assert connections.refused == 1


def test_a_source_at_its_share_evicts_nobody() -> None:
    """A refused source costs the others nothing."""
    connections = ConnectionTracker(Clock(), LIMITS)
    joined = join(connections, 1, 1, 2)
    assert not connections.admit(joined[0].source)
    assert {each.state for each in joined} == {"open"}


def test_each_state_lasts_its_time() -> None:
    """Idle ones are closed; stalled, closing and late handshakes are dropped."""
    clock = Clock()
    connections = ConnectionTracker(clock, evolve(LIMITS, max_per_source=9, max_connections=9))
    idle, stalled, closing, shaking = join(connections, 1, 2, 3, 4)
    for each in (stalled, closing, shaking):
        connections.idle.stop(each)
    connections.stalled.start(stalled)
    connections.closing.start(closing)
    connections.handshaking.start(shaking)
    states = []
    for _ in range(4):
        clock.advance(2)
        states.append("".join(each.state[0] for each in (idle, stalled, closing, shaking)))
    assert states == ["oooo", "oooa", "oooa", "caaa"]


def test_closing_waits_for_the_last() -> None:
    """Closing is done when every connection has gone."""
    clock = Clock()
    connections = ConnectionTracker(clock, LIMITS)
    joined = join(connections, 1, 2)
    done = Deferred.fromCoroutine(connections.close())
    assert {each.state for each in joined} == {"closed"}
    connections.remove(joined[0])
    assert not done.called
    connections.remove(joined[1])
    assert done.called
    assert clock.getDelayedCalls() == []
