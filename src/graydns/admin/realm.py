"""Realm: what somebody may do, once it is known who that is."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen
from twisted.cred.portal import IRealm
from twisted.spread.pb import IPerspective
from zope.interface import implementer

from graydns.admin.administrator import Administrator
from graydns.admin.control import Control
from graydns.admin.identity import ADMIN, OPERATOR, VIEWER, Identity
from graydns.admin.operator import Operator
from graydns.admin.perspective import Perspective
from graydns.admin.trail import Trail
from graydns.admin.viewer import Viewer

PERSPECTIVES: dict[str, type[Perspective]] = {VIEWER: Viewer, OPERATOR: Operator, ADMIN: Administrator}


@implementer(IRealm)
@frozen
class Realm:
    """Gives every login a perspective of its own."""

    control: Control
    trail: Trail

    def requestAvatar(
        self, identity: Identity, mind: object, *interfaces: object
    ) -> tuple[object, Perspective, Callable[[], None]]:
        """The perspective of *identity*."""
        if IPerspective not in interfaces:
            raise NotImplementedError("only perspectives are given out")
        return IPerspective, PERSPECTIVES[identity.role](identity, self.control, self.trail), _leave


def _leave() -> None:
    """Nothing is kept of who was here."""
