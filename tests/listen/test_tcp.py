from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from attrs import define, field
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock

from graydns.listen.connections import CLOSE_TIMEOUT_SECONDS, ConnectionTracker, ListenerLimits
from graydns.listen.listener import Listener
from graydns.listen.tcp import StreamFactory, StreamProtocol
from graydns.model.transport import TCP
from tests.coroutines import on_reactor
from tests.listen.running import Running, running, stuck, turn, until
from tests.listen.tiny import TinyFront, framed, question, reply_to

LIMITS = ListenerLimits(max_pipelined=5)


def server_side(running_listeners: Running) -> Any:  # a StreamProtocol, looked into
    """The server's end of the only connection."""
    (connection,) = running_listeners.service.connections
    return connection


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@on_reactor
async def test_a_stream_may_come_octet_by_octet(host: str) -> None:
    """Two questions in segments of one octet each get their answers, over both families."""
    async with running(Listener(TCP, host, 0, "t-demo")) as running_listeners:
        client = await running_listeners.tcp()
        for octet in framed(question("hot", 1), question("hot", 2)):
            client.transport.write(bytes((octet,)))
            await turn()
        assert await client.received(2) == [reply_to(question("hot", 1)), reply_to(question("hot", 2))]
        (peer,) = running_listeners.front.peers
        assert (peer.address, peer.transport, peer.identity, peer.tenant) == (host, TCP, None, "t-demo")
        await client.close()


@on_reactor
async def test_thousands_of_questions_at_once_are_all_answered_in_order() -> None:
    """Hot questions do not count as pipelined, and keep their order."""
    async with running(TCP, limits=LIMITS) as running_listeners:
        client = await running_listeners.tcp()
        client.send(*(question("hot", number) for number in range(5000)))
        got = await client.received(5000)
        assert [int.from_bytes(message[:2], "big") for message in got] == list(range(5000))
        await client.close()


@on_reactor
async def test_answers_leave_when_they_are_ready() -> None:
    """A later question that is ready first is answered first (RFC 7766 section 7)."""
    async with running(TCP) as running_listeners:
        client = await running_listeners.tcp()
        client.send(question("miss-a", 1), question("miss-b", 2), question("hot", 3))
        await client.received(1)
        running_listeners.front.release(b"miss-b")
        await client.received(2)
        running_listeners.front.release(b"miss-a")
        assert [message[1] for message in await client.received(3)] == [3, 2, 1]
        await client.close()


@on_reactor
async def test_at_the_limit_the_listener_stops_reading_and_drops_nothing() -> None:
    """No more misses than allowed are pending at any time, and in the end every question has its answer."""
    async with running(TCP, limits=LIMITS) as running_listeners:
        client, front = await running_listeners.tcp(), running_listeners.front
        client.send(*(question(f"miss-{number}", number) for number in range(2000)))
        most = 0
        for _ in range(2000):
            await until(lambda: bool(front.waiting))
            most = max(most, len(front.waiting))
            front.release(min(front.waiting))
        assert len(await client.received(2000)) == 2000
        assert most == LIMITS.max_pipelined
        await client.close()


@on_reactor
async def test_a_client_that_does_not_read_costs_a_bounded_amount() -> None:
    """When answers pile up the listener takes no more questions, and once its time is over the client is dropped."""
    async with running(TCP) as running_listeners:
        client, front = await running_listeners.tcp(), running_listeners.front
        client.transport.pauseProducing()
        client.send(*(question("big", number) for number in range(3000)))
        connection = server_side(running_listeners)
        await stuck(running_listeners)
        asked = len(front.asked)
        # What the kernel takes varies; what the server keeps does not.
        transport = connection.transport
        assert len(transport.dataBuffer) + transport._tempDataLen <= 3 * 65536
        assert asked < 1000
        running_listeners.clock.advance(8)
        await until(lambda: len(running_listeners.service.connections) == 0)
        assert len(front.asked) == asked
        client.transport.abortConnection()
        await client.closed()


@on_reactor
async def test_a_client_that_reads_late_gets_everything() -> None:
    """Questions that waited because answers were not taken are answered once they are."""
    async with running(TCP) as running_listeners:
        client = await running_listeners.tcp()
        client.transport.pauseProducing()
        client.send(*(question("big", number) for number in range(300)))
        await until(lambda: len(running_listeners.service.connections.stalled) == 1)
        client.transport.resumeProducing()
        got = await client.received(300)
        assert [int.from_bytes(message[:2], "big") for message in got] == list(range(300))
        assert len(running_listeners.service.connections.stalled) == 0
        await client.close()


