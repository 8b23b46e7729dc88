"""The client of the admin interface: AdminClient on a reactor, BlockingAdminClient for code without one."""

from __future__ import annotations

import json
from threading import Thread
from typing import Any

from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.threads import blockingCallFromThread
from twisted.spread import pb
from twisted.spread.jelly import setUnjellyableFactoryForClass

from graydns.ctl.admin_endpoint import AdminClientError, AdminEndpoint, AdminLogin, TlsAdminEndpoint
from graydns.operations.operation import REFUSED_ERROR_NAME
from graydns.runtime.twisted_types import SecurityOptions

#: Seconds to reach a server, and to wait for the first page of a reply.
CONNECT_TIMEOUT_SECONDS = 5.0
REPLY_TIMEOUT_SECONDS = 900.0

#: First items of the values that a server sends (``remote`` is its perspective), and types of those sent to it.
RECEIVED_TYPES = frozenset((b"None", b"boolean", b"dictionary", b"list", b"tuple", b"unicode", b"remote"))
SENT_TYPES = frozenset(
    b"builtins." + name for name in (b"bool", b"dict", b"float", b"int", b"list", b"NoneType", b"str", b"tuple")
)


# A refusal arrives as its name and its text.
setUnjellyableFactoryForClass(REFUSED_ERROR_NAME, AdminClientError)


class ClientSecurityOptions(SecurityOptions):
    """Allows plain values, the perspective and refusals."""

    def isTypeAllowed(self, typeName: bytes | str) -> bool:
        """Whether values of the type *typeName* may cross."""
        name = typeName if isinstance(typeName, bytes) else typeName.encode()
        return name in RECEIVED_TYPES or name in SENT_TYPES or name == REFUSED_ERROR_NAME


class AdminClient:
    """Calls operations over one connection to *endpoint*, which is opened by the first call and again when lost."""

    def __init__(self, reactor: Any, endpoint: AdminEndpoint, login: AdminLogin) -> None:
        self._reactor = reactor
        self._endpoint = endpoint
        self._login = login
        self._perspective: Any = None
        self._factory: Any = None

    async def call(self, command: str, arguments: dict[str, Any]) -> Any:
        """The reply of operation *command*, joined from its pages. Raises AdminClientError."""
        try:
            return await self._call(command, arguments)
        except (pb.PBConnectionLost, pb.DeadReferenceError, ConnectionClosed) as error:
            self._perspective = None
            raise AdminClientError(self._describe_loss(command)) from error
        except DeferredTimeout:
            raise AdminClientError(f"no answer from {self._endpoint} to {command}") from None

    async def _call(self, command: str, arguments: dict[str, Any]) -> Any:
        if self._perspective is None or self._perspective.broker.disconnected:
            self._perspective = None
            self._perspective = await self._log_in()
        first = self._perspective.callRemote(command, **arguments)
        page, cursor = await first.addTimeout(REPLY_TIMEOUT_SECONDS, self._reactor)
        text = [page]
        while cursor is not None:
            page, cursor = await self._perspective.callRemote("more", cursor=cursor)
            text.append(page)
        return json.loads(b"".join(text))

    async def _log_in(self) -> Any:
        factory: Any = pb.PBClientFactory(security=ClientSecurityOptions())
        factory.noisy = False
        try:
            self._connect(factory)
            root = await factory.getRootObject().addTimeout(2 * CONNECT_TIMEOUT_SECONDS, self._reactor)
        except (ConnectError, OSError) as error:
            raise AdminClientError(f"cannot reach graydns at {self._endpoint}: {_describe_error(error)}") from error
        self._factory = factory
        credentials = {} if self._login.name is None else {"name": self._login.name, "password": self._login.password}
        perspective = await root.callRemote("login", **credentials).addTimeout(REPLY_TIMEOUT_SECONDS, self._reactor)
        perspective.doRefCount = False  # the server drops it with the connection
        return perspective

    def _connect(self, factory: Any) -> None:
        if isinstance(self._endpoint, TlsAdminEndpoint):
            from graydns.ctl.tls_client import connect_tls

            connect_tls(self._reactor, self._endpoint, self._login, factory, CONNECT_TIMEOUT_SECONDS)
        else:
            self._reactor.connectUNIX(str(self._endpoint.path), factory, CONNECT_TIMEOUT_SECONDS)

    def _describe_loss(self, command: str) -> str:
        if self._perspective is None and isinstance(self._endpoint, TlsAdminEndpoint):
            return f"{self._endpoint} ended the connection during {command}; is its certificate signed by a CA in --ca?"
        return (
            f"{self._endpoint} ended the connection during {command}. "
            "(A Unix socket accepts only root and the user that graydns runs as.)"
        )

    def close(self) -> None:
        """Close the connection."""
        if self._factory is not None:
            self._factory.disconnect()


def _describe_error(error: BaseException) -> str:
    if isinstance(error, ConnectError) and isinstance(error.osError, int):
        import os

        return os.strerror(error.osError)
    return str(error)


class BlockingAdminClient:
    """An AdminClient with a thread for the reactor. *reactor*: one that does not run yet; None = Twisted's own."""

    def __init__(self, endpoint: AdminEndpoint, login: AdminLogin, reactor: Any = None) -> None:
        if reactor is None:
            from twisted.internet import reactor
        self._reactor: Any = reactor
        self._client = AdminClient(self._reactor, endpoint, login)
        # A daemon thread does not keep the process from ending.
        self._thread = Thread(target=self._reactor.run, args=(False,), name="reactor", daemon=True)
        self._thread.start()

    def call(self, command: str, arguments: dict[str, Any]) -> Any:
        """The reply of operation *command*. Raises AdminClientError."""
        return blockingCallFromThread(self._reactor, self._client.call, command, arguments)

    def close(self) -> None:
        """Close the connection and end the thread."""
        self._reactor.callFromThread(self._stop)
        self._thread.join(1.0)

    def _stop(self) -> None:
        self._client.close()
        self._reactor.stop()
