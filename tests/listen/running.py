"""Listeners that are open for the length of a test, on loopback, and clients for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from attrs import define, field
from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, connectProtocol, wrapClientTLS
from twisted.internet.protocol import DatagramProtocol, Protocol, connectionDone
from twisted.internet.task import Clock, deferLater
from twisted.python.failure import Failure

from graydns.listen.connections import CLOSE_TIMEOUT_SECONDS, ListenerLimits
from graydns.listen.framing import MessageDeframer
from graydns.listen.listener import Listener
from graydns.listen.listeners import Listeners
from graydns.listen.tls_context import TlsContext
from graydns.model.transport import UDP, Transport
from tests.listen.certificates import ClientTls
from tests.listen.tiny import TinyFront, framed

reactor: Any = default_reactor


LIMITS = ListenerLimits()
OFFER = ClientTls()


class TimelessReactor:
    """The real reactor, but for time, which only the test moves; what is due at once stays due at once."""

    def __init__(self) -> None:
        self.clock = Clock()

    def __getattr__(self, name: str) -> Any:  # whatever the reactor has
        return getattr(reactor, name)

    def seconds(self) -> float:
        return self.clock.seconds()

    def callLater(self, delay: float, function: Callable[..., object], *args: object) -> Any:
        return (self.clock if delay else reactor).callLater(delay, function, *args)


@define
class Running:
    """Open listeners. *clock*: moves their time."""

    front: TinyFront
    service: Listeners
    clock: Clock

    async def tcp(self, index: int = 0) -> StreamClient:
        """A client connected to the listener of that *index*."""
        listener = self.service.listening[index]
        make = TCP6ClientEndpoint if ":" in listener.host else TCP4ClientEndpoint
        endpoint = make(reactor, listener.host, listener.port)
        client: StreamClient = await connectProtocol(endpoint, StreamClient())
        return client

    async def tls(self, offer: ClientTls = OFFER, index: int = 0) -> StreamClient:
        """A client whose TCP connection is there and whose handshake is about to begin."""
        listener = self.service.listening[index]
        plain: Any = TCP4ClientEndpoint(reactor, listener.host, listener.port)
        endpoint = wrapClientTLS(cast(Any, offer), plain)
        client: StreamClient = await connectProtocol(endpoint, StreamClient())
        return client

    async def udp(self, index: int = 0) -> DatagramClient:
        """A client connected to the listener of that *index*."""
        listener = self.service.listening[index]
        client = DatagramClient(listener)
        client.port = reactor.listenUDP(0, client, "::1" if ":" in listener.host else "127.0.0.1")
        return client


@asynccontextmanager
async def running(
    *listeners: Listener | Transport, limits: ListenerLimits = LIMITS, tls: TlsContext | None = None
) -> AsyncIterator[Running]:
    """Open *listeners* (a transport alone: on 127.0.0.1, any port), and close them afterwards."""
    timeless = TimelessReactor()
    front = TinyFront()
    wanted = [
        Listener(listener, "127.0.0.1", 0) if isinstance(listener, Transport) else listener for listener in listeners
    ]
    service = Listeners(wanted, front, limits, timeless, tls)
    service.startService()
    try:
        yield Running(front, service, timeless.clock)
    finally:
        stopped = service.stopService()
        while not stopped.called:
            await turn()
            timeless.clock.advance(CLOSE_TIMEOUT_SECONDS)
        await stopped


async def turn(times: int = 1) -> None:
    """Let the reactor see to what is ready."""
    for _ in range(times):
        await deferLater(reactor, 0, lambda: None)


async def until(true: Callable[[], bool]) -> None:
    """Wait for something to come true; the timeout of the test is the limit."""
    while not true():
        await deferLater(reactor, 0.002, lambda: None)


async def stuck(running_listeners: Running) -> None:
    """Wait until a client that does not read has filled every buffer on its way."""
    asked = running_listeners.front.asked
    await until(lambda: len(running_listeners.service.connections.stalled) == 1)
    before = -1
    while before != len(asked):
        before = len(asked)
        await deferLater(reactor, 0.1, lambda: None)


class StreamClient(Protocol):
    """Frames what comes. *reason*: why the connection is over, None while it is not."""

    transport: Any

    def __init__(self) -> None:
        self.reason: BaseException | None = None
        self._ended: Deferred[None] = Deferred()
        self.messages: list[bytes] = []
        self._frames = MessageDeframer()
        self._wanted: list[tuple[int, Deferred[None]]] = []

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)

    def dataReceived(self, data: bytes) -> None:
        self._frames.feed(data)
        self.messages += self._frames
        due = [deferred for count, deferred in self._wanted if count <= len(self.messages)]
        self._wanted = [wanted for wanted in self._wanted if wanted[0] > len(self.messages)]
        for deferred in due:
            deferred.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.reason = reason.value
        self._ended.callback(None)

    def send(self, *messages: bytes) -> None:
        self.transport.write(framed(*messages))

    async def received(self, count: int) -> list[bytes]:
        """All messages, once there are *count*."""
        if len(self.messages) < count:
            waiting: Deferred[None] = Deferred()
            self._wanted.append((count, waiting))
            await waiting
        return self.messages

    async def closed(self) -> None:
        """Wait for the server to close."""
        if self.reason is None:
            await self._ended

    async def close(self) -> None:
        self.transport.loseConnection()
        await self.closed()


@define(eq=False)
class DatagramClient(DatagramProtocol):
    """Sends to one listener and keeps what comes back."""

    listener: Listener
    port: Any = None
    messages: list[bytes] = field(factory=list)

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        assert addr[:2] == (self.listener.host, self.listener.port)
        self.messages.append(datagram)

    def send(self, *messages: bytes) -> None:
        assert self.listener.transport == UDP
        for message in messages:
            self.port.write(message, (self.listener.host, self.listener.port))

    async def received(self, count: int) -> list[bytes]:
        await until(lambda: len(self.messages) >= count)
        return self.messages

    async def close(self) -> None:
        await self.port.stopListening()
