"""Perspective: what one logged-in client sees of the server."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.spread import pb

from graydns.admin.arguments import Shape
from graydns.admin.control import Control
from graydns.admin.identity import Identity
from graydns.admin.incoming import Incoming
from graydns.admin.pages import Page, Pages
from graydns.admin.remote import PREFIX, REMOTES
from graydns.admin.security import Refused
from graydns.admin.trail import Trail


class Perspective(pb.Avatar):
    """Finds the method that a client calls; the methods are those of the classes for the roles."""

    def __init__(self, identity: Identity, control: Control, trail: Trail) -> None:
        self.identity = identity
        self.control = control
        self.trail = trail
        self.pages = Pages()
        self.incoming = Incoming()

    def perspectiveMessageReceived(self, broker: pb.Broker, message: str, args: object, kw: object) -> Any:
        """Call *message*; every call but `more` gives the first page of its reply."""
        if message == "more":
            return broker.serialize(self.pages.more(**_MORE.received(broker, args, kw)))  # type: ignore[no-untyped-call]
        if (found := REMOTES.get(message)) is None:
            raise Refused(f"no such command: {message}")
        method = getattr(self, PREFIX + message, None)
        if method is None:
            self.identity.require(found.role)
            raise Refused(f"no such command: {message}")
        page: Deferred[Page] = method(**found.shape.received(broker, args, kw))
        return broker.serialize(page)  # type: ignore[no-untyped-call]


_MORE = Shape.of(Pages.more)
