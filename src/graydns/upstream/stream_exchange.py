"""One question over a connection of its own: TCP (RFC 7766) or TLS (RFC 7858)."""

from __future__ import annotations

from typing import Any, cast

from attrs import define, field
from twisted.internet.interfaces import IAddress, IConnector
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.internet.ssl import optionsForClientTLS
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from graydns.runtime.garbage import drop_tracebacks
from graydns.upstream.epoll import StreamTransport, UpstreamReactor
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

#: Seconds until connecting is given up; the deadline of the question ends it long before.
CONNECT_TIMEOUT_SECONDS = 30.0


@define(eq=False)
class StreamExchange:
    """Ask *server* over a new connection.

    *trust_root*: authorities for ``tls`` servers (an IOpenSSLTrustRoot), None = the system's. The certificate must be
    valid for ``server.tls_name``, or without one for the address (RFC 8310 section 8.1).
    """

    reactor: UpstreamReactor = field(repr=False)
    server: UpstreamServer
    entropy: EntropyPool = field(repr=False)
    trust_root: Any = field(default=None, repr=False)
    _tls: Any = field(init=False, default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        if self.server.transport.is_encrypted:
            name = self.server.tls_name or self.server.address.partition("%")[0]
            self._tls = optionsForClientTLS(name, trustRoot=self.trust_root)

    def ask(self, message: bytes, waiting: ReplyReceiver) -> PendingExchange:
        """As ``Exchange``."""
        conversation = _StreamConversation(self.entropy.take(2) + message[2:], waiting)
        factory: Any = _ConversationFactory(conversation)
        if self._tls is not None:
            factory = TLSMemoryBIOFactory(self._tls, True, factory, cast(Any, self.reactor))
        self.reactor.connectTCP(self.server.address, self.server.port, factory, CONNECT_TIMEOUT_SECONDS)
        return conversation


class _ConversationFactory(ClientFactory):
    """Connects one conversation. An endpoint would leave reference cycles behind, one for each connection."""

    noisy = False  # a line for each connection would be one for each query

    def __init__(self, conversation: _StreamConversation) -> None:
        self._conversation: _StreamConversation | None = conversation

    def startedConnecting(self, connector: IConnector) -> None:
        """The connection can be given up from now on."""
        if self._conversation is not None:
            self._conversation.connector = connector

    def buildProtocol(self, addr: IAddress | None) -> _StreamConversation | None:
        """Connected."""
        return self._conversation

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        """Not connected."""
        if (conversation := self._release(connector)) is not None:
            conversation.connectionLost(reason)

    def clientConnectionLost(self, connector: IConnector, reason: Failure) -> None:
        """The connection is closed; the conversation knows."""
        self._release(connector)

    def _release(self, connector: Any) -> _StreamConversation | None:
        """Undo the references in circles: connector, transport, this factory and the conversation."""
        conversation, self._conversation = self._conversation, None
        connector.transport = None
        if conversation is not None:
            conversation.connector = None
        return conversation


class _StreamConversation(Protocol):
    """Sends one framed query and takes one framed reply (RFC 1035 section 4.2.2). *connector*: None once it is over."""

    def __init__(self, sent: bytes, waiting: ReplyReceiver) -> None:
        self._sent = sent
        self._received = b""
        self._receiver: ReplyReceiver | None = waiting
        self.connector: IConnector | None = None

    def connectionMade(self) -> None:
        """Connected: for TLS the handshake begins with this."""
        cast(StreamTransport, self.transport).write(len(self._sent).to_bytes(2, "big") + self._sent)

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
        """Gone, or never connected; only an error if there has been no reply."""
        self.transport = None
        self._finish(ExchangeError(reason.getErrorMessage()))
        drop_tracebacks(reason)

    def _matches(self, reply: bytes) -> bool:
        """Whether *reply* is a whole one to the question, whose letters may come back in another case here."""
        question = self._sent[QUESTION_START : find_question_end(self._sent)]
        if not matches_header(reply, self._sent) or reply[2] & TC_BIT:
            return False
        return is_bare_formerr(reply) or (
            reply[4:6] == b"\0\1" and reply[QUESTION_START : QUESTION_START + len(question)].lower() == question.lower()
        )

    def cancel(self) -> None:
        """As ``PendingExchange``."""
        self._receiver = None
        self._close()

    def _finish(self, outcome: bytes | ExchangeError) -> None:
        """Give *outcome* to the receiver, once."""
        receiver, self._receiver = self._receiver, None
        self._close()
        if receiver is None:
            return
        if isinstance(outcome, bytes):
            receiver.on_reply(outcome)
        else:
            receiver.on_failure(outcome)

    def _close(self) -> None:
        """Close at once: to wait for the other side would leave sockets behind."""
        connector, self.connector = self.connector, None
        if self.transport is not None:
            cast(StreamTransport, self.transport).abortConnection()
        elif connector is not None:
            cast(Any, connector).disconnect()
