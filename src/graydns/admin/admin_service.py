"""AdminService: the admin interface as a part of the server, with its listening sockets, on TCP or on a Unix socket.

The sockets accept a few connections in each turn of the reactor, so that DNS queries are answered between.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.python.failure import Failure

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
from graydns.config.address import ListenEndpoint, UnixSocket
from graydns.listen.tls_context import TlsContext
from graydns.model.errors import ConfigError, ConfigIssue
from graydns.operations import OPERATIONS
from graydns.operations.operation import Operation
from graydns.runtime.twisted_types import Service, TcpPort, UnixPort

#: Connections accepted in one turn of the reactor, about 50 µs each. Twisted accepts 100, and more while more arrive.
MAX_ACCEPTS_PER_TURN = 4


class AcceptLimitedPort(TcpPort):
    """A TCP port that accepts MAX_ACCEPTS_PER_TURN connections a turn of the reactor; also a mix-in for UnixPort."""

    def doRead(self) -> None:
        """Accept waiting connections, at most MAX_ACCEPTS_PER_TURN."""
        self.numberAccepts = MAX_ACCEPTS_PER_TURN
        super().doRead()


SOCKET_MODE = 0o600
LISTEN_BACKLOG = 128

#: Bytes of a path that fit into a socket address: sun_path of unix(7) without its final NUL.
MAX_SOCKET_PATH_BYTES = 107


class UnixSocketPort(AcceptLimitedPort, UnixPort):
    """Twisted's UnixPort, except that it removes the socket file only if it created it."""

    _inode: tuple[int, int] | None = None

    def startListening(self) -> None:
        """Bind and listen. The umask gives the socket file its mode at its creation."""
        mask = os.umask(0o777 & ~SOCKET_MODE)
        try:
            super().startListening()
        finally:
            os.umask(mask)
        self._inode = _read_inode(self._bindPath)

    def connectionLost(self, reason: Failure) -> None:
        """Remove the socket file if it is still the one that was created."""
        if self._inode is not None and _read_inode(self._bindPath) == self._inode:
            os.unlink(self._bindPath)
        TcpPort.connectionLost(self, reason)


def listen_unix(path: Path, factory: Any, reactor: Any) -> UnixSocketPort:
    """Listen on a Unix socket at *path*. Raises ConfigError and CannotListenError."""
    prepare_socket_path(path)
    port = UnixSocketPort(os.fsencode(path), factory, LISTEN_BACKLOG, SOCKET_MODE, reactor)
    port.startListening()
    return port


def prepare_socket_path(path: Path) -> None:
    """Make sure that a socket can be bound at *path*: create its folder, and remove a socket that no server listens on.

    Raises ConfigError if a server listens there, or if *path* is anything but a socket, a symbolic link included.
    """
    if len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
        raise _make_config_error(path, "too long", f"a path of at most {MAX_SOCKET_PATH_BYTES} octets")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(path):
            return
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise _make_config_error(path, "not a socket", "a path for a socket; nothing else there is removed")
        if _is_served(path):
            raise _make_config_error(path, "another server answers there", "a socket that no server listens on")
        path.unlink()
    except OSError as error:
        raise _make_config_error(path, error.strerror or str(error), "a path for a socket") from error


def _is_served(path: Path) -> bool:
    """Whether a server listens at *path*, also if its backlog is full."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(os.fspath(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except BlockingIOError:
            return True
    return True


def _read_inode(path: bytes) -> tuple[int, int] | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _make_config_error(path: Path, found: str, expected: str) -> ConfigError:
    return ConfigError([ConfigIssue(("admin",), f"unix:{path} ({found})", expected)])


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
