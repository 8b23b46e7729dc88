"""One question over a connection of its own: TCP (RFC 7766) or TLS (RFC 7858)."""

from __future__ import annotations

from typing import Any, NoReturn, cast

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import optionsForClientTLS
from twisted.python.failure import Failure

from graydns.upstream.entropy import Entropy
from graydns.upstream.exchange import (
    START,
    TC,
    Attempt,
    ExchangeError,
    Waiting,
    is_bare_formerr,
    question_end,
    repeats_header,
)
from graydns.upstream.reactor import Endpoint, Reactor, Transport
from graydns.upstream.server import TLS, Server

#: Seconds until an endpoint gives up connecting; the deadline of the question ends it long before.
PATIENCE = 30.0


def endpoint(reactor: Reactor, server: Server, trust: Any = None) -> Endpoint:
    """How *server* is connected to.

    *trust*: authorities for ``tls`` servers (an IOpenSSLTrustRoot), None = the system's. The certificate must name
    ``server.name``, or without one the address (RFC 8310 section 8.1).
    """
    kind = TCP6ClientEndpoint if ":" in server.address else TCP4ClientEndpoint
    plain: Endpoint = kind(reactor, server.address, server.port, PATIENCE)
    if server.transport != TLS:
        return plain
    options = optionsForClientTLS(server.name or server.address.partition("%")[0], trustRoot=trust)
    return cast(Endpoint, wrapClientTLS(options, cast(Any, plain)))


@define(eq=False)
class StreamExchange:
    """Ask *server* over a new connection."""

    server: Server
    endpoint: Endpoint = field(repr=False)
    entropy: Entropy = field(repr=False)

    def ask(self, message: bytes, waiting: Waiting) -> Attempt:
        """As ``Exchange``."""
        sent = self.entropy.take(2) + message[2:]
        conversation = _Conversation(sent)
        factory = Factory.forProtocol(lambda: conversation)
        factory.noisy = False  # a line for each connection would be one for each query
        connecting = self.endpoint.connect(factory)
        return _Attempt(connecting.addCallbacks(lambda _: conversation.result, _unreachable), waiting)


def _unreachable(failure: Failure) -> NoReturn:
    raise ExchangeError(failure.getErrorMessage()) from failure.value


class _Attempt:
    """Tells *waiting* what comes of *replying*."""

    __slots__ = ("_replying", "_waiting")

    def __init__(self, replying: Deferred[bytes], waiting: Waiting) -> None:
        self._replying = replying
        self._waiting: Waiting | None = waiting
        replying.addBoth(self._tell)

    def cancel(self) -> None:
        """As ``Attempt``."""
        self._waiting = None
        self._replying.cancel()

    def _tell(self, outcome: bytes | Failure) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return
        if isinstance(outcome, Failure):
            waiting.lost(outcome.value)  # type: ignore[arg-type]  # a Failure has a value
        else:
            waiting.replied(outcome)


class _Conversation(Protocol):
    """Sends one framed query and takes one framed reply (RFC 1035 section 4.2.2)."""

    def __init__(self, sent: bytes) -> None:
        self._sent = sent
        self._received = b""
        self.result: Deferred[bytes] = Deferred(self._cancel)

    def connectionMade(self) -> None:
        """Connected: for TLS the handshake begins with this."""
        self._transport.write(len(self._sent).to_bytes(2, "big") + self._sent)

    def dataReceived(self, data: bytes) -> None:
        """Collect the reply."""
        self._received += data
        end = 2 + int.from_bytes(self._received[:2], "big")
        if len(self._received) < end or len(self._received) < 2:
            return
        reply = self._received[2:end]
        if self._fits(reply):
            self._end(reply)
        else:
            self._end(ExchangeError("no reply to the question", network=False))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Gone, which is only too early if there has been no reply."""
        self._end(ExchangeError(reason.getErrorMessage()))

    def _fits(self, reply: bytes) -> bool:
        """Whether *reply* is a whole one to the question, whose letters may come back in another case here."""
        question = self._sent[START : question_end(self._sent)]
        if not repeats_header(reply, self._sent) or reply[2] & TC:
            return False
        return is_bare_formerr(reply) or (
            reply[4:6] == b"\0\1" and reply[START : START + len(question)].lower() == question.lower()
        )

    def _end(self, outcome: bytes | ExchangeError) -> None:
        """Fire *result* unless it has, and close at once: to wait for the other side would leave sockets behind."""
        if self.result.called:
            return
        self._transport.abortConnection()
        if isinstance(outcome, bytes):
            self.result.callback(outcome)
        else:
            self.result.errback(outcome)

    def _cancel(self, _: Deferred[bytes]) -> None:
        self._transport.abortConnection()

    @property
    def _transport(self) -> Transport:
        return cast(Transport, self.transport)
