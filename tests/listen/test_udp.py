from __future__ import annotations

import socket
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError as Refused

from graydns.listen.door import Door
from graydns.listen.udp import BATCH, LARGEST_QUERY, BatchPort, DatagramProtocol
from tests.listen.running import reactor, running, turn, until
from tests.listen.tiny import TinyFront, question, reply_to


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest_twisted.ensureDeferred
async def test_answers_leave_for_where_the_question_came_from(host: str) -> None:
    """A hot question is answered from the address and port that were asked, over both families."""
    async with running(Door("udp", host, 0)) as open_doors:
        client = await open_doors.udp()
        client.send(question("hot", 1))
        assert await client.received(1) == [reply_to(question("hot", 1))]
        assert {(peer.address, peer.transport) for peer in open_doors.front.peers} == {(host, "udp")}
        await client.close()


@pytest_twisted.ensureDeferred
async def test_a_door_tells_its_tenant() -> None:
    """The front hears whose listener was asked."""
    async with running(Door("udp", "127.0.0.1", 0, "t-demo")) as open_doors:
        client = await open_doors.udp()
        client.send(question("hot"))
        await client.received(1)
        assert open_doors.front.peers[0].tenant == "t-demo"
        await client.close()


@pytest_twisted.ensureDeferred
async def test_a_burst_longer_than_one_wake_up_is_answered_whole() -> None:
    """What is left after a full batch is read at the next wake-up."""
    async with running("udp") as open_doors:
        client = await open_doors.udp()
        count = BATCH + BATCH // 2
        client.port.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        client.send(*(question("hot", number) for number in range(count)))
        numbers = {int.from_bytes(message[:2], "big") for message in await client.received(count)}
        assert numbers == set(range(count))
        await client.close()


@pytest_twisted.ensureDeferred
async def test_a_miss_is_answered_when_it_is_ready() -> None:
    """Other questions do not wait for it."""
    async with running("udp") as open_doors:
        client = await open_doors.udp()
        client.send(question("miss", 1), question("hot", 2))
        assert await client.received(1) == [reply_to(question("hot", 2))]
        open_doors.front.release(b"miss")
        assert (await client.received(2))[1] == reply_to(question("miss", 1))
        await client.close()


@pytest_twisted.ensureDeferred
async def test_closing_the_door_cancels_its_misses() -> None:
    """Nothing goes on working for clients that can no longer be answered."""
    async with running("udp") as open_doors:
        client = await open_doors.udp()
        client.send(question("miss"))
        await until(lambda: bool(open_doors.front.waiting))
        await open_doors.doors.stopService()
        assert open_doors.front.cancelled == [b"miss"]
        await client.close()


@pytest_twisted.ensureDeferred
async def test_what_deserves_no_answer_gets_none() -> None:
    """Responses, half headers and oversized datagrams do not reach the front; silence of the front stays silence."""
    async with running("udp") as open_doors:
        client = await open_doors.udp()
        response = reply_to(question("hot", 1))
        client.send(response, question("hot", 2)[:11], question("none", 3))
        client.send(question("hot", 4).ljust(LARGEST_QUERY + 1, b"\0"), question("hot", 5))
        assert await client.received(1) == [reply_to(question("hot", 5))]
        assert open_doors.front.asked == [b"none", b"hot"]
        await client.close()


@pytest_twisted.ensureDeferred
async def test_the_largest_query_is_read_whole() -> None:
    """A query of 4,096 octets is answered."""
    async with running("udp") as open_doors:
        client = await open_doors.udp()
        query = question("hot", 1).ljust(LARGEST_QUERY, b"\0")
        client.send(query)
        assert await client.received(1) == [reply_to(query)]
        await client.close()


def test_port_0_is_never_answered() -> None:
    """A datagram that claims to come from port 0 is dropped before anybody looks at it."""
    front = TinyFront()
    DatagramProtocol(front, reactor).datagramReceived(question("hot"), ("127.0.0.1", 0))
    assert front.asked == []


@pytest_twisted.ensureDeferred
async def test_a_question_that_breaks_the_front_costs_nobody_else_anything() -> None:
    """An exception is logged; the door stays open."""
    async with running("udp") as open_doors:
        client = await open_doors.udp()
        client.send(question("boom", 1), question("hot", 2))
        assert await client.received(1) == [reply_to(question("hot", 2))]
        await client.close()


@pytest_twisted.ensureDeferred
async def test_clients_that_went_away_cost_nobody_else_anything() -> None:
    """An answer that nobody takes any more leaves the door as it was."""
    async with running("udp") as open_doors:
        gone, client = await open_doors.udp(), await open_doors.udp()
        gone.send(question("miss", 1))
        await until(lambda: bool(open_doors.front.waiting))
        await gone.close()
        open_doors.front.release(b"miss")
        await turn(3)
        client.send(question("hot", 2))
        assert await client.received(1) == [reply_to(question("hot", 2))]
        await client.close()


def test_answers_the_kernel_does_not_take_are_dropped_and_counted() -> None:
    """A full send buffer loses answers, not the door."""

    class FullSocket:
        def sendto(self, data: bytes, address: object) -> int:
            raise BlockingIOError

    class FullPort:
        socket = FullSocket()

    door = DatagramProtocol(TinyFront(), reactor)
    transport: Any = FullPort()
    door.transport = transport
    door.datagramReceived(question("hot"), ("127.0.0.1", 5))
    assert door.dropped == 1


def test_errors_of_earlier_answers_do_not_end_a_wake_up() -> None:
    """An ICMP error that the socket reports is passed over."""
    front = TinyFront()

    class ReportingSocket:
        arriving: list[object] = [Refused(), (question("none"), ("127.0.0.1", 5)), BlockingIOError()]

        def recvfrom(self, size: int) -> object:
            arrived = self.arriving.pop(0)
            if isinstance(arrived, Exception):
                raise OSError(111, "refused") if isinstance(arrived, Refused) else arrived
            return arrived

    protocol = DatagramProtocol(front, reactor)
    port: Any = BatchPort(0, protocol, "127.0.0.1", LARGEST_QUERY, reactor)  # type: ignore[no-untyped-call]
    port.socket = ReportingSocket()
    port.doRead()
    assert front.asked == [b"none"]


@pytest_twisted.ensureDeferred
async def test_answers_are_not_to_be_fragmented_on_the_word_of_strangers() -> None:
    """Linux sockets ignore path MTU messages (IP_PMTUDISC_OMIT), and have a large receive buffer."""
    async with running("udp", Door("udp", "::1", 0)) as open_doors:
        four, six = (port.getHandle() for _, port in open_doors.doors._ports)  # type: ignore[attr-defined]
        assert four.getsockopt(socket.IPPROTO_IP, 10) == 5
        assert six.getsockopt(socket.IPPROTO_IPV6, 23) == 5
        plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        assert four.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= plain.getsockopt(
            socket.SOL_SOCKET, socket.SO_RCVBUF
        )
        plain.close()
    await Deferred.fromCoroutine(turn())
