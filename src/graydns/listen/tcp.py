"""DNS over TCP (RFC 7766), and DNS over TLS once it is decrypted.

::

    segment ─► MessageDeframer ─► handler.answer ─┬─ hot replies of a segment ──► one write
                                                  └─ PendingQueries ─ when ready ─► a write each, in any order

Reading, and deframing what was read, both stop while ``max_pipelined`` queries are pending or the client does not read
its replies. So a connection buffers at most what one read brought, what the transport takes before it pauses its
producer, and the replies of its pending queries. No query is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from graydns.fast.interfaces import HandlerPeer, QueryHandler
from graydns.listen.connections import ConnectionTracker
from graydns.listen.framing import LENGTH_PREFIX_BYTES, MessageDeframer
from graydns.listen.listener import ListenContext, Listener
from graydns.listen.pending_queries import PendingQueries
from graydns.listen.stream_port import StreamListener, listen_stream
from graydns.model.query import Query
from graydns.model.transport import TCP, Transport
from graydns.runtime.timing import Clock
from graydns.runtime.twisted_types import ConnectionTransport, DNSProtocol, DNSServerFactory, PeerAddress, Unsupported

#: Octets of a message's header; nothing shorter is a DNS message (RFC 1035 section 4.1.1).
MIN_MESSAGE_BYTES = 12

#: Octets of replies that are gathered before they are written.
WRITE_BATCH_BYTES = 65536


@implementer(IHalfCloseableProtocol, IPushProducer)
class StreamProtocol(DNSProtocol):
    """One connection. It registers as its transport's producer, to be paused while the client does not read."""

    factory: StreamFactory
    transport: ConnectionTransport
    peer: HandlerPeer

    def __init__(self, factory: StreamFactory) -> None:
        super().__init__(factory, factory.reactor)
        self._front = factory.front
        self._connections = factory.connection_tracker
        self._max_pipelined = factory.connection_tracker.limits.max_pipelined
        self._deframer = MessageDeframer()
        self._pending = PendingQueries()
        self._processing = False
        self._reading = True
        self._input_ended = False
        self._output_full = False
        self._closing = False
        self._receiving = False

    @property
    def source(self) -> bytes:
        """The client's packed address."""
        return self.peer.source

    def connectionMade(self) -> None:
        """Count the connection and wait for queries."""
        self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)
        self._connections.add(self)
        self.accept_queries()

    def accept_queries(self) -> None:
        """Queries may come: the idle time runs from here on."""
        self._connections.idle.start(self)

    def dataReceived(self, data: bytes) -> None:
        """Answer the messages that *data* completes."""
        self._deframer.feed(data)
        self.process_input()

    def readConnectionLost(self) -> None:
        """The client has sent its last query; a FIN closes only its own direction (RFC 9293 section 3.6)."""
        self._input_ended = True
        self.process_input()

    def writeConnectionLost(self) -> None:
        """Never happens, as we do not close one direction; required by the interface."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Cancel what was pending and leave nothing behind, no reference cycle either."""
        self._stop()
        self._connections.remove(self)
        self._deframer = MessageDeframer()

    def pauseProducing(self) -> None:
        """The transport's buffer is full."""
        if not self._output_full:
            self._output_full = True
            self._connections.stalled.start(self)

    def resumeProducing(self) -> None:
        """The client has read all replies."""
        self._output_full = False
        self._connections.stalled.stop(self)
        self.process_input(active=True)

    def stopProducing(self) -> None:
        """The connection is lost; :meth:`connectionLost` follows."""

    def finish(self) -> None:
        """Read nothing more, and close once all queries are answered."""
        if not (self._input_ended or self._closing):
            self._input_ended = True
            self.transport.pauseProducing()
            self.process_input()

    def close(self) -> None:
        """Close the connection once everything written has been sent; pending queries are cancelled."""
        if not self._closing:
            self._stop()
            self._connections.closing.start(self)
            self.transport.loseConnection()

    def abort(self) -> None:
        """Reset the connection at once."""
        self._stop()
        self.transport.abortConnection()

    def pause_reading(self) -> None:
        """Read nothing until :meth:`resume_reading`."""
        self.transport.pauseProducing()

    def resume_reading(self) -> None:
        """Read on."""
        self.transport.resumeProducing()

    def process_input(self, *, active: bool = False) -> None:
        """Answer what has been read as far as the limits allow. *active*: restart the idle time."""
        if self._processing or self._closing:
            return
        self._processing = True
        try:
            taken = 0 if self._is_blocked() else self._answer_messages()
        finally:
            self._processing = False
        if taken < 0 or (self._input_ended and not self._pending and not self._is_blocked()):
            self.close()
        else:
            if taken:
                self._connections.note_query(self)
            self._update_flow(active or taken > 0)
            self._time_message(taken)

    def _answer_messages(self) -> int:
        """Answer until no complete message is left or a limit is reached: how many; -1: one is too short for DNS."""
        answer, peer = self._front.answer, self.peer
        replies: list[bytes] = []
        size = taken = 0
        for message in self._deframer:
            taken += 1
            if len(message) < MIN_MESSAGE_BYTES:
                taken = -1
                break
            reply = answer(message, peer)
            if type(reply) is bytes:
                replies += (len(reply).to_bytes(LENGTH_PREFIX_BYTES, "big"), reply)
                size += len(reply)
                if size < WRITE_BATCH_BYTES:
                    continue
                self.transport.write(b"".join(replies))
                replies, size = [], 0
            elif isinstance(reply, Query):
                self._pending.start(self._front.resolve(reply, peer), self._deliver)
            if self._is_blocked():
                break
        if replies:
            self.transport.write(b"".join(replies))
        self.factory.received += max(taken, 0)
        return taken

    def _deliver(self, reply: bytes | None) -> None:
        """Send the reply of a pending query."""
        if reply is not None:
            self.transport.write(len(reply).to_bytes(LENGTH_PREFIX_BYTES, "big") + reply)
        self.process_input(active=True)

    def _is_blocked(self) -> bool:
        return self._output_full or len(self._pending) >= self._max_pipelined

    def _update_flow(self, active: bool) -> None:
        """Pause or resume reading, and count as idle or not, by the present state."""
        reading = not self._is_blocked() and not self._input_ended
        if reading != self._reading:
            self._reading = reading
            if reading:
                self.transport.resumeProducing()
            elif not self._input_ended:
                self.transport.pauseProducing()
        if self._pending or self._output_full:
            self._connections.idle.stop(self)
        elif active:
            self._connections.idle.start(self)

    def _time_message(self, taken: int) -> None:
        """Run the time limit of a message from its first octet until it is complete, *taken* messages having been so.
        While a limit of ours keeps the rest from being read, the client is not to blame."""
        receiving = self._connections.receiving
        if not self._deframer.is_within_message or self._is_blocked():
            if self._receiving:
                self._receiving = False
                receiving.stop(self)
        elif taken or not self._receiving:
            self._receiving = True
            receiving.start(self)

    def _stop(self) -> None:
        """Answer nothing more. The producer is unregistered first: with one, a transport does not close."""
        self._closing = True
        self._pending.cancel()
        tracker = self._connections
        for state in (tracker.idle, tracker.receiving, tracker.stalled, tracker.handshaking):
            state.stop(self)
        self.transport.unregisterProducer()


