"""Twisted, as far as graydns uses it, with types.

Much of Twisted has no annotations, and zope's interfaces mean nothing to a type checker. So the classes that graydns
subclasses are declared here, each with the methods and attributes that are called, and the interfaces it uses as
Protocols. When the program runs, a class taken from here is Twisted's own, imported when it is asked for.
``tests/runtime/test_twisted_types.py`` compares the declarations with the Twisted that is installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from twisted.internet.defer import Deferred

from graydns.runtime.timing import Clock

if TYPE_CHECKING:
    import socket as sockets
    from collections.abc import Callable

    from twisted.internet.interfaces import IProtocol
    from twisted.internet.protocol import DatagramProtocol
    from twisted.internet.protocol import Protocol as TwistedProtocol
    from twisted.python.failure import Failure

#: What ``recvfrom`` returns: host and port, over IPv6 followed by flow information and scope.
SocketAddress: TypeAlias = tuple[str, int] | tuple[str, int, int, int]

#: Where the classes declared below come from: module and name.
TWISTED_CLASSES = {
    "Service": ("twisted.application.service", "Service"),
    "MultiService": ("twisted.application.service", "MultiService"),
    "TcpConnection": ("twisted.internet.tcp", "Server"),
    "TcpPort": ("twisted.internet.tcp", "Port"),
    "UnixPort": ("twisted.internet.unix", "Port"),
    "UdpPort": ("twisted.internet.udp", "Port"),
    "DNSProtocol": ("twisted.names.dns", "DNSProtocol"),
    "DNSDatagramProtocol": ("twisted.names.dns", "DNSDatagramProtocol"),
    "DNSServerFactory": ("twisted.names.server", "DNSServerFactory"),
    "TLSMemoryBIOProtocol": ("twisted.protocols.tls", "TLSMemoryBIOProtocol"),
    "TLSMemoryBIOFactory": ("twisted.protocols.tls", "TLSMemoryBIOFactory"),
    "ProtocolWrapper": ("twisted.protocols.policies", "ProtocolWrapper"),
    "WrappingFactory": ("twisted.protocols.policies", "WrappingFactory"),
    "TimeoutMixin": ("twisted.protocols.policies", "TimeoutMixin"),
    "Site": ("twisted.web.server", "Site"),
    "Resource": ("twisted.web.resource", "Resource"),
    "Broker": ("twisted.spread.pb", "Broker"),
    "PBServerFactory": ("twisted.spread.pb", "PBServerFactory"),
    "SecurityOptions": ("twisted.spread.jelly", "SecurityOptions"),
    "ResolverBase": ("twisted.names.common", "ResolverBase"),
}


class Unsupported:
    """An attribute that a class inherits and graydns does not honour: reading it raises AttributeError with *reason*.

    Assignments are ignored, as the initialisers of Twisted's classes make them.
    """

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        raise AttributeError(f"not supported: {self._reason}")

    def __set__(self, instance: object, value: object) -> None:
        pass


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
        """Send *data* when the client reads."""

    def loseConnection(self) -> None:
        """Close when everything is sent."""

    def abortConnection(self) -> None:
        """Reset the connection."""

    def pauseProducing(self) -> None:
        """Stop reading."""

    def resumeProducing(self) -> None:
        """Go on reading."""

    def registerProducer(self, producer: object, streaming: bool, /) -> None:
        """Pause *producer* while the client does not read."""

    def unregisterProducer(self) -> None:
        """Pause nothing any more."""

    def setTcpNoDelay(self, enabled: bool, /) -> None:
        """Send small segments at once."""

    def getPeer(self) -> PeerAddress:
        """The client's address."""


