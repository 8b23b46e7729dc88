"""Reactor: what the doors use of Twisted, as types; zope's interfaces mean nothing to a type checker."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from twisted.internet.defer import Deferred

from graydns.runtime.timing import Clock

#: What ``recvfrom`` says: host and port, over IPv6 followed by flow information and scope.
SocketAddress: TypeAlias = tuple[str, int] | tuple[str, int, int, int]


class PeerAddress(Protocol):
    """IPv4Address or IPv6Address of Twisted; a link-local *host* carries its zone index."""

    host: str
    port: int


class ListeningPort(Protocol):
    """IListeningPort of an Internet address."""

    def getHost(self) -> PeerAddress:
        """The address it is bound to."""

    def stopListening(self) -> Deferred[None] | None:
        """Close it."""


class StreamPort(ListeningPort, Protocol):
    """A listening TCP socket. *transport*: the class of its connections."""

    transport: type


class ListenReactor(Clock, Protocol):
    """IReactorTime and IReactorSocket."""

    def adoptStreamPort(self, descriptor: int, family: int, factory: object, /) -> StreamPort:
        """Accept connections on a copy of a listening socket."""


class ConnectionTransport(Protocol):
    """A TCP connection, or a TLS connection over one (ITCPTransport, IPushProducer, IConsumer)."""

    def write(self, data: bytes, /) -> None:
        """Send *data* when the client takes it."""

    def loseConnection(self) -> None:
        """Close when everything is sent."""

    def abortConnection(self) -> None:
        """Close now."""

    def pauseProducing(self) -> None:
        """Do not read."""

    def resumeProducing(self) -> None:
        """Read."""

    def registerProducer(self, producer: object, streaming: bool, /) -> None:
        """Tell *producer* when the client does not read."""

    def unregisterProducer(self) -> None:
        """Tell nobody."""

    def setTcpNoDelay(self, enabled: bool, /) -> None:
        """Send small segments at once."""

    def getPeer(self) -> PeerAddress:
        """The client's address."""
