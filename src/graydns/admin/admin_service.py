"""AdminService: the admin interface as a part of the server."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError

from graydns.admin.audit_trail import AuditSink, AuditTrail
from graydns.admin.authentication import (
    Authenticator,
    PasswordChecker,
    PeerChecker,
    TlsAuthenticator,
    UnixAuthenticator,
    own_uids,
)
from graydns.admin.broker import AdminFactory, AdminTlsFactory
from graydns.admin.connections import AdminConnections, AdminLimits
from graydns.admin.login_throttle import LoginThrottle
from graydns.admin.perspective import HANDLERS, AdminRealm, Handler, OperationDispatcher
from graydns.admin.ports import LISTEN_BACKLOG, AcceptLimitedPort, listen_unix, prepare_socket_path
from graydns.config.address import ListenEndpoint, UnixSocket
from graydns.listen.tls_context import TlsContext
from graydns.model.errors import ConfigError, ConfigIssue
from graydns.operations import OPERATIONS
from graydns.operations.operation import Operation
from graydns.runtime.twisted_types import Service


class AdminService(Service):
    """Listens at *address* for clients that call *operations* of *control*.

    *users*: the users file, and *tls*: the certificate; both for TLS. *control*: has a method for each of *operations*
    that has no entry in *handlers*.

    :meth:`startService` creates a Unix socket, so that it belongs to the user that the server runs as;
    :meth:`privilegedStartService` only checks that it can be created. Both raise ConfigError.
    """

    name = "admin"

    def __init__(
        self,
        address: UnixSocket | ListenEndpoint,
        control: object,
        audit: AuditSink,
        reactor: Any,
        *,
        users: Path,
        tls: TlsContext | None = None,
        limits: AdminLimits | None = None,
        login_throttle: LoginThrottle | None = None,
        operations: Mapping[str, Operation] = OPERATIONS,
        handlers: Mapping[str, Handler] = HANDLERS,
    ) -> None:
        if isinstance(address, ListenEndpoint) and tls is None:
            raise ConfigError([ConfigIssue(("tls",), "nothing", "a certificate and its key, for the admin interface")])
        self.address = address
        self._reactor = reactor
        self._tls = tls
        self._port: Any = None
        self._users = users
        self._login_throttle = login_throttle or LoginThrottle()
        self._realm = AdminRealm(OperationDispatcher(control, AuditTrail(audit, reactor), operations, handlers))
        self._limits = limits or AdminLimits()
        self.connections: AdminConnections | None = None

    @property
    def bound_address(self) -> UnixSocket | ListenEndpoint | None:
        """The address that clients can connect to, with the port in use; None while there is none."""
        if self._port is None or isinstance(self.address, UnixSocket):
            return self.address if self._port else None
        return ListenEndpoint(self.address.transport, self.address.host, self._port.getHost().port)

    def privilegedStartService(self) -> None:
        """Listen on a TCP port, which may need privileges; check the path of a Unix socket."""
        super().privilegedStartService()
        if isinstance(self.address, UnixSocket):
            prepare_socket_path(self.address.path)
        else:
            self._open()

    def startService(self) -> None:
        """Listen, unless privilegedStartService has started that."""
        super().startService()
        self._open()

    def stopService(self) -> Deferred[None]:
        """Stop listening and close all connections."""
        super().stopService()
        return Deferred.fromCoroutine(self._close())

    def _open(self) -> None:
        if self._port is not None:
            return
        try:
            if isinstance(self.address, UnixSocket):
                self._port = listen_unix(
                    self.address.path, self._new_factory(UnixAuthenticator(own_uids())), self._reactor
                )
            else:
                factory: Any = AdminTlsFactory(self._tls, False, self._new_factory(TlsAuthenticator()), self._reactor)
                port = AcceptLimitedPort(self.address.port, factory, LISTEN_BACKLOG, self.address.host, self._reactor)
                port.startListening()
                self._port = port
        except CannotListenError as error:
            reason = os.strerror(error.socketError.errno or 0)
            expected = "an address that graydns may listen on and no other program uses"
            raise ConfigError(
                [ConfigIssue(("admin",), f"{_format_address(self.address)} ({reason})", expected)]
            ) from error

    def _new_factory(self, authenticator: Authenticator) -> AdminFactory:
        checker: Any = PeerChecker()
        if authenticator.is_remote:
            checker = PasswordChecker(self._users, self._reactor, self._login_throttle)
        realm: Any = self._realm  # mypy does not see that it implements IRealm
        portal = Portal(realm, [checker])
        self.connections = AdminConnections(authenticator, self._limits, self._reactor)
        return AdminFactory(portal, self.connections)

    async def _close(self) -> None:
        port, self._port = self._port, None
        if port is not None and (closed := port.stopListening()) is not None:
            await closed
        if self.connections is not None:
            self.connections.abort_all()


def _format_address(address: UnixSocket | ListenEndpoint) -> str:
    return f"unix:{address.path}" if isinstance(address, UnixSocket) else str(address)
