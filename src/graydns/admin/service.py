"""AdminService: the admin interface as a part of the server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError

from graydns.admin.accepting import FewAtOnce
from graydns.admin.broker import AdminLimits
from graydns.admin.checkers import PasswordChecker, PeerChecker
from graydns.admin.control import Audit, Control
from graydns.admin.entrance import Entrance, TlsEntrance, UnixEntrance, own_uids
from graydns.admin.factory import AdminFactory, AdminTlsFactory
from graydns.admin.gate import Gate
from graydns.admin.realm import Realm
from graydns.admin.trail import Trail
from graydns.admin.unixsocket import BACKLOG, clear, listen_unix
from graydns.config.address import Door, UnixSocket
from graydns.listen.context import TlsContext
from graydns.model.errors import ConfigError, Fault


class AdminService(Service):
    """Listens at *place*. *users*: the users file, for TLS; *tls*: needed there.

    A unix socket is made by :meth:`startService`, so that it belongs to the user that the server runs as; whether it
    can be is looked at before. Both that and :meth:`privilegedStartService` raise ConfigError.
    """

    name = "admin"

    def __init__(
        self,
        place: UnixSocket | Door,
        control: Control,
        audit: Audit,
        reactor: Any,
        *,
        users: Path,
        tls: TlsContext | None = None,
        limits: AdminLimits | None = None,
        gate: Gate | None = None,
    ) -> None:
        if isinstance(place, Door) and tls is None:
            raise ConfigError([Fault(("tls",), "nothing", "a certificate and its key, for the admin interface")])
        self.place = place
        self._reactor = reactor
        self._tls = tls
        self._port: Any = None
        self._users = (users, gate or Gate())
        self._realm = Realm(control, Trail(audit, reactor))
        self._limits = limits or AdminLimits()
        self.factory: AdminFactory | None = None

    @property
    def listening(self) -> UnixSocket | Door | None:
        """Where clients reach us, ports as they are; None while they do not."""
        if self._port is None or isinstance(self.place, UnixSocket):
            return self.place if self._port else None
        return Door(self.place.transport, self.place.host, self._port.getHost().port)

    def privilegedStartService(self) -> None:
        """Open a TCP port, which may need privileges; look whether a unix socket can be made."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        if isinstance(self.place, UnixSocket):
            clear(self.place.path)
        else:
            self._open()

    def startService(self) -> None:
        """Open what is not open yet."""
        super().startService()  # type: ignore[no-untyped-call]
        self._open()

    def stopService(self) -> Deferred[None]:
        """Accept nobody more and end all connections."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._close())

    def _open(self) -> None:
        if self._port is not None:
            return
        try:
            if isinstance(self.place, UnixSocket):
                self._port = listen_unix(self.place.path, self._new_factory(UnixEntrance(own_uids())), self._reactor)
            else:
                factory: Any = AdminTlsFactory(self._tls, False, self._new_factory(TlsEntrance()), self._reactor)  # type: ignore[arg-type]
                port = FewAtOnce(self.place.port, factory, BACKLOG, self.place.host, self._reactor)
                port.startListening()
                self._port = port
        except CannotListenError as error:
            reason = os.strerror(error.socketError.errno or 0)
            expected = "a place where graydns may listen and nobody else does"
            raise ConfigError([Fault(("admin",), f"{_written(self.place)} ({reason})", expected)]) from error

    def _new_factory(self, entrance: Entrance) -> AdminFactory:
        file, gate = self._users
        checker: Any = PasswordChecker(file, self._reactor, gate) if entrance.remote else PeerChecker()
        realm: Any = self._realm  # what zope calls an IRealm
        portal = Portal(realm, [checker])
        self.factory = AdminFactory(portal, entrance, self._limits, self._reactor)
        return self.factory

    async def _close(self) -> None:
        port, self._port = self._port, None
        if port is not None and (closed := port.stopListening()) is not None:
            await closed
        if self.factory is not None:
            self.factory.close()


def _written(place: UnixSocket | Door) -> str:
    return f"unix:{place.path}" if isinstance(place, UnixSocket) else str(place)
