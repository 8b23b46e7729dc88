"""AdminBroker: one connection, and what it may cost: how large a request, how many at once, how long in silence.

AdminRoot: all that a client can talk to before it has logged in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import frozen
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.spread import pb
from zope.interface import implementer

from graydns.admin.argument_checks import ArgumentSignature
from graydns.admin.pb_security import AdminRefusedError, AdminSecurityOptions
from graydns.runtime.twisted_types import Broker, TimeoutMixin

if TYPE_CHECKING:
    from graydns.admin.factory import AdminFactory


#: What a client may say (the rest of the protocol is for objects that cross, and none do but the avatar).
ALLOWED_PB_MESSAGES = frozenset(("version", "message", "decref", "didNotUnderstand"))


@frozen
class AdminLimits:
    """*connections*: in all; *strangers*: not logged in, of one address; *calls*: at once, of one connection.

    *login*, *idle*: seconds until a connection must be logged in, and of silence after that. *request*,
    *login_request*: octets; taking apart what PB itself would let through, 640 KiB, would hold up answers for a third
    of a second.
    """

    connections: int = 50
    unauthenticated: int = 10
    calls: int = 16
    login_timeout: float = 20.0
    idle_timeout: float = 600.0
    request_bytes: int = 32 << 10
    login_request_bytes: int = 16 << 10


class AdminBroker(Broker, TimeoutMixin):
    """One connection. *source*: its address. *calls*: being worked on."""

    factory: AdminFactory
    transport: Any
    _log = Logger()

    def __init__(self, factory: AdminFactory, source: str) -> None:
        super().__init__(isClient=0, security=AdminSecurityOptions())
        self.factory = factory
        self.source = source
        self.pending_calls = 0
        self.logged_in = False
        self._request_bytes = 0
        self._dropped = False

    def callLater(self, period: float, function: Callable[[], None]) -> Any:
        """The factory's clock, for TimeoutMixin."""
        return self.factory.reactor.callLater(period, function)

    def connectionMade(self) -> None:
        """The entrance may still refuse; if not, there is time to log in."""
        if (reason := self.factory.authenticator.find_refusal(self.transport)) is not None:
            self._drop(reason)
            return
        self.factory.add_connection(self)
        self._restart_timeout(self.factory.limits.login_timeout)
        super().connectionMade()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The place is free again."""
        self._restart_timeout(None)
        self.factory.remove_connection(self)
        super().connectionLost(reason)

    def on_login(self) -> None:
        """Somebody logged in; from here on silence is what ends the connection."""
        self.logged_in = True
        self._request_bytes = 0
        # Not before: a TLS handshake that waits to write has to read on.
        self.transport.registerProducer(Backpressure(self.transport), True)
        self._restart_timeout(self.factory.limits.idle_timeout)

    def timeoutConnection(self) -> None:
        """A client that waits for us is not idle."""
        if self.logged_in and self.pending_calls:
            self._restart_timeout(self.factory.limits.idle_timeout)
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
        self._request_bytes += len(chunk)
        limits = self.factory.limits
        if self._request_bytes > (limits.request_bytes if self.logged_in else limits.login_request_bytes):
            self._drop("a request too large")
            return
        try:
            super().dataReceived(chunk)
        except Exception as error:
            self._drop(f"not a request ({type(error).__name__})")

    def callExpressionReceived(self, obj: object) -> None:
        """One request is whole. What strangers say is counted all together."""
        if self.logged_in:
            self._request_bytes = 0
        super().callExpressionReceived(obj)

    def expressionReceived(self, sexp: Any) -> None:
        """Do what it says if it is one of COMMANDS."""
        if not isinstance(sexp, list) or not sexp or sexp[0] not in map(str.encode, ALLOWED_PB_MESSAGES):
            raise pb.ProtocolError("not a command")
        if self.logged_in:
            self._restart_timeout(self.factory.limits.idle_timeout)
            self.factory.mark_active(self)
        super().expressionReceived(sexp)

    def proto_message(
        self, requestID: int, objectID: object, message: object, answerRequired: int, netArgs: object, netKw: object
    ) -> None:
        """Call a method when its turn comes. Every call is answered, which is what counts them."""
        self.pending_calls += 1
        if self.pending_calls > self.factory.limits.calls:
            self._sendError(Failure(AdminRefusedError("too many calls at once")), requestID)
            return
        self.factory.call_queue.put(lambda: self._call(requestID, objectID, message, 1, netArgs, netKw))

    def _call(self, *call: object) -> None:
        if self.disconnected or self._dropped:
            return
        try:
            super().proto_message(*call)
        except Exception as error:
            self._drop(f"not a request ({type(error).__name__})")

    def _sendAnswer(self, netResult: object, requestID: int) -> None:
        self.pending_calls -= 1
        if not self.disconnected:
            super()._sendAnswer(netResult, requestID)

    def _sendError(self, fail: object, requestID: int) -> None:
        self.pending_calls -= 1
        if not self.disconnected:
            super()._sendError(fail, requestID)

    def _restart_timeout(self, seconds: float | None) -> None:
        self.setTimeout(seconds)

    def _drop(self, reason: str) -> None:
        self._log.info("admin connection from {source} dropped: {reason}", source=self.source, reason=reason)
        self.abort()


@implementer(IPushProducer)
class Backpressure:
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


class AdminRoot(pb.Root):
    """The root object of one connection; knows one word. (PB's own login needs the plain password on this side.)"""

    _log = Logger()

    def __init__(self, broker: AdminBroker) -> None:
        self._broker = broker
        self._login_started = False

    def remoteMessageReceived(self, broker: AdminBroker, message: str, args: object, kw: object) -> Any:
        """``login(name=None, password=None)`` gives the perspective; once a connection."""
        if message != "login":
            raise AdminRefusedError("log in first")
        arguments = _LOGIN_SIGNATURE.read(broker, args, kw)
        if self._login_started:
            raise AdminRefusedError("logged in already; make another connection")
        self._login_started = True
        entered = Deferred.fromCoroutine(self._login(**arguments))
        return broker.serialize(entered)

    async def _login(self, name: str | None = None, password: str | None = None) -> pb.Referenceable:
        broker, factory = self._broker, self._broker.factory
        try:
            shown: Any = factory.authenticator.credentials(broker.transport, broker.source, name, password)
            _, avatar, _ = await factory.portal.login(shown, None, pb.IPerspective)
        except AdminRefusedError:
            self._login_started = False
            raise
        except UnauthorizedLogin as error:
            raise AdminRefusedError("that is no way to log in here") from error
        except Exception:
            self._log.failure("admin login failed")
            raise AdminRefusedError("internal failure") from None
        if broker.disconnected:
            raise AdminRefusedError("the connection is gone")
        broker.on_login()
        return pb.AsReferenceable(avatar, "perspective")


_LOGIN_SIGNATURE = ArgumentSignature.from_function(AdminRoot._login)
