"""TLS: DNS over TLS (RFC 7858), the stream door behind Twisted's TLS transport.

A client may put every query into a record of its own. What one read of the socket brings is decrypted whole before it
is answered (``context.DrainedConnection``), with one write, which is one record again.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IHandshakeListener
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer

from graydns.fast.interfaces import QueryHandler
from graydns.listen.connections import ConnectionTracker
from graydns.listen.tcp import StreamFactory, StreamProtocol
from graydns.listen.tls_context import TlsContext, read_certificate_identity
from graydns.listen.twisted_types import ConnectionTransport, PeerAddress
from graydns.model.query import TLS
from graydns.runtime.timing import Clock


@implementer(IHandshakeListener)
class TlsStreamProtocol(StreamProtocol):
    """One decrypted connection."""

    transport: TlsTransport

    def accept_queries(self) -> None:
        """The TCP connection is there; the time for the handshake runs from here on."""
        self._connections.handshaking.start(self)
        self._connections.handshakes.acquire(self)

    def handshakeCompleted(self) -> None:
        """The client may ask, and if it showed a certificate we know who it is."""
        self._connections.handshaking.stop(self)
        self._connections.handshakes.release(self)
        shown = self.transport.getPeerCertificate()  # type: ignore[no-untyped-call]
        if (identity := read_certificate_identity(shown)) is not None:
            self.peer = self.factory.make_peer(self.transport.transport.getPeer(), identity)
        super().accept_queries()


class TlsTransport(TLSMemoryBIOProtocol):
    """Twisted's, without its gathering of writes, which TlsStreamProtocol has done; and it does not wait for the
    client."""

    transport: ConnectionTransport  # type: ignore[assignment]

    def loseConnection(self) -> None:
        """Send close_notify and close (RFC 8446 section 6.1: nobody has to wait for the other's)."""
        super().loseConnection()  # type: ignore[no-untyped-call]
        self.transport.loseConnection()


class TlsStreamFactory(StreamFactory):
    """Makes the decrypted side of the connections of one door."""

    protocol: Any = TlsStreamProtocol
    transport_name = TLS


class TlsListenerFactory(TLSMemoryBIOFactory):
    """Makes the connections of one DoT door."""

    def __init__(
        self,
        context: TlsContext,
        front: QueryHandler[Any],
        admitted: ConnectionTracker,
        reactor: Clock,
        tenant: str | None = None,
    ) -> None:
        self.stream_factory = streams = TlsStreamFactory(front, admitted, reactor, tenant)
        super().__init__(context, False, streams, reactor)  # type: ignore[arg-type]  # all are what zope calls so

    def buildProtocol(self, addr: PeerAddress) -> TlsTransport | None:  # type: ignore[override]  # of IAddress
        """The two halves of a connection from *addr*; None refuses it."""
        stream = self.wrappedFactory.buildProtocol(addr)
        return None if stream is None else TlsTransport(self, stream)  # type: ignore[no-untyped-call]
