"""Link: a connection to a server, made when it is needed and kept. On the reactor's thread only."""

from __future__ import annotations

import json
from typing import Any

from attrs import field, frozen
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.spread import pb
from twisted.spread.jelly import SecurityOptions, setUnjellyableFactoryForClass

from graydns.ctl.place import Place, TlsPlace

#: Seconds to reach a server, and to wait for the first page of a reply.
CONNECT = 5.0
PATIENCE = 900.0

#: Heads of what a server sends: plain values, its perspective, its errors.
RECEIVED = frozenset((b"None", b"boolean", b"dictionary", b"list", b"tuple", b"unicode", b"remote"))
REFUSED = b"graydns.refused"
SENT = frozenset(
    b"builtins." + name for name in (b"bool", b"dict", b"float", b"int", b"list", b"NoneType", b"str", b"tuple")
)


class LinkError(Exception):
    """The server refused, or cannot be reached; the text says what."""


@frozen
class Login:
    """How to show who we are, over TLS. *ca*, *certificate*, *key*: PEM files; no *ca* = those of the system."""

    name: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None


# A refusal comes as its name and its text.
setUnjellyableFactoryForClass(REFUSED, LinkError)  # type: ignore[no-untyped-call]


class Values(SecurityOptions):
    """What may cross."""

    def isTypeAllowed(self, typeName: bytes | str) -> bool:
        """Only what is above."""
        name = typeName if isinstance(typeName, bytes) else typeName.encode()
        return name in RECEIVED or name in SENT or name == REFUSED


class Link:
    """Calls commands of the server at *place*."""

    def __init__(self, reactor: Any, place: Place, login: Login) -> None:
        self._reactor = reactor
        self._place = place
        self._login = login
        self._perspective: Any = None
        self._factory: Any = None

    async def call(self, command: str, arguments: dict[str, Any]) -> Any:
        """What *command* gives, all pages of it. Raises LinkError."""
        try:
            return await self._call(command, arguments)
        except (pb.PBConnectionLost, pb.DeadReferenceError, ConnectionClosed) as error:
            self._perspective = None
            raise LinkError(self._lost(command)) from error
        except DeferredTimeout:
            raise LinkError(f"no answer from {self._place} to {command}") from None

    async def _call(self, command: str, arguments: dict[str, Any]) -> Any:
        if self._perspective is None or self._perspective.broker.disconnected:
            self._perspective = None
            self._perspective = await self._log_in()
        first = self._perspective.callRemote(command, **arguments)
        page, cursor = await first.addTimeout(PATIENCE, self._reactor)
        text = [page]
        while cursor is not None:
            page, cursor = await self._perspective.callRemote("more", cursor=cursor)
            text.append(page)
        return json.loads(b"".join(text))

    async def _log_in(self) -> Any:
        factory: Any = pb.PBClientFactory(security=Values())  # type: ignore[no-untyped-call]
        factory.noisy = False
        try:
            self._connect(factory)
            root = await factory.getRootObject().addTimeout(2 * CONNECT, self._reactor)
        except (ConnectError, OSError) as error:
            raise LinkError(f"cannot reach graydns at {self._place}: {_reason(error)}") from error
        self._factory = factory
        claim = {} if self._login.name is None else {"name": self._login.name, "password": self._login.password}
        perspective = await root.callRemote("login", **claim).addTimeout(PATIENCE, self._reactor)
        perspective.doRefCount = False  # it lasts as long as the connection, with nothing left to say at its end
        return perspective

    def _connect(self, factory: Any) -> None:
        if isinstance(self._place, TlsPlace):
            from graydns.ctl.secure import connect_tls

            connect_tls(self._reactor, self._place, self._login, factory, CONNECT)
        else:
            self._reactor.connectUNIX(str(self._place.path), factory, CONNECT)

    def _lost(self, command: str) -> str:
        if self._perspective is None and isinstance(self._place, TlsPlace):
            return f"{self._place} ended the connection during {command}; is its certificate one that --ca knows?"
        return (
            f"{self._place} ended the connection during {command}. "
            "(On a unix socket only root and the user that graydns runs as are let in.)"
        )

    def close(self) -> None:
        """End the connection."""
        if self._factory is not None:
            self._factory.disconnect()


def _reason(error: BaseException) -> str:
    if isinstance(error, ConnectError) and isinstance(error.osError, int):
        import os

        return os.strerror(error.osError)
    return str(error)