@on_reactor
async def test_an_idle_connection_is_closed() -> None:
    """A connection without a question for the idle time is closed in order, each question starting it anew."""
    async with running(TCP) as running_listeners:
        client = await running_listeners.tcp()
        await until(lambda: len(running_listeners.service.connections) == 1)
        running_listeners.clock.advance(7)
        client.send(question("hot"))
        await client.received(1)
        running_listeners.clock.advance(7)
        await turn(3)
        assert client.reason is None
        running_listeners.clock.advance(1)
        await client.closed()
        assert isinstance(client.reason, ConnectionDone)


@on_reactor
async def test_octets_that_complete_no_question_do_not_keep_a_connection() -> None:
    """A message that dribbles in is no activity."""
    async with running(TCP) as running_listeners:
        client = await running_listeners.tcp()
        for octet in framed(question("hot"))[:8]:
            client.transport.write(bytes((octet,)))
            await turn(3)
            running_listeners.clock.advance(1)
        await client.closed()


@on_reactor
async def test_a_connection_that_waits_for_an_answer_is_not_idle() -> None:
    """Its idle time runs from the last answer on."""
    async with running(TCP) as running_listeners:
        client = await running_listeners.tcp()
        client.send(question("miss"))
        await until(lambda: bool(running_listeners.front.waiting))
        running_listeners.clock.advance(60)
        running_listeners.front.release(b"miss")
        await client.received(1)
        running_listeners.clock.advance(7)
        await turn(3)
        assert client.reason is None
        running_listeners.clock.advance(1)
        await client.closed()


@on_reactor
async def test_a_client_that_has_asked_everything_still_gets_its_answers() -> None:
    """After the client's FIN, pending answers are sent, and then the connection is closed."""
    async with running(TCP) as running_listeners:
        client = await running_listeners.tcp()
        client.send(question("miss", 1), question("hot", 2))
        client.transport.loseWriteConnection()
        await until(lambda: bool(running_listeners.front.waiting))
        await turn(3)
        running_listeners.front.release(b"miss")
        await client.closed()
        assert client.messages == [reply_to(question("hot", 2)), reply_to(question("miss", 1))]


@on_reactor
async def test_a_fin_after_the_last_answer_ends_the_connection() -> None:
    """A client with nothing pending is not kept, half a message notwithstanding."""
    async with running(TCP) as running_listeners:
        client = await running_listeners.tcp()
        client.transport.write(framed(question("hot")) + b"\0\x20abc")
        await client.received(1)
        client.transport.loseWriteConnection()
        await client.closed()


@pytest.mark.parametrize("length", [0, 11])
@on_reactor
async def test_what_cannot_be_dns_ends_the_connection(length: int) -> None:
    """A length below that of a header closes the connection, after what was asked before is answered."""
    async with running(TCP) as running_listeners:
        client = await running_listeners.tcp()
        client.send(question("hot", 1), bytes(length), question("hot", 2))
        await client.closed()
        assert client.messages == [reply_to(question("hot", 1))]


@on_reactor
async def test_a_lost_connection_cancels_what_it_asked() -> None:
    """Nothing goes on working for a client that is gone."""
    async with running(TCP) as running_listeners:
        client = await running_listeners.tcp()
        client.send(question("miss-a"), question("miss-b"))
        await until(lambda: len(running_listeners.front.waiting) == 2)
        client.transport.abortConnection()
        await until(lambda: len(running_listeners.service.connections) == 0)
        assert sorted(running_listeners.front.cancelled) == [b"miss-a", b"miss-b"]


@on_reactor
async def test_a_question_that_breaks_the_front_ends_only_its_connection() -> None:
    """An exception is logged; the other connections go on."""
    async with running(TCP) as running_listeners:
        other, client = await running_listeners.tcp(), await running_listeners.tcp()
        client.send(question("boom"))
        await client.closed()
        other.send(question("hot"))
        await other.received(1)
        await other.close()


@on_reactor
async def test_silence_of_the_front_stays_silence() -> None:
    """A question the front does not answer keeps no place and no connection."""
    async with running(TCP) as running_listeners:
        client = await running_listeners.tcp()
        client.send(question("none", 1), question("hot", 2))
        assert await client.received(1) == [reply_to(question("hot", 2))]
        await client.close()


@on_reactor
async def test_one_source_gets_no_more_than_its_share() -> None:
    """A connection past ``max_per_source`` ends the one without a query for longest."""
    async with running(TCP, limits=ListenerLimits(max_per_source=2)) as running_listeners:
        first, second, third = [await running_listeners.tcp() for _ in range(3)]
        await first.closed()
        for client in (second, third):
            client.send(question("hot"))
            await client.received(1)
            await client.close()


