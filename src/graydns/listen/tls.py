"""DNS over TLS (RFC 7858): DNS over TCP behind Twisted's TLS transport.

A client may put every query into a record of its own. What one read of the socket brings is decrypted whole before it
is answered (``BatchReadConnection``), with one write, which is one record again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from twisted.internet.interfaces import IHandshakeListener
from zope.interface import implementer, providedBy
from zope.interface.declarations import Provides

from graydns.fast.interfaces import QueryHandler
from graydns.listen.connections import ConnectionTracker
from graydns.listen.listener import ListenContext, Listener
from graydns.listen.stream_port import StreamListener, listen_stream
from graydns.listen.tcp import StreamFactory, StreamProtocol
from graydns.listen.tls_context import TlsContext, read_certificate_identity
from graydns.model.transport import TLS, Transport
from graydns.runtime.timing import Clock
from graydns.runtime.twisted_types import ConnectionTransport, PeerAddress, TLSMemoryBIOFactory, TLSMemoryBIOProtocol


@implementer(IHandshakeListener)
class TlsStreamProtocol(StreamProtocol):
    """One decrypted connection. *transport*: its TlsTransport."""

    transport: Any

    def accept_queries(self) -> None:
        """The TCP connection is open; the time for the handshake runs from here on."""
        self._connections.handshaking.start(self)
        self._connections.handshakes.acquire(self)

    def handshakeCompleted(self) -> None:
        """Queries may come; a certificate that the client showed gives its identity."""
        self._connections.handshaking.stop(self)
        self._connections.handshakes.release(self)
        shown = self.transport.getPeerCertificate()
        if (identity := read_certificate_identity(shown)) is not None:
            self.peer = self.factory.make_peer(self.transport.transport.getPeer(), identity)
        super().accept_queries()


class TlsTransport(TLSMemoryBIOProtocol):
    """Twisted's, without its buffering of writes, which StreamProtocol has done; and closing does not wait for the
    client."""

    transport: ConnectionTransport
    _declarations: ClassVar[list[object]] = []

    def makeConnection(self, transport: Any) -> None:
        """Connected. Twisted declares that this provides each interface of *transport*, and then all of them.

        Such declarations are shared while there is a reference to them; else each connection would make its own, in
        reference cycles.
        """
        if not self._declarations:
            provided = providedBy(transport)
            self._declarations.extend(Provides(TlsTransport, each) for each in (*provided, provided))
        super().makeConnection(transport)

    def loseConnection(self) -> None:
        """Send close_notify and close (RFC 8446 section 6.1: there is no need to wait for the client's)."""
        super().loseConnection()
        self.transport.loseConnection()


class TlsStreamFactory(StreamFactory):
    """Makes the decrypted side of one listener's connections."""

    protocol: Any = TlsStreamProtocol
    transport: Transport = TLS


class TlsListenerFactory(TLSMemoryBIOFactory):
    """Makes the connections of one listener."""

    def __init__(
        self,
        context: TlsContext,
        front: QueryHandler[Any],
        connection_tracker: ConnectionTracker,
        reactor: Clock,
        tenant: str | None = None,
    ) -> None:
        self.stream_factory = streams = TlsStreamFactory(front, connection_tracker, reactor, tenant)
        super().__init__(context, False, streams, reactor)

    def buildProtocol(self, addr: PeerAddress) -> TlsTransport:
        """The TLS transport and the protocol of a connection from *addr*."""
        return TlsTransport(self, self.wrappedFactory.buildProtocol(addr))


def open_tls(listener: Listener, context: ListenContext) -> Iterator[StreamListener]:
    """Open a listener for DNS over TLS. Raises OSError; ValueError without a TlsContext."""
    if context.tls is None:
        raise ValueError("a listener for DNS over TLS needs a TlsContext")
    factory = TlsListenerFactory(context.tls, context.handler, context.connections, context.reactor, listener.tenant)
    yield listen_stream(listener, factory, factory.stream_factory, context.reactor)
