"""AdminRoot: all that a client can talk to before it has logged in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.spread import pb

from graydns.admin.arguments import Shape
from graydns.admin.security import Refused

if TYPE_CHECKING:
    from graydns.admin.broker import AdminBroker


class AdminRoot(pb.Root):
    """The root object of one connection; knows one word. (PB's own login needs the plain password on this side.)"""

    _log = Logger()

    def __init__(self, broker: AdminBroker) -> None:
        self._broker = broker
        self._began = False

    def remoteMessageReceived(self, broker: AdminBroker, message: str, args: object, kw: object) -> Any:
        """``login(name=None, password=None)`` gives the perspective; once a connection."""
        if message != "login":
            raise Refused("log in first")
        arguments = SHAPE.received(broker, args, kw)
        if self._began:
            raise Refused("logged in already; make another connection")
        self._began = True
        entered = Deferred.fromCoroutine(self._login(**arguments))
        return broker.serialize(entered)  # type: ignore[no-untyped-call]

    async def _login(self, name: str | None = None, password: str | None = None) -> pb.Referenceable:
        broker, factory = self._broker, self._broker.factory
        try:
            shown: Any = factory.entrance.credentials(broker.transport, broker.source, name, password)
            _, avatar, _ = await factory.portal.login(shown, None, pb.IPerspective)
        except Refused:
            self._began = False
            raise
        except UnauthorizedLogin as error:
            raise Refused("that is no way to log in here") from error
        except Exception:
            self._log.failure("admin login failed")
            raise Refused("internal failure") from None
        if broker.disconnected:
            raise Refused("the connection is gone")
        broker.welcome()
        return pb.AsReferenceable(avatar, "perspective")  # type: ignore[no-untyped-call]


SHAPE = Shape.of(AdminRoot._login)
