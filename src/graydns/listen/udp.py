"""UDP: datagrams in, datagrams out, as many as there are in one wake-up."""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from typing import Any

from twisted.internet import udp
from twisted.logger import Logger
from twisted.names.dns import DNSDatagramProtocol

from graydns.fast.interfaces import QueryHandler
from graydns.listen.pending_queries import PendingQueries
from graydns.listen.tcp import MIN_MESSAGE_BYTES
from graydns.listen.twisted_types import SocketAddress
from graydns.model.query import UDP, Query
from graydns.runtime.timing import Clock

#: Octets of the largest query that is read.
MAX_UDP_QUERY_BYTES = 4096

#: Datagrams a port reads before other descriptors have their turn.
MAX_DATAGRAMS_PER_READ = 256

#: Octets of kernel buffer wanted for what arrives while the server is busy, and for what it sends.
SOCKET_BUFFER_BYTES = 4 * 1024 * 1024

# Linux's numbers, which Python does not name.
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER = 10, 23
_PMTUDISC_OMIT = 5


class UdpListenerProtocol(DNSDatagramProtocol):
    """One UDP door. *tenant*: whose it is, None = everyone's. *received*: datagrams that came in. *dropped*: answers
    that the kernel would not take."""

    def __init__(self, front: QueryHandler[Any], reactor: Clock, tenant: str | None = None) -> None:
        super().__init__(None, reactor)  # type: ignore[no-untyped-call]
        self._front = front
        self._tenant = tenant
        self._pending = PendingQueries()
        self.received = 0
        self.dropped = 0

    def datagramReceived(self, data: bytes, addr: SocketAddress) -> None:
        """Answer one datagram; *addr* is the whole socket address, with IPv6 flow and scope.

        What is too short or too large, a response, or from port 0 gets no answer: an answer to any of these could
        only hit somebody who did not ask.
        """
        if not MIN_MESSAGE_BYTES <= len(data) <= MAX_UDP_QUERY_BYTES or data[2] & 0x80 or not addr[1]:
            return
        peer = self._front.peer(addr[0], UDP, None, self._tenant)
        reply = self._front.answer(data, peer)
        if type(reply) is bytes:
            try:  # as _send does, without the call: nearly every answer leaves here
                self.transport.socket.sendto(reply, addr)
            except OSError:
                self.dropped += 1
        elif type(reply) is Query:
            self._pending.start(self._front.resolve(reply, peer), lambda late: self._send_reply(late, addr))

    @property
    def pending(self) -> int:
        """Queries that the pipeline is working on."""
        return len(self._pending)

    def stop_reading(self) -> None:
        """Read what has arrived, and then nothing more; answers can still be sent."""
        self.transport.doRead()
        self.transport.stopReading()

    def cancel(self) -> None:
        """Cancel what is pending."""
        self._pending.cancel()

    def _send_reply(self, reply: bytes | None, addr: SocketAddress) -> None:
        # Not Port.write, which looks at the address again each time.
        if reply is not None:
            try:
                self.transport.socket.sendto(reply, addr)
            except OSError:
                # A full buffer, or a way back that does not exist: UDP may lose answers, and the client asks again.
                self.dropped += 1


class BatchReadPort(udp.Port):
    """A UDP port that reads up to BATCH datagrams a wake-up and keeps their whole addresses."""

    _log = Logger()

    def doRead(self) -> None:
        """Hand on what has arrived."""
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
    """Open a UDP door; *host* is an address, not a wildcard. Raises CannotListenError."""
    opened = BatchReadPort(port, protocol, host, MAX_UDP_QUERY_BYTES, reactor)  # type: ignore[no-untyped-call]
    opened.startListening()  # type: ignore[no-untyped-call]
    tune_socket(opened.getHandle())  # type: ignore[no-untyped-call]
    return opened


def tune_socket(opened: socket.socket) -> None:
    """Large buffers, and no trust in path MTU messages, which anyone can forge; as far as the kernel lets us."""
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
