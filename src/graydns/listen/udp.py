"""DNS over UDP (RFC 1035 section 4.2.1): every datagram that has arrived is read and answered in one wake-up."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from errno import EADDRNOTAVAIL
from typing import Any

from attrs import evolve, frozen
from twisted.internet.error import CannotListenError
from twisted.logger import Logger

from graydns.fast.interfaces import QueryHandler
from graydns.listen.listener import ListenContext, Listener, expand_wildcard
from graydns.listen.pending_queries import PendingQueries
from graydns.listen.tcp import MIN_MESSAGE_BYTES
from graydns.model.query import Query
from graydns.model.transport import UDP
from graydns.runtime.timing import Clock
from graydns.runtime.twisted_types import DNSDatagramProtocol, SocketAddress, UdpPort

#: Octets of the largest query that is read.
MAX_UDP_QUERY_BYTES = 4096

#: Datagrams a port reads before the reactor serves other descriptors.
MAX_DATAGRAMS_PER_READ = 256

#: Octets of kernel buffer that are asked for, for what arrives while the server is busy and for what it sends.
SOCKET_BUFFER_BYTES = 4 * 1024 * 1024

# Linux's numbers, which Python does not name.
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER = 10, 23
_PMTUDISC_OMIT = 5

_log = Logger()


class UdpListenerProtocol(DNSDatagramProtocol):
    """One UDP socket. *tenant*: as of Listener. *received*: datagrams that came in. *dropped*: replies that the kernel
    did not take."""

    def __init__(self, front: QueryHandler[Any], reactor: Clock, tenant: str | None = None) -> None:
        super().__init__(None, reactor)
        self._front = front
        self._tenant = tenant
        self._pending = PendingQueries()
        self.received = 0
        self.dropped = 0

    def datagramReceived(self, data: bytes, addr: SocketAddress) -> None:
        """Answer one datagram; *addr* is the whole socket address, with IPv6 flow and scope.

        What is too short or too large, a response, or from port 0 gets no reply: a reply to any of these could only
        hit somebody who did not ask (a loop, or reflection).
        """
        if not MIN_MESSAGE_BYTES <= len(data) <= MAX_UDP_QUERY_BYTES or data[2] & 0x80 or not addr[1]:
            return
        peer = self._front.peer(addr[0], UDP, None, self._tenant)
        reply = self._front.answer(data, peer)
        if type(reply) is bytes:
            try:  # as _send_reply does, without the call: nearly every reply leaves here
                self.transport.socket.sendto(reply, addr)
            except OSError:
                self.dropped += 1
        elif type(reply) is Query:
            self._pending.start(self._front.resolve(reply, peer), lambda late_reply: self._send_reply(late_reply, addr))

    @property
    def pending(self) -> int:
        """Queries in the pipeline."""
        return len(self._pending)

    def stop_reading(self) -> None:
        """Read what has arrived, and then nothing more; replies can still be sent."""
        self.transport.doRead()
        self.transport.stopReading()

    def cancel(self) -> None:
        """Cancel the pending queries."""
        self._pending.cancel()

    def _send_reply(self, reply: bytes | None, addr: SocketAddress) -> None:
        # Not Port.write, which checks the address each time.
        if reply is not None:
            try:
                self.transport.socket.sendto(reply, addr)
            except OSError:
                # A full buffer, or no route back: UDP may lose replies, and clients retry.
                self.dropped += 1


class BatchReadPort(UdpPort):
    """A UDP port that reads up to MAX_DATAGRAMS_PER_READ datagrams a wake-up and passes on their whole addresses."""

    _log = Logger()

    def doRead(self) -> None:
        """Read what has arrived and pass it to the protocol."""
        receive, deliver = self.socket.recvfrom, self.protocol.datagramReceived
        for taken in range(MAX_DATAGRAMS_PER_READ):
            try:
                data, addr = receive(MAX_UDP_QUERY_BYTES + 1)
            except BlockingIOError:
                self.protocol.received += taken
                return
            except OSError:
                continue  # an ICMP error about an earlier answer; reading it has cleared it
            try:
                deliver(data, addr)
            except Exception:
                self._log.failure("a datagram from {addr} could not be answered", addr=addr[0])
        self.protocol.received += MAX_DATAGRAMS_PER_READ


def listen_udp(protocol: UdpListenerProtocol, host: str, port: int, reactor: Clock) -> BatchReadPort:
    """Open a UDP socket; *host* is an address, not a wildcard. Raises CannotListenError."""
    opened = BatchReadPort(port, protocol, host, MAX_UDP_QUERY_BYTES, reactor)
    opened.startListening()
    tune_socket(opened.getHandle())
    return opened


@frozen(eq=False)
class UdpListener:
    """One UDP socket, on one address."""

    listener: Listener
    _protocol: UdpListenerProtocol
    _port: BatchReadPort

    @property
    def received(self) -> int:
        """Datagrams that came in."""
        return self._protocol.received

    @property
    def dropped(self) -> int:
        """Replies that the kernel did not take."""
        return self._protocol.dropped

    @property
    def pending(self) -> int:
        """Queries in the pipeline."""
        return self._protocol.pending

    def drain(self) -> bool:
        """Read nothing more; the socket stays open for the replies that are pending."""
        self._protocol.stop_reading()
        return True

    async def stop(self) -> None:
        """Close the socket and cancel what is pending."""
        if (closed := self._port.stopListening()) is not None:
            await closed
        self._protocol.cancel()


def open_udp(listener: Listener, context: ListenContext) -> Iterator[UdpListener]:
    """Open a listener for DNS over UDP, a socket for each address of a wildcard. Raises CannotListenError."""
    port = listener.port
    for host in expand_wildcard(listener.host):
        protocol = UdpListenerProtocol(context.handler, context.reactor, listener.tenant)
        try:
            opened = listen_udp(protocol, host, port, context.reactor)
        except CannotListenError as error:
            # Addresses come and go, and new IPv6 ones cannot be used for a second (RFC 4862 section 5.4).
            if host == listener.host or error.socketError.errno != EADDRNOTAVAIL:
                raise
            _log.warn("not listening on {host}: {error}", host=host, error=error)
            continue
        port = opened.getHost().port
        yield UdpListener(evolve(listener, host=host, port=port), protocol, opened)


def tune_socket(opened: socket.socket) -> None:
    """Large buffers, and path MTU messages ignored, which anyone can forge; as far as the kernel allows."""
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        with suppress(OSError):
            opened.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
    if sys.platform != "linux":
        return
    for option in (_SO_RCVBUFFORCE, _SO_SNDBUFFORCE):
        with suppress(OSError):  # past net.core.rmem_max, for those with CAP_NET_ADMIN
            opened.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
    with suppress(OSError):
        if opened.family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_OMIT)
        else:
            opened.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_OMIT)
