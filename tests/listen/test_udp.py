from __future__ import annotations

import socket
import sys
from errno import ECONNREFUSED
from typing import Any

import pytest
from attrs import define, field

from graydns.listen.listener import Listener
from graydns.listen.udp import (
    MAX_DATAGRAMS_PER_READ,
    MAX_UDP_QUERY_BYTES,
    BatchReadPort,
    UdpListenerProtocol,
    tune_socket,
)
from graydns.model.transport import UDP
from graydns.runtime.twisted_types import SocketAddress
from tests.coroutines import on_reactor
from tests.listen.running import reactor, running, turn, until
from tests.listen.tiny import TinyFront, question, reply_to


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@on_reactor
async def test_answers_leave_for_where_the_question_came_from(host: str) -> None:
    """A hot question is answered from the address and port that were asked, over both families."""
    async with running(Listener(UDP, host, 0)) as running_listeners:
        client = await running_listeners.udp()
        client.send(question("hot", 1))
        assert await client.received(1) == [reply_to(question("hot", 1))]
        assert {(peer.address, peer.transport) for peer in running_listeners.front.peers} == {(host, UDP)}
        await client.close()


@on_reactor
async def test_a_listener_tells_its_tenant() -> None:
    """The handler gets the tenant of the listener."""
    async with running(Listener(UDP, "127.0.0.1", 0, "t-demo")) as running_listeners:
        client = await running_listeners.udp()
        client.send(question("hot"))
        await client.received(1)
        assert running_listeners.front.peers[0].tenant == "t-demo"
        await client.close()


@on_reactor
async def test_a_burst_longer_than_one_wake_up_is_answered_whole() -> None:
    """What is left after a full batch is read at the next wake-up."""
    async with running(UDP) as running_listeners:
        client = await running_listeners.udp()
        count = MAX_DATAGRAMS_PER_READ + MAX_DATAGRAMS_PER_READ // 2
        client.port.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        client.send(*(question("hot", number) for number in range(count)))
        numbers = {int.from_bytes(message[:2], "big") for message in await client.received(count)}
        assert numbers == set(range(count))
        await client.close()


@on_reactor
async def test_a_miss_is_answered_when_it_is_ready() -> None:
    """Other questions do not wait for it."""
    async with running(UDP) as running_listeners:
        client = await running_listeners.udp()
        client.send(question("miss", 1), question("hot", 2))
        assert await client.received(1) == [reply_to(question("hot", 2))]
        running_listeners.front.release(b"miss")
        assert (await client.received(2))[1] == reply_to(question("miss", 1))
        await client.close()


@on_reactor
async def test_closing_the_listener_cancels_its_misses() -> None:
    """Nothing goes on working for clients that can no longer be answered."""
    async with running(UDP) as running_listeners:
        client = await running_listeners.udp()
        client.send(question("miss"))
        await until(lambda: bool(running_listeners.front.waiting))
        await running_listeners.service.stopService()
        assert running_listeners.front.cancelled == [b"miss"]
        await client.close()


@on_reactor
async def test_what_deserves_no_answer_gets_none() -> None:
    """Responses, half headers and oversized datagrams do not reach the front; silence of the front stays silence."""
    async with running(UDP) as running_listeners:
        client = await running_listeners.udp()
        response = reply_to(question("hot", 1))
        client.send(response, question("hot", 2)[:11], question("none", 3))
        client.send(question("hot", 4).ljust(MAX_UDP_QUERY_BYTES + 1, b"\0"), question("hot", 5))
        assert await client.received(1) == [reply_to(question("hot", 5))]
        assert running_listeners.front.asked == [b"none", b"hot"]
        await client.close()


@on_reactor
async def test_the_largest_query_is_read_whole() -> None:
    """A query of 4,096 octets is answered."""
    async with running(UDP) as running_listeners:
        client = await running_listeners.udp()
        query = question("hot", 1).ljust(MAX_UDP_QUERY_BYTES, b"\0")
        client.send(query)
        assert await client.received(1) == [reply_to(query)]
        await client.close()


