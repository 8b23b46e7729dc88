"""One question over UDP: a socket, a port, an ID and a spelling of its own for every exchange (RFC 5452 section 9).

The kernel picks the port: Linux draws it at random from its ephemeral range for a UDP socket that is connected without
having been bound. As the socket is connected, the kernel also drops what comes from any other address or port.
Twisted's own UDP ports are passed by, as making one costs several times what a whole exchange may.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from attrs import define, field
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from graydns.model.observe import Anomalies
from graydns.upstream.entropy import Entropy
from graydns.upstream.exchange import (
    START,
    Attempt,
    Disturbed,
    ExchangeError,
    Waiting,
    is_bare_formerr,
    question_end,
    repeats_header,
)
from graydns.upstream.mixed_case import mix
from graydns.upstream.reactor import Readers
from graydns.upstream.server import Server

#: Replies that do not fit after which an exchange is given up as disturbed; each is one guess of a forger who has
#: found the port. The bound keeps the odds of 2^16 IDs times letter case out of reach, and leaves room for strays.
NEAR_MISSES = 3

#: Octets read of a datagram: well over the payload that we advertise.
LARGEST = 4096


@define(eq=False)
class DatagramExchange:
    """Ask *server* over UDP. *poll*: watches the sockets. *anomalies* is told of datagrams that do not fit."""

    poll: Readers = field(repr=False)
    server: Server
    entropy: Entropy = field(repr=False)
    anomalies: Anomalies = field(repr=False)
    log_prefix: str = field(init=False, repr=False)
    _address: tuple[int, tuple[Any, ...]] | None = field(init=False, repr=False, default=None)

    def __attrs_post_init__(self) -> None:
        self.log_prefix = f"upstream {self.server}"

    def ask(self, message: bytes, waiting: Waiting) -> Attempt:
        """As ``Exchange``; a reply with TC is handed on as it is."""
        end = question_end(message)
        noise = self.entropy.take(end - START)
        name_end = end - 4
        sent = noise[-2:] + message[2:START] + mix(message[START:name_end], noise[:-4]) + message[name_end:]
        try:
            return _Conversation(self, sent, sent[START:end], waiting)
        except OSError as error:
            raise ExchangeError(error.strerror or str(error)) from error

    def connect(self) -> socket.socket:
        """A fresh socket that hears only the server. Raises OSError."""
        if self._address is None:
            self._address = socket_address(self.server)
        family, target = self._address
        connected = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            connected.connect(target)
        except OSError:
            connected.close()
            raise
        return connected


def socket_address(server: Server) -> tuple[int, tuple[Any, ...]]:
    """The address family and what ``connect`` takes, with the zone of a link-local address resolved. Raises OSError."""
    family, _, _, _, target = socket.getaddrinfo(server.address, server.port, flags=socket.AI_NUMERICHOST)[0]
    return family, target


@implementer(IReadDescriptor)
class _Conversation:
    """One datagram out, the datagrams that come back, and the end of it. Raises OSError if nothing could be sent."""

    __slots__ = ("_exchange", "_fd", "_misses", "_question", "_sent", "_socket", "_waiting")

    def __init__(self, exchange: DatagramExchange, sent: bytes, question: bytes, waiting: Waiting) -> None:
        self._exchange, self._sent, self._question, self._misses = exchange, sent, question, 0
        self._waiting: Waiting | None = waiting
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
            reply = self._socket.recv(LARGEST)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._fail(ExchangeError(error.strerror or str(error)))
            return
        if not self._fits(reply):
            self._miss(reply)
        elif (waiting := self._close()) is not None:
            waiting.replied(reply)

    def connectionLost(self, reason: Failure) -> None:
        """The reactor found an error pending on the socket, such as an ICMP message."""
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self._fail(ExchangeError(os.strerror(code) if code else reason.getErrorMessage()))

    def _fits(self, reply: bytes) -> bool:
        """Whether *reply* is one to what was sent, letter by letter."""
        if not repeats_header(reply, self._sent):
            return False
        return (reply[4:6] == b"\0\1" and reply.startswith(self._question, START)) or is_bare_formerr(reply)

    def _miss(self, reply: bytes) -> None:
        exchange, question = self._exchange, self._question
        echoed = reply[START : START + len(question)]
        garbled = repeats_header(reply, self._sent) and echoed != question and echoed.lower() == question.lower()
        exchange.anomalies.note(exchange.server.packed, "upstream-mismatch", "letter case" if garbled else "")
        self._misses += 1
        if garbled or self._misses >= NEAR_MISSES:
            self._fail(Disturbed("replies that do not fit the question"))

    def cancel(self) -> None:
        """As ``Attempt``."""
        self._close()

    def _fail(self, error: ExchangeError) -> None:
        if (waiting := self._close()) is not None:
            waiting.lost(error)

    def _close(self) -> Waiting | None:
        """End it; whoever waits, the first time: he has a reference to this, so this keeps none to him."""
        self._exchange.poll.removeReader(self)
        self._socket.close()
        waiting, self._waiting = self._waiting, None
        return waiting
