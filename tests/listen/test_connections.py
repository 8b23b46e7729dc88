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
        connections.make_room(connected.source)
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
    """A third connection of a /24 ends the first where two are allowed; that of another /24 ends none."""
    connections = ConnectionTracker(Clock(), LIMITS)
    first, second, other, third = join(connections, 2, 2, 3, 2)
    assert [each.state for each in (first, second, other, third)] == ["aborted", "open", "open", "open"]
    assert (connections.evicted, len(connections)) == (1, 3)


def test_a_connection_that_has_ended_does_not_count() -> None:
    """And is not counted off twice."""
    connections = ConnectionTracker(Clock(), LIMITS)
    first, second = join(connections, 2, 2)
    connections.remove(first)
    connections.remove(first)
    connections.note_query(first)
    join(connections, 2)
    assert second.state == "open"
    join(connections, 2)
    assert second.state == "aborted"


@pytest.mark.parametrize("state", ["handshaking", "idle", "receiving", "stalled", "closing", None])
def test_the_one_without_a_query_for_longest_goes(state: str | None) -> None:
    """In whatever state: handshakes, half messages and pending queries are no protection."""
    connections = ConnectionTracker(Clock(), LIMITS)
    older, newer, oldest = join(connections, 1, 2, 3)
    for each in (older, newer):
        connections.note_query(each)
    connections.idle.stop(oldest)
    if state is not None:
        getattr(connections, state).start(oldest)
    join(connections, 4)
    assert [each.state for each in (older, newer, oldest)] == ["open", "open", "aborted"]
    assert (connections.evicted, len(connections)) == (1, 3)


def test_connections_held_open_shut_nobody_out() -> None:
    """Whoever comes is let in, and keeps its connection while others come, as long as it asks."""
    connections = ConnectionTracker(Clock(), LIMITS)
    held = join(connections, 1, 1)
    (client,) = join(connections, 1)
    for _ in range(10):
        connections.note_query(client)
        held += join(connections, 1)
    assert client.state == "open"
    assert [each.state for each in held] == ["aborted"] * 11 + ["open"]


def test_each_state_lasts_its_time() -> None:
    """Idle ones are closed; stalled, closing, late handshakes and unfinished messages are dropped."""
    clock = Clock()
    connections = ConnectionTracker(clock, evolve(LIMITS, max_per_source=9, max_connections=9))
    idle, stalled, closing, shaking, receiving = join(connections, 1, 2, 3, 4, 5)
    for each in (stalled, closing, shaking, receiving):
        connections.idle.stop(each)
    connections.receiving.start(receiving)
    connections.stalled.start(stalled)
    connections.closing.start(closing)
    connections.handshaking.start(shaking)
    states = []
    for _ in range(4):
        clock.advance(2)
        states.append("".join(each.state[0] for each in (idle, stalled, closing, shaking, receiving)))
    assert states == ["ooooa", "oooaa", "oooaa", "caaaa"]


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
