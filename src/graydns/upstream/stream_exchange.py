"""One question over a connection of its own: TCP (RFC 7766) or TLS (RFC 7858)."""

from __future__ import annotations

from typing import Any, NoReturn, cast

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import optionsForClientTLS
from twisted.python.failure import Failure

from graydns.upstream.epoll import StreamClientEndpoint, StreamTransport, UpstreamReactor
from graydns.upstream.exchange import (
    QUESTION_START,
    TC_BIT,
    EntropyPool,
    ExchangeError,
    PendingExchange,
    ReplyReceiver,
    find_question_end,
    is_bare_formerr,
    matches_header,
)
from graydns.upstream.server_groups import UpstreamServer

#: Seconds until an endpoint gives up connecting; the deadline of the question ends it long before.
CONNECT_TIMEOUT_SECONDS = 30.0


def make_endpoint(reactor: UpstreamReactor, server: UpstreamServer, trust: Any = None) -> StreamClientEndpoint:
    """How *server* is connected to.

    *trust*: authorities for ``tls`` servers (an IOpenSSLTrustRoot), None = the system's. The certificate must name
    ``server.name``, or without one the address (RFC 8310 section 8.1).
    """
    kind = TCP6ClientEndpoint if ":" in server.address else TCP4ClientEndpoint
    plain: StreamClientEndpoint = kind(reactor, server.address, server.port, CONNECT_TIMEOUT_SECONDS)
    if not server.transport.is_encrypted:
        return plain
    options = optionsForClientTLS(server.tls_name or server.address.partition("%")[0], trustRoot=trust)
    return cast(StreamClientEndpoint, wrapClientTLS(options, cast(Any, plain)))


@define(eq=False)
class StreamExchange:
    """Ask *server* over a new connection."""

    server: UpstreamServer
    make_endpoint: StreamClientEndpoint = field(repr=False)
    entropy: EntropyPool = field(repr=False)

    def ask(self, message: bytes, waiting: ReplyReceiver) -> PendingExchange:
        """As ``Exchange``."""
        sent = self.entropy.take(2) + message[2:]
        conversation = _StreamProtocol(sent)
        factory = Factory.forProtocol(lambda: conversation)
        factory.noisy = False  # a line for each connection would be one for each query
        connecting = self.make_endpoint.connect(factory)
        return _PendingStream(connecting.addCallbacks(lambda _: conversation.result, _raise_unreachable), waiting)


def _raise_unreachable(failure: Failure) -> NoReturn:
    raise ExchangeError(failure.getErrorMessage()) from failure.value


class _PendingStream:
    """Tells *waiting* what comes of *replying*."""

    __slots__ = ("_receiver", "_reply")

    def __init__(self, replying: Deferred[bytes], waiting: ReplyReceiver) -> None:
        self._reply = replying
        self._receiver: ReplyReceiver | None = waiting
        replying.addBoth(self._deliver)

    def cancel(self) -> None:
        """As ``PendingExchange``."""
        self._receiver = None
        self._reply.cancel()

    def _deliver(self, outcome: bytes | Failure) -> None:
        waiting, self._receiver = self._receiver, None
        if waiting is None:
            return
        if isinstance(outcome, Failure):
            waiting.on_failure(outcome.value)  # type: ignore[arg-type]  # a Failure has a value
        else:
            waiting.on_reply(outcome)


class _StreamProtocol(Protocol):
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
        if self._matches(reply):
            self._finish(reply)
        else:
            self._finish(ExchangeError("no reply to the question", is_network_error=False))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Gone, which is only too early if there has been no reply."""
        self._finish(ExchangeError(reason.getErrorMessage()))

    def _matches(self, reply: bytes) -> bool:
        """Whether *reply* is a whole one to the question, whose letters may come back in another case here."""
        question = self._sent[QUESTION_START : find_question_end(self._sent)]
        if not matches_header(reply, self._sent) or reply[2] & TC_BIT:
            return False
        return is_bare_formerr(reply) or (
            reply[4:6] == b"\0\1" and reply[QUESTION_START : QUESTION_START + len(question)].lower() == question.lower()
        )

    def _finish(self, outcome: bytes | ExchangeError) -> None:
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
    def _transport(self) -> StreamTransport:
        return cast(StreamTransport, self.transport)