class StreamFactory(DNSServerFactory):
    """Makes the connections of one listener. *connection_tracker*: those of all listeners. *tenant*: as of Listener.
    *received*: messages that came in."""

    protocol: Any = StreamProtocol
    noisy = False
    transport: Transport = TCP

    # What DNSServerFactory does with its resolvers, and graydns does otherwise.
    _unsupported = Unsupported("queries are answered by the handler")
    resolver = cache = canRecurse = connections = sendReply = messageReceived = _unsupported
    handleQuery = allowQuery = gotResolverResponse = gotResolverError = _unsupported

    def __init__(
        self, front: QueryHandler[Any], connection_tracker: ConnectionTracker, reactor: Clock, tenant: str | None = None
    ) -> None:
        super().__init__()
        self.front = front
        self.connection_tracker = connection_tracker
        self.reactor = reactor
        self.tenant = tenant
        self.received = 0

    def buildProtocol(self, addr: PeerAddress) -> StreamProtocol:
        """A protocol for the client at *addr*."""
        peer = self.make_peer(addr)
        self.connection_tracker.make_room(peer.source)
        protocol: StreamProtocol = super().buildProtocol(addr)
        protocol.peer = peer
        return protocol

    def make_peer(self, addr: PeerAddress, identity: str | None = None) -> HandlerPeer:
        """What the handler knows of the client at *addr*. *identity*: of its certificate."""
        peer: HandlerPeer = self.front.peer(addr.host, self.transport, identity, self.tenant)
        return peer


def open_tcp(listener: Listener, context: ListenContext) -> Iterator[StreamListener]:
    """Open a listener for DNS over TCP. Raises OSError."""
    factory = StreamFactory(context.handler, context.connections, context.reactor, listener.tenant)
    yield listen_stream(listener, factory, factory, context.reactor)
