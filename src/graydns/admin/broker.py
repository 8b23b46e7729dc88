"""AdminBroker: one connection, and what it may cost: how large a request, how many at once, how long in silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import frozen
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure
from twisted.spread import pb
from zope.interface import implementer

from graydns.admin.security import PlainValues, Refused

if TYPE_CHECKING:
    from graydns.admin.factory import AdminFactory

#: What a client may say (the rest of the protocol is for objects that cross, and none do but the avatar).
COMMANDS = frozenset(("version", "message", "decref", "didNotUnderstand"))


@frozen
class AdminLimits:
    """*connections*: in all; *strangers*: not logged in, of one address; *calls*: at once, of one connection.

    *login*, *idle*: seconds until a connection must be logged in, and of silence after that. *request*,
    *login_request*: octets; taking apart what PB itself would let through, 640 KiB, would hold up answers for a third
    of a second.
    """

    connections: int = 50
    strangers: int = 10
    calls: int = 16
    login: float = 20.0
    idle: float = 600.0
    request: int = 32 << 10
    login_request: int = 16 << 10


class AdminBroker(pb.Broker, TimeoutMixin):
    """One connection. *source*: its address. *calls*: being worked on."""

    factory: AdminFactory  # type: ignore[assignment]
    transport: Any
    _log = Logger()

    def __init__(self, factory: AdminFactory, source: str) -> None:
        super().__init__(isClient=0, security=PlainValues())  # type: ignore[no-untyped-call]
        self.factory = factory
        self.source = source
        self.calls = 0
        self.logged_in = False
        self._request = 0
        self._dropped = False

    def callLater(self, period: float, function: Callable[[], None]) -> Any:
        """The factory's clock, for TimeoutMixin."""
        return self.factory.reactor.callLater(period, function)

    def connectionMade(self) -> None:
        """The entrance may still refuse; if not, there is time to log in."""
        if (reason := self.factory.entrance.objection(self.transport)) is not None:
            self._drop(reason)
            return
        self.factory.opened(self)
        self._allow(self.factory.limits.login)
        super().connectionMade()  # type: ignore[no-untyped-call]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The place is free again."""
        self._allow(None)
        self.factory.closed(self)
        super().connectionLost(reason)  # type: ignore[no-untyped-call]

    def welcome(self) -> None:
        """Somebody logged in; from here on silence is what ends the connection."""
        self.logged_in = True
        self._request = 0
        # Not before: a TLS handshake that waits to write has to read on.
        self.transport.registerProducer(Brake(self.transport), True)
        self._allow(self.factory.limits.idle)

    def timeoutConnection(self) -> None:
        """A client that waits for us is not idle."""
        if self.logged_in and self.calls:
            self._allow(self.factory.limits.idle)
        else:
            self.abort()

    def abort(self) -> None:
        """End the connection without a word."""
        self._dropped = True
        self.transport.abortConnection()

    def dataReceived(self, chunk: bytes) -> None:
        """Whatever cannot be read ends the connection, with one line in the log."""
        if self._dropped:
            return
        self._request += len(chunk)
        limits = self.factory.limits
        if self._request > (limits.request if self.logged_in else limits.login_request):
            self._drop("a request too large")
            return
        try:
            super().dataReceived(chunk)  # type: ignore[no-untyped-call]
        except Exception as error:
            self._drop(f"not a request ({type(error).__name__})")

    def callExpressionReceived(self, obj: object) -> None:
        """One request is whole. What strangers say is counted all together."""
        if self.logged_in:
            self._request = 0
        super().callExpressionReceived(obj)  # type: ignore[no-untyped-call]

    def expressionReceived(self, sexp: Any) -> None:
        """Do what it says if it is one of COMMANDS."""
        if not isinstance(sexp, list) or not sexp or sexp[0] not in map(str.encode, COMMANDS):
            raise pb.ProtocolError("not a command")
        if self.logged_in:
            self._allow(self.factory.limits.idle)
            self.factory.used(self)
        super().expressionReceived(sexp)  # type: ignore[no-untyped-call]

    def proto_message(
        self, requestID: int, objectID: object, message: object, answerRequired: int, netArgs: object, netKw: object
    ) -> None:
        """Call a method when its turn comes. Every call is answered, which is what counts them."""
        self.calls += 1
        if self.calls > self.factory.limits.calls:
            self._sendError(Failure(Refused("too many calls at once")), requestID)  # type: ignore[no-untyped-call]
            return
        self.factory.turns.put(lambda: self._call(requestID, objectID, message, 1, netArgs, netKw))

    def _call(self, *call: object) -> None:
        if self.disconnected or self._dropped:
            return
        try:
            super().proto_message(*call)  # type: ignore[no-untyped-call]
        except Exception as error:
            self._drop(f"not a request ({type(error).__name__})")

    def _sendAnswer(self, netResult: object, requestID: int) -> None:
        self.calls -= 1
        if not self.disconnected:
            super()._sendAnswer(netResult, requestID)  # type: ignore[no-untyped-call]

    def _sendError(self, fail: object, requestID: int) -> None:
        self.calls -= 1
        if not self.disconnected:
            super()._sendError(fail, requestID)  # type: ignore[no-untyped-call]

    def _allow(self, seconds: float | None) -> None:
        self.setTimeout(seconds)  # type: ignore[no-untyped-call]

    def _drop(self, reason: str) -> None:
        self._log.info("admin connection from {source} dropped: {reason}", source=self.source, reason=reason)
        self.abort()


@implementer(IPushProducer)
class Brake:
    """Reads no more requests from a client that does not take the answers."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def pauseProducing(self) -> None:
        """The answers pile up."""
        self._transport.pauseProducing()

    def resumeProducing(self) -> None:
        """They are gone."""
        self._transport.resumeProducing()

    def stopProducing(self) -> None:
        """The connection is over."""