if TYPE_CHECKING:

    class Service:
        """Twisted's service."""

        name: str | None
        running: int

        def setServiceParent(self, parent: object) -> None: ...
        def privilegedStartService(self) -> None: ...
        def startService(self) -> None: ...
        def stopService(self) -> Deferred[None] | None: ...

    class MultiService(Service):
        """Starts and stops services together."""

        def __init__(self) -> None: ...
        def __iter__(self) -> Any: ...

    class TcpConnection:
        """An accepted TCP connection."""

        connected: int
        socket: sockets.socket

        def __init__(
            self,
            sock: sockets.socket,
            protocol: object,
            client: object,
            server: object,
            sessionno: int,
            reactor: object,
        ) -> None: ...
        def write(self, data: bytes) -> None: ...
        def stopWriting(self) -> None: ...
        def doWrite(self) -> object: ...
        def connectionLost(self, reason: Failure) -> None: ...

    class TcpPort:
        """A listening TCP socket. *numberAccepts*: connections taken in one turn of the reactor."""

        numberAccepts: float

        def __init__(
            self, port: int, factory: object, backlog: int = ..., interface: str = ..., reactor: object = ...
        ) -> None: ...
        def startListening(self) -> None: ...
        def doRead(self) -> None: ...
        def connectionLost(self, reason: Failure) -> None: ...

    class UnixPort(TcpPort):
        """A listening unix socket; it is bound at ``_bindPath``."""

        _bindPath: bytes

        def __init__(self, address: bytes, factory: object, backlog: int, mode: int, reactor: object) -> None: ...

    class UdpPort:
        """A bound UDP socket."""

        socket: sockets.socket
        protocol: Any

        def __init__(
            self, port: int, proto: DatagramProtocol, interface: str, maxPacketSize: int, reactor: Clock
        ) -> None: ...
        def startListening(self) -> None: ...
        def stopListening(self) -> Deferred[None] | None: ...
        def getHost(self) -> PeerAddress: ...
        def getHandle(self) -> sockets.socket: ...
        def doRead(self) -> None: ...

    class DNSProtocol(TwistedProtocol):
        """DNS over a stream."""

        transport: Any
        factory: Any

        def __init__(self, controller: object, reactor: Clock) -> None: ...

    class DNSDatagramProtocol(DatagramProtocol):
        """DNS over datagrams."""

        transport: Any

        def __init__(self, controller: object, reactor: Clock) -> None: ...

    class DNSServerFactory:
        """Makes DNSProtocols."""

        def __init__(self) -> None: ...
        def buildProtocol(self, addr: PeerAddress) -> Any: ...

    class TLSMemoryBIOProtocol:
        """A TLS connection over another transport."""

        transport: Any

        def __init__(self, factory: object, wrappedProtocol: IProtocol | TwistedProtocol) -> None: ...
        def makeConnection(self, transport: Any) -> None: ...
        def getPeerCertificate(self) -> Any: ...
        def loseConnection(self) -> None: ...

    class TLSMemoryBIOFactory:
        """Makes TLSMemoryBIOProtocols around the protocols of *wrappedFactory*."""

        protocol: Any
        wrappedFactory: Any

        def __init__(self, contextFactory: object, isClient: bool, wrappedFactory: object, clock: object) -> None: ...
        def buildProtocol(self, addr: Any) -> Any: ...

    class ProtocolWrapper(TwistedProtocol):
        """A protocol around another one's; what it lacks it takes from its transport."""

        factory: Any
        abortConnection: Callable[[], None]

        def connectionMade(self) -> None: ...
        def connectionLost(self, reason: Failure = ...) -> None: ...

    class WrappingFactory:
        """Makes ProtocolWrappers around the protocols of *wrappedFactory*; *protocols*: those that are connected."""

        protocol: Any
        protocols: dict[Any, Any]

        def __init__(self, wrappedFactory: object) -> None: ...
        def buildProtocol(self, addr: object) -> Any: ...

    class Site:
        """A web site."""

        protocol: Any

        def __init__(self, resource: object, *, reactor: object, timeout: float | None) -> None: ...

    class Resource:
        """A page of a web site."""

        isLeaf: bool

        def __init__(self) -> None: ...

    class Broker(TwistedProtocol):
        """A connection of Perspective Broker."""

        disconnected: int
        factory: Any
        transport: Any

        def __init__(self, *, isClient: int, security: object) -> None: ...
        def connectionMade(self) -> None: ...
        def connectionLost(self, reason: Failure = ...) -> None: ...
        def callExpressionReceived(self, obj: object) -> None: ...
        def expressionReceived(self, sexp: Any) -> None: ...
        def proto_message(
            self, requestID: Any, objectID: Any, message: Any, answerRequired: Any, netArgs: Any, netKw: Any
        ) -> None: ...
        def _sendAnswer(self, netResult: object, requestID: int) -> None: ...
        def _sendError(self, fail: object, requestID: int) -> None: ...
        def setNameForLocal(self, name: str, obj: object) -> None: ...
        def serialize(self, obj: object) -> Any: ...
        def unserialize(self, sexp: object) -> Any: ...

    class PBServerFactory:
        """Makes Brokers."""

        def __init__(self, root: object, *, security: object) -> None: ...

    class SecurityOptions:
        """Which types may cross."""

        def __init__(self) -> None: ...

    class TimeoutMixin:
        """A protocol with a time limit for silence."""

        def setTimeout(self, period: float | None) -> None: ...

    class ResolverBase:
        """An IResolver whose lookups of every type go to ``_lookup``."""

        def __init__(self) -> None: ...
        def exceptionForCode(self, responseCode: int) -> type[Exception]: ...

else:

    def __getattr__(name: str) -> type:
        try:
            module, original = TWISTED_CLASSES[name]
        except KeyError:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
        return getattr(import_module(module), original)
