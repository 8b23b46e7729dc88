"""A scripted server on loopback, honest or not, and the check that asking it left nothing behind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from attrs import define, field
from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol
from twisted.internet.task import deferLater

from graydns.runtime.timing import Deadlines
from graydns.upstream.epoll import EpollFDSet
from graydns.upstream.server_groups import UpstreamGroup, UpstreamServer
from graydns.upstream.upstream_client import UpstreamClient
from tests.upstream.queries import Notes

reactor: Any = default_reactor


#: What a server does with a query: the messages that it sends back at once; an empty one resets a connection.
Script = Callable[[bytes], Iterable[bytes]]

#: Turns of the reactor within which aborted connections are gone.
TURNS = 10


def silent(query: bytes) -> Sequence[bytes]:
    """The script of a server that says nothing."""
    return ()


@define(eq=False)
class ScriptedServer(DatagramProtocol):
    """Answers datagrams by one script and connections on the same port by another; remembers what it was asked."""

    over_udp: Script
    over_tcp: Script
    asked: list[bytes] = field(factory=list)
    asked_over_tcp: list[bytes] = field(factory=list)
    senders: list[tuple[str, int]] = field(factory=list)
    port: int = 0

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self.asked.append(datagram)
        self.senders.append(addr)
        for reply in self.over_udp(datagram):
            self.send(reply, addr)

    def send(self, datagram: bytes, to: tuple[str, int]) -> None:
        """Send something of the test's own."""
        cast(Any, self.transport).write(datagram, to)

    @property
    def server(self) -> UpstreamServer:
        """How it is asked."""
        return UpstreamServer("127.0.0.1", self.port)


class StreamOf(Protocol):
    """A connection to a scripted server."""

    def __init__(self, owner: ScriptedServer) -> None:
        self._owner = owner
        self._received = b""

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        end = 2 + int.from_bytes(self._received[:2], "big")
        if len(self._received) >= end > 2:
            query, self._received = self._received[2:end], self._received[end:]
            self._owner.asked_over_tcp.append(query)
            for reply in self._owner.over_tcp(query):
                if reply:
                    cast(Any, self.transport).write(len(reply).to_bytes(2, "big") + reply)
                else:
                    cast(Any, self.transport).abortConnection()


def everything_open() -> list[object]:
    """All that the reactor, or what it watches for others, waits for."""
    found: list[object] = [*reactor.getWriters()]
    for reader in reactor.getReaders():
        found += reader.readers if isinstance(reader, EpollFDSet) else [reader]
    for call in reactor.getDelayedCalls():
        owner = getattr(call.func, "__self__", None)
        found += [owner] * len(owner) if isinstance(owner, Deadlines) else [call]
    return found


@asynccontextmanager
async def scripted(over_udp: Script = silent, over_tcp: Script = silent) -> AsyncIterator[ScriptedServer]:
    """A server for the length of a test. At its end nothing may be open that was not before."""
    before = everything_open()
    server = ScriptedServer(over_udp, over_tcp)
    factory = Factory.forProtocol(lambda: StreamOf(server))
    while not server.port:
        datagrams = reactor.listenUDP(0, server, interface="127.0.0.1")
        try:
            streams = reactor.listenTCP(datagrams.getHost().port, factory, interface="127.0.0.1")
            server.port = datagrams.getHost().port
        except CannotListenError:
            await datagrams.stopListening()
    try:
        yield server
    finally:
        await datagrams.stopListening()
        await streams.stopListening()
    await nothing_else_open(before)


async def nothing_else_open(before: Sequence[object]) -> None:
    """Assert that the reactor has nothing more to watch or wait for than *before*."""
    for _ in range(TURNS):
        left = [each for each in everything_open() if each not in before]
        if not left:
            return
        await turn()
    raise AssertionError(left)


def turn(seconds: float = 0.0) -> Deferred[None]:
    """Let the reactor run."""
    return cast("Deferred[None]", deferLater(reactor, seconds, lambda: None))


def make_client(notes: Notes | None = None, trust: Any = None) -> UpstreamClient:
    """A client on the real reactor."""
    return UpstreamClient(reactor, reactor.seconds, Notes() if notes is None else notes, trust)


def group_of(*servers: UpstreamServer, deadline: float = 2.0, ecs: bool = False, tags: bool = False) -> UpstreamGroup:
    """A group with a deadline that only a silent server meets."""
    return UpstreamGroup("test", servers, deadline, ecs, tags)
