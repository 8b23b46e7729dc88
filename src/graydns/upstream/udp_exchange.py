"""One question over UDP: a socket, a port, an ID and a spelling of its own for every exchange (RFC 5452 section 9).

The kernel picks the port: Linux draws it at random from its ephemeral range for a UDP socket that is connected without
having been bound. As the socket is connected, the kernel also drops what comes from any other address or port.
Twisted's own UDP ports are passed by, as making one costs several times what a whole exchange may.

Plain DNS to one server: UDP, and TCP when UDP cannot settle it.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from attrs import define, field, frozen
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from graydns.model.query import AnomalyRecorder
from graydns.upstream.epoll import FDSet
from graydns.upstream.exchange import (
    QUESTION_START,
    TC_BIT,
    EntropyPool,
    Exchange,
    ExchangeError,
    PendingExchange,
    ReplyReceiver,
    SpoofSuspected,
    find_question_end,
    is_bare_formerr,
    matches_header,
    randomize_case,
)
from graydns.upstream.server_groups import UpstreamServer

#: Replies that do not fit after which an exchange is given up as disturbed; each is one guess of a forger who has
#: found the port. The bound keeps the odds of 2^16 IDs times letter case out of reach, and leaves room for strays.
MAX_MISMATCHED_REPLIES = 3

#: Octets read of a datagram: well over the payload that we advertise.
MAX_DATAGRAM_BYTES = 4096


@define(eq=False)
class UdpExchange:
    """Ask *server* over UDP. *poll*: watches the sockets. *anomalies*: counts datagrams that do not fit."""

    poll: FDSet = field(repr=False)
    server: UpstreamServer
    entropy: EntropyPool = field(repr=False)
    anomalies: AnomalyRecorder = field(repr=False)
    log_prefix: str = field(init=False, repr=False)
    _address: tuple[int, tuple[Any, ...]] | None = field(init=False, repr=False, default=None)

    def __attrs_post_init__(self) -> None:
        self.log_prefix = f"upstream {self.server}"

    def ask(self, message: bytes, waiting: ReplyReceiver) -> PendingExchange:
        """As ``Exchange``; a reply with TC is handed on as it is."""
        end = find_question_end(message)
        noise = self.entropy.take(end - QUESTION_START)
        name_end = end - 4
        sent = (
            noise[-2:]
            + message[2:QUESTION_START]
            + randomize_case(message[QUESTION_START:name_end], noise[:-4])
            + message[name_end:]
        )
        try:
            return _UdpConversation(self, sent, sent[QUESTION_START:end], waiting)
        except OSError as error:
            raise ExchangeError(error.strerror or str(error)) from error

    def connect(self) -> socket.socket:
        """A new socket, connected to the server. Raises OSError."""
        if self._address is None:
            self._address = resolve_socket_address(self.server)
        family, target = self._address
        connected = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            connected.connect(target)
        except OSError:
            connected.close()
            raise
        return connected


def resolve_socket_address(server: UpstreamServer) -> tuple[int, tuple[Any, ...]]:
    """The address family and what ``connect`` takes, with the zone of a link-local address resolved. Raises OSError."""
    family, _, _, _, target = socket.getaddrinfo(server.address, server.port, flags=socket.AI_NUMERICHOST)[0]
    return family, target


@implementer(IReadDescriptor)
class _UdpConversation:
    """One datagram out, the datagrams that come back, and the end of it. Raises OSError if nothing could be sent."""

    __slots__ = ("_exchange", "_fd", "_mismatches", "_question", "_receiver", "_sent", "_socket")

    def __init__(self, exchange: UdpExchange, sent: bytes, question: bytes, waiting: ReplyReceiver) -> None:
        self._exchange, self._sent, self._question, self._mismatches = exchange, sent, question, 0
        self._receiver: ReplyReceiver | None = waiting
        self._socket = connected = exchange.connect()
        self._fd = connected.fileno()
        try:
            connected.send(sent)
            exchange.poll.addReader(self)
        except OSError:
            connected.close()
            raise

    def fileno(self) -> int:
        """The descriptor, also after the end: the reactor asks once more when doRead returns."""
        return self._fd

    def logPrefix(self) -> str:
        """For the log of Twisted."""
        return self._exchange.log_prefix

    def doRead(self) -> None:
        """Take the datagram that has come."""
        try:
            reply = self._socket.recv(MAX_DATAGRAM_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._fail(ExchangeError(error.strerror or str(error)))
            return
        if not self._matches(reply):
            self._count_mismatch(reply)
        elif (waiting := self._close()) is not None:
            waiting.on_reply(reply)

    def connectionLost(self, reason: Failure) -> None:
        """The reactor found an error pending on the socket, such as an ICMP message."""
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self._fail(ExchangeError(os.strerror(code) if code else reason.getErrorMessage()))

    def _matches(self, reply: bytes) -> bool:
        """Whether *reply* is one to what was sent, letter by letter."""
        if not matches_header(reply, self._sent):
            return False
        return (reply[4:6] == b"\0\1" and reply.startswith(self._question, QUESTION_START)) or is_bare_formerr(reply)

    def _count_mismatch(self, reply: bytes) -> None:
        exchange, question = self._exchange, self._question
        echoed = reply[QUESTION_START : QUESTION_START + len(question)]
        garbled = matches_header(reply, self._sent) and echoed != question and echoed.lower() == question.lower()
        exchange.anomalies.note(exchange.server.packed, "upstream-mismatch", "letter case" if garbled else "")
        self._mismatches += 1
        if garbled or self._mismatches >= MAX_MISMATCHED_REPLIES:
            self._fail(SpoofSuspected("replies that do not fit the question"))

    def cancel(self) -> None:
        """As ``PendingExchange``."""
        self._close()

    def _fail(self, error: ExchangeError) -> None:
        if (waiting := self._close()) is not None:
            waiting.on_failure(error)

    def _close(self) -> ReplyReceiver | None:
        """End it; the receiver, the first time. The receiver refers to this, so this keeps no reference to it."""
        self._exchange.poll.removeReader(self)
        self._socket.close()
        waiting, self._receiver = self._receiver, None
        return waiting


@frozen
class TcpFallbackExchange:
    """Ask over *datagram*; where the reply is truncated (RFC 7766) or looks forged, ask again over *stream*."""

    datagram: Exchange
    stream: Exchange

    def ask(self, message: bytes, waiting: ReplyReceiver) -> PendingExchange:
        """As ``Exchange``."""
        return _TcpFallback(self, message, waiting)


class _TcpFallback:
    """Waits for the datagram, and hands on to the stream if need be."""

    __slots__ = ("_message", "_receiver", "_running", "_stream")

    def __init__(self, exchange: TcpFallbackExchange, message: bytes, waiting: ReplyReceiver) -> None:
        self._stream, self._message, self._receiver = exchange.stream, message, waiting
        self._running = exchange.datagram.ask(message, self)

    def on_reply(self, reply: bytes) -> None:
        """Over UDP."""
        if reply[2] & TC_BIT:
            self._retry_over_tcp()
        else:
            self._receiver.on_reply(reply)

    def on_failure(self, error: BaseException) -> None:
        """Over UDP."""
        if isinstance(error, SpoofSuspected):
            self._retry_over_tcp()
        else:
            self._receiver.on_failure(error)

    def cancel(self) -> None:
        """As ``PendingExchange``."""
        self._running.cancel()

    def _retry_over_tcp(self) -> None:
        try:
            self._running = self._stream.ask(self._message, self._receiver)
        except ExchangeError as error:
            self._receiver.on_failure(error)
