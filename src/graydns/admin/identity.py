"""Identity: who talks to the admin interface, from where, and as what."""

from __future__ import annotations

from attrs import frozen

from graydns.admin.security import Refused
from graydns.model.users import ROLES

VIEWER, OPERATOR, ADMIN = ROLES


@frozen
class Identity:
    """*actor*: ``uid:0`` or ``user:alice``. *tenant*: None = all. *origin*: ``unix`` or ``tls:ADDRESS``."""

    actor: str
    role: str
    tenant: str | None = None
    origin: str = ""

    def require(self, role: str) -> None:
        """Raise Refused unless this is at least a *role*."""
        if ROLES.index(self.role) < ROLES.index(role):
            raise Refused(f"that needs the role {role}; {self.actor} is {self.role}")
