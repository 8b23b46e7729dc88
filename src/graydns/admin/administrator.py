"""Administrator: does what overrules a guard or concerns the server itself."""

from __future__ import annotations

from graydns.admin.control import Plain
from graydns.admin.identity import ADMIN
from graydns.admin.operator import Operator
from graydns.admin.remote import remote
from graydns.admin.scope import Scope


class Administrator(Operator):
    """What only those may do who answer for the server."""

    @remote(ADMIN, Scope.WHOLE, action="reload.force")
    async def perspective_reload_force(self) -> Plain:
        """Take up changed files though their ``config_version`` says not to."""
        return await self.control.reload(self.identity.actor, force=True)

    @remote(ADMIN, Scope.WHOLE, action="reload.prune", target="zone")
    async def perspective_reload_prune(self, zone: str) -> Plain:
        """Let go of a zone whose file has vanished."""
        return await self.control.reload(self.identity.actor, prune=zone)

    @remote(ADMIN, Scope.WHOLE, action="log.level", target="level")
    async def perspective_log_level(self, level: str) -> Plain:
        """Log from a level up."""
        return self.control.log_level(level, self.identity.actor)

    @remote(ADMIN, Scope.WHOLE, action="policy.high-water", target="revision")
    async def perspective_policy_reset(self, revision: int) -> Plain:
        """Say which revision is the highest that was accepted."""
        return await self.control.policy_reset(revision, self.identity.actor)
