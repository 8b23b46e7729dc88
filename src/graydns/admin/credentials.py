"""Identity: who talks to the admin interface, from where, and as what.

Credentials: what a client shows to the portal.
"""

from __future__ import annotations

from typing import TypeAlias

from attrs import field, frozen
from twisted.cred.credentials import ICredentials
from zope.interface import implementer

from graydns.admin.pb_security import AdminRefusedError
from graydns.model.users import ROLES

VIEWER, OPERATOR, ADMIN = ROLES


@frozen
class AdminIdentity:
    """*actor*: ``uid:0`` or ``user:alice``. *tenant*: None = all. *origin*: ``unix`` or ``tls:ADDRESS``."""

    actor: str
    role: str
    tenant: str | None = None
    origin: str = ""

    def require_role(self, role: str) -> None:
        """Raise AdminRefusedError unless this is at least a *role*."""
        if ROLES.index(self.role) < ROLES.index(role):
            raise AdminRefusedError(f"that needs the role {role}; {self.actor} is {self.role}")


class IPeerCredentials(ICredentials):
    """Somebody the kernel vouches for."""


class IPasswordCredentials(ICredentials):
    """Somebody who says a name and a password."""


@implementer(IPeerCredentials)
@frozen
class PeerCredentials:
    """The process at the other end of a unix socket. *source*: for the audit log."""

    uid: int
    source: str


@implementer(IPasswordCredentials)
@frozen
class PasswordCredentials:
    """A claim. *source*: the address it comes from. *origin*: that, and the certificate shown, for the audit log."""

    name: str
    password: str = field(repr=False)
    source: str
    origin: str


AdminCredentials: TypeAlias = PeerCredentials | PasswordCredentials
