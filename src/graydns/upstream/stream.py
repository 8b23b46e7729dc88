"""One question over a connection of its own: TCP (RFC 7766) or TLS (RFC 7858)."""

from __future__ import annotations

from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import optionsForClientTLS
from twisted.python.failure import Failure

from graydns.upstream.entropy import Entropy
from graydns.upstream.exchange import QR, QR_AND_OPCODE, START, TC, ExchangeError, question_end
from graydns.upstream.server import TLS, Server

#: Seconds until an endpoint gives up connecting; the deadline of the question ends it long before.
PATIENCE = 30.0


def endpoint(reactor: Any, server: Server, trust: Any = None) -> IStreamClientEndpoint:  # noqa: ANN401
    """How *server* is connected to. *trust*: certificate authorities that a ``tls`` server may have, None = the system's.

    The certificate must name ``server.name``, or without one the address (RFC 8310 section 8.1).
    """
    kind = TCP6ClientEndpoint if ":" in server.address else TCP4ClientEndpoint
    plain = kind(reactor, server.address, server.port, PATIENCE)
    if server.transport != TLS:
        return plain
    options = optionsForClientTLS(server.name or server.address.partition("%")[0], trustRoot=trust)
    return wrapClientTLS(options, plain)


@define(eq=False)
class StreamExchange:
    """Ask *server* over a new connection."""

    server: Server
    endpoint: IStreamClientEndpoint = field(repr=False)
    entropy: Entropy = field(repr=False)

    def ask(self, message: bytes) -> Deferred[bytes]:
        """As ``Exchange``."""
        sent = self.entropy.take(2) + message[2:]
        conversation = _Conversation(self.server, sent)
        connecting = self.endpoint.connect(Factory.forProtocol(lambda: conversation))
        connecting.addCallbacks(lambda _: conversation.result, self._unreachable)
        return connecting

    def _unreachable(self, failure: Failure) -> Failure:
        return Failure(ExchangeError(f"{self.server}: {failure.getErrorMessage()}"))


class _Conversation(Protocol):
    """Sends one framed query and takes one framed reply (RFC 1035 section 4.2.2)."""

    def __init__(self, server: Server, sent: bytes) -> None:
        self._server, self._sent = server, sent
        self._received = b""
        self.result: Deferred[bytes] = Deferred(self._cancel)

    def connectionMade(self) -> None:
        self.transport.write(len(self._sent).to_bytes(2, "big") + self._sent)

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        size = int.from_bytes(self._received[:2], "big")
        if len(self._received) < 2 + max(size, 1):
            return
        reply = self._received[2 : 2 + size]
        self._end(reply if self._fits(reply) else ExchangeError(f"{self._server}: no reply to the question", network=False))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._end(ExchangeError(f"{self._server}: {reason.getErrorMessage()}"))

    def _fits(self, reply: bytes) -> bool:
        question = self._sent[START : question_end(self._sent)]
        return (
            len(reply) >= START
            and reply[:2] == self._sent[:2]
            and reply[2] & QR_AND_OPCODE == QR
            and not reply[2] & TC
            and reply[4:6] == b"\0\1"
            and reply[START : START + len(question)].lower() == question.lower()
        )

    def _end(self, outcome: bytes | ExchangeError) -> None:
        ...
