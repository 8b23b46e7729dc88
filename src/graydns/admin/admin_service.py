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
from graydns.admin.authenticators import Authenticator, TlsAuthenticator, UnixAuthenticator, own_uids
from graydns.admin.broker import AdminFactory, AdminTlsFactory
from graydns.admin.checkers import PasswordChecker, PeerChecker
from graydns.admin.connections import AdminConnections, AdminLimits
from graydns.admin.dispatcher import HANDLERS, Handler, OperationDispatcher
from graydns.admin.login_throttle import LoginThrottle
from graydns.admin.perspective import AdminRealm
from graydns.admin.ports import LISTEN_BACKLOG, AcceptLimitedPort, listen_unix, prepare_socket_path
from graydns.config.address import ListenEndpoint, UnixSocket
from graydns.listen.tls_context import TlsContext
from graydns.model.errors import ConfigError, ConfigIssue
from graydns.operations import OPERATIONS
from graydns.operations.operation import Operation
from graydns.runtime.twisted_types import Service


class AdminService(Service):
    """Listens at *place*. *users*: the users file, for TLS; *tls*: needed there.

    A unix socket is made by :meth:`startService`, so that it belongs to the user that the server runs as; whether it
    can be is looked at before. Both that and :meth:`privilegedStartService` raise ConfigError.
    """

    name = "admin"

    def __init__(
        self,
        place: UnixSocket | ListenEndpoint,
        control: object,
        audit: AuditSink,
        reactor: Any,
        *,
        users: Path,
        tls: TlsContext | None = None,
        limits: AdminLimits | None = None,
        gate: LoginThrottle | None = None,
        operations: Mapping[str, Operation] = OPERATIONS,
        handlers: Mapping[str, Handler] = HANDLERS,
    ) -> None:
        if isinstance(place, ListenEndpoint) and tls is None:
            raise ConfigError([ConfigIssue(("tls",), "nothing", "a certificate and its key, for the admin interface")])
        self.address = place
        self._reactor = reactor
        self._tls = tls
        self._port: Any = None
        self._users = (users, gate or LoginThrottle())
        self._realm = AdminRealm(OperationDispatcher(control, AuditTrail(audit, reactor), operations, handlers))
        self._limits = limits or AdminLimits()
        self.connections: AdminConnections | None = None

    @property
    def bound_address(self) -> UnixSocket | ListenEndpoint | None:
        """Where clients reach us, ports as they are; None while they do not."""
        if self._port is None or isinstance(self.address, UnixSocket):
            return self.address if self._port else None
        return ListenEndpoint(self.address.transport, self.address.host, self._port.getHost().port)

    def privilegedStartService(self) -> None:
        """Open a TCP port, which may need privileges; look whether a unix socket can be made."""
        super().privilegedStartService()
        if isinstance(self.address, UnixSocket):
            prepare_socket_path(self.address.path)
        else:
            self._open()

    def startService(self) -> None:
        """Open what is not open yet."""
        super().startService()
        self._open()

    def stopService(self) -> Deferred[None]:
        """Accept nobody more and end all connections."""
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
            expected = "a place where graydns may listen and nobody else does"
            raise ConfigError(
                [ConfigIssue(("admin",), f"{_format_address(self.address)} ({reason})", expected)]
            ) from error

    def _new_factory(self, entrance: Authenticator) -> AdminFactory:
        file, gate = self._users
        checker: Any = PasswordChecker(file, self._reactor, gate) if entrance.is_remote else PeerChecker()
        realm: Any = self._realm  # what zope calls an IRealm
        portal = Portal(realm, [checker])
        self.connections = AdminConnections(entrance, self._limits, self._reactor)
        return AdminFactory(portal, self.connections)

    async def _close(self) -> None:
        port, self._port = self._port, None
        if port is not None and (closed := port.stopListening()) is not None:
            await closed
        if self.connections is not None:
            self.connections.abort_all()


def _format_address(place: UnixSocket | ListenEndpoint) -> str:
    return f"unix:{place.path}" if isinstance(place, UnixSocket) else str(place)