@pytest.mark.parametrize("pieces", [[b"\0"], [b"\0\x20", b"x" * 9], [framed(question("hot")), b"\0\x20xx"]])
@on_reactor
async def test_a_message_must_be_complete_in_time(pieces: list[bytes]) -> None:
    """From its first octet on, however many octets trickle in; answers to earlier ones change nothing."""
    limits = ListenerLimits(tcp_message=2.0, tcp_idle=60.0)
    async with running(TCP, limits=limits) as running_listeners:
        client, waiting = await running_listeners.tcp(), await running_listeners.tcp()
        receiving = running_listeners.service.connections.receiving
        for piece in pieces:
            client.transport.write(piece)
            await turn(5)
        await until(lambda: len(receiving) == 1)
        running_listeners.clock.advance(1.5)
        client.transport.write(b"x")
        await turn(5)
        assert client.reason is None
        running_listeners.clock.advance(0.5)
        await client.closed()
        waiting.send(question("hot"))
        assert await waiting.received(1) == [reply_to(question("hot"))]
        await waiting.close()


@on_reactor
async def test_a_message_that_waits_for_us_has_time() -> None:
    """While queries of the connection are at the limit, nothing more is read, and the client is not to blame."""
    limits = ListenerLimits(max_pipelined=1, tcp_idle=60.0)
    async with running(TCP, limits=limits) as running_listeners:
        client = await running_listeners.tcp()
        hot = framed(question("hot"))
        client.transport.write(framed(question("miss")) + hot[:5])
        await until(lambda: len(running_listeners.front.waiting) == 1)
        running_listeners.clock.advance(10)
        running_listeners.front.release(b"miss")
        await client.received(1)
        client.transport.write(hot[5:])
        assert len(await client.received(2)) == 2
        assert len(running_listeners.service.connections.receiving) == 0
        await client.close()


@on_reactor
async def test_when_full_the_longest_idle_connection_goes() -> None:
    """The connection that asked longest ago makes room for a new one."""
    async with running(TCP, limits=ListenerLimits(max_connections=2)) as running_listeners:
        first, second = await running_listeners.tcp(), await running_listeners.tcp()
        for client in (second, first):
            client.send(question("hot"))
            await client.received(1)
            running_listeners.clock.advance(1)
        third = await running_listeners.tcp()
        await second.closed()
        for client in (first, third):
            client.send(question("hot"))
            await client.received(1)
            await client.close()


@on_reactor
async def test_a_client_that_takes_nothing_cannot_delay_the_end() -> None:
    """A closing connection that cannot be flushed is dropped after a moment."""
    async with running(TCP) as running_listeners:
        client = await running_listeners.tcp()
        client.transport.pauseProducing()
        client.send(*(question("big", number) for number in range(3000)))
        await stuck(running_listeners)
        stopped = running_listeners.service.stopService()
        await turn(5)
        assert not stopped.called
        running_listeners.clock.advance(CLOSE_TIMEOUT_SECONDS)
        await stopped
        client.transport.abortConnection()
        await client.closed()


@pytest.mark.parametrize("way", ["loseConnection", "abortConnection"])
@on_reactor
async def test_a_connection_that_ended_leaves_nothing_for_the_collector(way: str) -> None:
    """Full collections are off while serving, so a connection frees itself by reference count."""
    async with running(TCP) as running_listeners:
        client = await running_listeners.tcp()
        client.send(question("miss"), question("hot"))
        await client.received(1)
        connection = weakref.ref(server_side(running_listeners))
        gc.collect()
        gc.disable()
        try:
            getattr(client.transport, way)()
            await turn(3)
            if running_listeners.front.waiting:  # a client that closed may still be reading
                running_listeners.front.release(b"miss")
            await until(lambda: len(running_listeners.service.connections) == 0)
            await turn(2)
            assert connection() is None
        finally:
            gc.enable()


@define
class CountingTransport:
    """A transport that keeps what is written, write by write."""

    written: list[bytes] = field(factory=list)

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def __getattr__(self, name: str) -> Any:  # whatever else is called does nothing
        return lambda *args: None


@on_reactor
async def test_the_hot_answers_of_one_read_leave_in_one_write() -> None:
    """However many questions a segment holds, there is one write."""
    async with running(TCP) as running_listeners:
        client = await running_listeners.tcp()
        await until(lambda: len(running_listeners.service.connections) == 1)
        connection: StreamProtocol = server_side(running_listeners)
        transport, counting = connection.transport, CountingTransport()
        connection.transport = counting
        connection.dataReceived(framed(*(question("hot", number) for number in range(100))))
        assert counting.written == [framed(*(reply_to(question("hot", number)) for number in range(100)))]
        connection.transport = transport
        await client.close()


def test_inherited_attributes_that_are_not_honoured_raise() -> None:
    """Setting a resolver or a cache of DNSServerFactory has no effect, so reading it says so."""
    handler: Any = TinyFront()
    clock = Clock()
    factory: Any = StreamFactory(handler, ConnectionTracker(clock, ListenerLimits()), clock)
    for name in ("resolver", "cache", "canRecurse", "connections", "handleQuery", "sendReply"):
        with pytest.raises(AttributeError, match="handler"):
            getattr(factory, name)
