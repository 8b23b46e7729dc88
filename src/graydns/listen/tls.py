"""TLS: DNS over TLS (RFC 7858), the stream door behind Twisted's TLS transport.

A client may put every query into a record of its own, so what one TCP segment brings is decrypted whole, record by
record, before it is answered with one write, which is one record again.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IHandshakeListener
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer

from graydns.fast.protocol import Front
from graydns.listen.connections import Connections
from graydns.listen.context import TlsContext
from graydns.listen.identity import identity_of
from graydns.listen.reactor import Address, Clock, Transport
from graydns.listen.stream import StreamFactory, StreamProtocol
from graydns.model.query import TLS


@implementer(IHandshakeListener)
class TlsStream(StreamProtocol):
    """One decrypted connection."""

    transport: TlsTransport  # type: ignore[assignment]
    _fed = False

    def opened(self) -> None:
        """The TCP connection is there; the time for the handshake runs from here on."""
        self._connections.handshaking.start(self)
        self._connections.handshakes.enter(self)

    def handshakeCompleted(self) -> None:
        """The client may ask, and if it showed a certificate we know who it is."""
        self._connections.handshaking.stop(self)
        self._connections.handshakes.leave(self)
        if (identity := identity_of(self.transport.getPeerCertificate())) is not None:
            self.peer = self.factory.peer_at(self.transport.getPeer(), identity)
        super().opened()

    def dataReceived(self, data: bytes) -> None:
        """Keep one record's worth until :meth:`segment_ended`."""
        self._frames.feed(data)
        self._fed = True

    def segment_ended(self) -> None:
        """Answer what the records of one TCP segment complete."""
        if self._fed:
            self._fed = False
            self.work()


class TlsTransport(TLSMemoryBIOProtocol):
    """Encrypts at once, as TlsStream gathers its answers itself; does not wait for the client's close_notify."""

    transport: Transport  # type: ignore[assignment]

    def dataReceived(self, data: bytes) -> None:
        """Decrypt a TCP segment, then have it answered."""
        super().dataReceived(data)  # type: ignore[no-untyped-call]
        self._end_segment()

    def loseConnection(self) -> None:
        """Send close_notify and close (RFC 8446 section 6.1: nobody has to wait for the other's)."""
        super().loseConnection()  # type: ignore[no-untyped-call]
        self.transport.loseConnection()

    def _shutdownTLS(self) -> None:
        # Queries that came in one segment with the client's close_notify are answered before ours goes out.
        self._end_segment()
        super()._shutdownTLS()  # type: ignore[no-untyped-call]

    def _end_segment(self) -> None:
        # Twisted takes the wrapped protocol away when the connection is gone.
        if isinstance(self.wrappedProtocol, TlsStream):
            self.wrappedProtocol.segment_ended()


class TlsStreamFactory(StreamFactory):
    """Makes the decrypted side of the connections of one door."""

    protocol: Any = TlsStream
    transport_name = TLS


class TlsFactory(TLSMemoryBIOFactory):
    """Makes the connections of one DoT door."""

    protocol = TlsTransport

    def __init__(
        self,
        context: TlsContext,
        front: Front[Any],
        admitted: Connections,
        reactor: Clock,
        tenant: str | None = None,
    ) -> None:
        streams = TlsStreamFactory(front, admitted, reactor, tenant)
        super().__init__(context, False, streams, reactor)  # type: ignore[arg-type]  # all are what zope calls so

    def buildProtocol(self, addr: Address) -> TlsTransport | None:  # type: ignore[override]  # of IAddress
        """The two halves of a connection from *addr*; None refuses it."""
        stream = self.wrappedFactory.buildProtocol(addr)
        return None if stream is None else self.protocol(self, stream)
