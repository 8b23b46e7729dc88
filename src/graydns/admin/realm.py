"""Realm: what somebody may do, once it is known who that is."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen
from twisted.cred.portal import IRealm
from twisted.spread.pb import IPerspective
from zope.interface import implementer

from graydns.admin.audit_trail import AuditTrail
from graydns.admin.checkers import ADMIN, OPERATOR, VIEWER, AdminIdentity
from graydns.admin.control_interface import ControlInterface
from graydns.admin.operator import Administrator, Operator
from graydns.admin.perspective import Perspective
from graydns.admin.viewer import Viewer

PERSPECTIVES: dict[str, type[Perspective]] = {VIEWER: Viewer, OPERATOR: Operator, ADMIN: Administrator}


@implementer(IRealm)
@frozen
class Realm:
    """Gives every login a perspective of its own."""

    control: ControlInterface
    audit_trail: AuditTrail

    def requestAvatar(
        self, identity: AdminIdentity, mind: object, *interfaces: object
    ) -> tuple[object, Perspective, Callable[[], None]]:
        """The perspective of *identity*."""
        if IPerspective not in interfaces:
            raise NotImplementedError("only perspectives are given out")
        return IPerspective, PERSPECTIVES[identity.role](identity, self.control, self.audit_trail), _log_out


def _log_out() -> None:
    """Nothing is kept of who was here."""
