"""AdminBroker: one connection and its limits: size of a request, number of calls at once, time-outs.

AdminRoot: the object that a client reaches before it has logged in. AdminFactory: makes the brokers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.spread import pb
from zope.interface import implementer

from graydns.admin.argument_checks import bind_arguments, unserialize_arguments
from graydns.admin.connections import AdminConnections
from graydns.admin.pb_security import AdminRefusedError, AdminSecurityOptions
from graydns.operations.operation import Argument, make_signature
from graydns.runtime.twisted_types import Broker, PBServerFactory, TimeoutMixin, TLSMemoryBIOFactory

#: The messages of Perspective Broker that are accepted. The others are about remote objects, of which there is only
#: the perspective.
ALLOWED_PB_MESSAGES = frozenset((b"version", b"message", b"decref", b"didNotUnderstand"))

_LOGIN_SIGNATURE = make_signature(
    [Argument("name", str | None, default=None), Argument("password", str | None, default=None)]
)


class AdminBroker(Broker, TimeoutMixin):
    """One connection. *source*: its address. *pending_calls*: calls that are not answered yet."""

    factory: AdminFactory
    transport: Any
    _log = Logger()

    def __init__(self, factory: AdminFactory, source: str) -> None:
        super().__init__(isClient=0, security=AdminSecurityOptions())
        self.factory = factory
        self.connections = factory.connections
        self.limits = factory.connections.limits
        self.source = source
        self.pending_calls = 0
        self.logged_in = False
        self._request_bytes = 0
        self._dropped = False

    def callLater(self, period: float, function: Callable[[], None]) -> Any:
        """Schedule *function* on the factory's clock, for TimeoutMixin."""
        return self.connections.reactor.callLater(period, function)

    def connectionMade(self) -> None:
        """Drop the connection if the authenticator refuses it, else start the login time-out."""
        if (reason := self.connections.authenticator.find_refusal(self.transport)) is not None:
            self._drop(reason)
            return
        self.connections.add(self)
        self._restart_timeout(self.limits.login_timeout)
        super().connectionMade()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Stop counting the connection."""
        self._restart_timeout(None)
        self.connections.remove(self)
        super().connectionLost(reason)

    def on_login(self) -> None:
        """Apply the limits of a client that has logged in."""
        self.logged_in = True
        self._request_bytes = 0
        # Not before the login: while a TLS handshake waits to write, it has to go on reading.
        self.transport.registerProducer(Backpressure(self.transport), True)
        self._restart_timeout(self.limits.idle_timeout)

    def timeoutConnection(self) -> None:
        """Close the connection, unless the client waits for an answer."""
        if self.logged_in and self.pending_calls:
            self._restart_timeout(self.limits.idle_timeout)
        else:
            self.abort()

    def abort(self) -> None:
        """Close the connection at once, without a reply."""
        self._dropped = True
        self.transport.abortConnection()

    def dataReceived(self, chunk: bytes) -> None:
        """Parse *chunk*; what cannot be parsed closes the connection and is logged once."""
        if self._dropped:
            return
        self._request_bytes += len(chunk)
        if self._request_bytes > (self.limits.request_bytes if self.logged_in else self.limits.login_request_bytes):
            self._drop("a request too large")
            return
        try:
            super().dataReceived(chunk)
        except Exception as error:
            self._drop(f"not a request ({type(error).__name__})")

    def callExpressionReceived(self, obj: object) -> None:
        """Handle one complete request. Before the login the sizes of all requests are added up."""
        if self.logged_in:
            self._request_bytes = 0
        super().callExpressionReceived(obj)

    def expressionReceived(self, sexp: Any) -> None:
        """Handle a message of ALLOWED_PB_MESSAGES. Raises ProtocolError for any other."""
        if not isinstance(sexp, list) or not sexp or sexp[0] not in ALLOWED_PB_MESSAGES:
            raise pb.ProtocolError("not a command")
        if self.logged_in:
            self._restart_timeout(self.limits.idle_timeout)
            self.connections.mark_active(self)
        super().expressionReceived(sexp)

    def proto_message(
        self, requestID: int, objectID: object, message: object, answerRequired: int, netArgs: object, netKw: object
    ) -> None:
        """Queue a call. Every call is answered, also one that asked for no answer, since answers count down
        *pending_calls*.
        """
        self.pending_calls += 1
        if self.pending_calls > self.limits.calls:
            self._sendError(Failure(AdminRefusedError("too many calls at once")), requestID)
            return
        self.connections.call_queue.put(lambda: self._call(requestID, objectID, message, 1, netArgs, netKw))

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
    """Stops reading requests from a client that does not read its answers."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def pauseProducing(self) -> None:
        """Stop reading: the send buffer is full."""
        self._transport.pauseProducing()

    def resumeProducing(self) -> None:
        """Read again: the send buffer is empty."""
        self._transport.resumeProducing()

    def stopProducing(self) -> None:
        """Do nothing; the connection is closed."""


class AdminRoot(pb.Root):
    """The root object of one connection. It knows only ``login``, since PB's own login needs the password in plain text
    on the server.
    """

    _log = Logger()

    def __init__(self, broker: AdminBroker, portal: Portal) -> None:
        self._broker = broker
        self._portal = portal
        self._login_started = False

    def remoteMessageReceived(self, broker: AdminBroker, message: str, args: object, kw: object) -> Any:
        """``login(name=None, password=None)`` returns the perspective; it succeeds once for each connection."""
        if message != "login":
            raise AdminRefusedError("log in first")
        arguments = bind_arguments(_LOGIN_SIGNATURE, *unserialize_arguments(broker, args, kw))
        if self._login_started:
            raise AdminRefusedError("logged in already; make another connection")
        self._login_started = True
        return broker.serialize(Deferred.fromCoroutine(self._login(**arguments)))

    async def _login(self, name: str | None = None, password: str | None = None) -> pb.Referenceable:
        broker = self._broker
        try:
            authenticator = broker.connections.authenticator
            credentials: Any = authenticator.credentials(broker.transport, broker.source, name, password)
            _, avatar, _ = await self._portal.login(credentials, None, pb.IPerspective)
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


class AdminFactory(PBServerFactory):
    """Makes an AdminBroker for each connection that AdminConnections accepts."""

    noisy = False

    def __init__(self, portal: Portal, connections: AdminConnections) -> None:
        super().__init__(portal, security=AdminSecurityOptions())
        self.portal = portal
        self.connections = connections

    def buildProtocol(self, addr: Any) -> AdminBroker | None:
        """A broker for a client at *addr*; None closes the connection."""
        source = self.connections.authenticator.format_source(addr)
        if not self.connections.make_room(source):
            return None
        broker = AdminBroker(self, source)
        broker.setNameForLocal("root", AdminRoot(broker, self.portal))
        return broker


class AdminTlsFactory(TLSMemoryBIOFactory):
    """Twisted's TLS factory, around a factory that may refuse a connection."""

    def buildProtocol(self, addr: Any) -> Any:
        """The TLS protocol around the inner one; None closes the connection."""
        inner = self.wrappedFactory.buildProtocol(addr)
        return None if inner is None else self.protocol(self, inner)