def test_port_0_is_never_answered() -> None:
    """A datagram that claims to come from port 0 is dropped before anybody looks at it."""
    front = TinyFront()
    UdpListenerProtocol(front, reactor).datagramReceived(question("hot"), ("127.0.0.1", 0))
    assert front.asked == []


@on_reactor
async def test_a_question_that_breaks_the_front_costs_nobody_else_anything() -> None:
    """An exception is logged; the listener stays open."""
    async with running(UDP) as running_listeners:
        client = await running_listeners.udp()
        client.send(question("boom", 1), question("hot", 2))
        assert await client.received(1) == [reply_to(question("hot", 2))]
        await client.close()


@on_reactor
async def test_clients_that_went_away_cost_nobody_else_anything() -> None:
    """An answer that nobody takes any more leaves the listener as it was."""
    async with running(UDP) as running_listeners:
        gone, client = await running_listeners.udp(), await running_listeners.udp()
        gone.send(question("miss", 1))
        await until(lambda: bool(running_listeners.front.waiting))
        await gone.close()
        running_listeners.front.release(b"miss")
        await turn(3)
        client.send(question("hot", 2))
        assert await client.received(1) == [reply_to(question("hot", 2))]
        await client.close()


@define
class ScriptedSocket:
    """A socket with something to read, that may be too full to write to."""

    arriving: list[tuple[bytes, SocketAddress] | OSError] = field(factory=list)
    full: bool = False
    sent: list[tuple[bytes, SocketAddress]] = field(factory=list)

    @property
    def socket(self) -> ScriptedSocket:
        """Like a port, it has a socket."""
        return self

    def recvfrom(self, size: int) -> tuple[bytes, SocketAddress]:
        arrived = self.arriving.pop(0)
        if isinstance(arrived, OSError):
            raise arrived
        return arrived

    def sendto(self, data: bytes, address: SocketAddress) -> int:
        if self.full:
            raise BlockingIOError
        self.sent.append((data, address))
        return len(data)


def scripted(front: TinyFront, scripted_socket: ScriptedSocket) -> tuple[UdpListenerProtocol, BatchReadPort]:
    protocol: Any = UdpListenerProtocol(front, reactor)
    port: Any = BatchReadPort(0, protocol, "127.0.0.1", MAX_UDP_QUERY_BYTES, reactor)
    protocol.transport = port.socket = scripted_socket
    return protocol, port


def test_answers_the_kernel_does_not_take_are_dropped_and_counted() -> None:
    """A full send buffer loses answers, not the listener."""
    protocol, _ = scripted(TinyFront(), ScriptedSocket(full=True))
    protocol.datagramReceived(question("hot"), ("127.0.0.1", 5))
    assert protocol.dropped == 1


def test_errors_of_earlier_answers_do_not_end_a_wake_up() -> None:
    """An ICMP error that the socket reports is passed over."""
    front = TinyFront()
    arrived = (question("none"), ("127.0.0.1", 5))
    scripted(front, ScriptedSocket([OSError(ECONNREFUSED, "refused"), arrived, BlockingIOError()]))[1].doRead()
    assert front.asked == [b"none"]


def test_a_link_local_client_is_answered_on_its_link() -> None:
    """Flow information and scope of an IPv6 sender are part of where the answer goes."""
    addr = ("fe80::5", 4000, 0, 3)
    scripted_socket = ScriptedSocket([(question("hot"), addr), BlockingIOError()])
    scripted(TinyFront(), scripted_socket)[1].doRead()
    assert scripted_socket.sent == [(reply_to(question("hot")), addr)]


@pytest.mark.skipif(sys.platform != "linux", reason="the options are Linux's")
@pytest.mark.parametrize(
    ("family", "level", "option"), [(socket.AF_INET, socket.IPPROTO_IP, 10), (socket.AF_INET6, socket.IPPROTO_IPV6, 23)]
)
def test_sockets_do_not_fragment_on_the_word_of_strangers(family: int, level: int, option: int) -> None:
    """A tuned socket ignores path MTU messages (IP_PMTUDISC_OMIT, 5), and its receive buffer is no smaller."""
    with socket.socket(family, socket.SOCK_DGRAM) as tuned:
        before = tuned.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        tune_socket(tuned)
        assert tuned.getsockopt(level, option) == 5
        assert tuned.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= before
