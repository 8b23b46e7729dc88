"""Operator: changes what clients get, by the means that can be undone.

Administrator: does what overrules a guard or concerns the server itself.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from graydns.admin.argument_checks import TenantScope
from graydns.admin.audit_trail import AuditedAction
from graydns.admin.checkers import ADMIN, OPERATOR
from graydns.admin.control_interface import PlainValue
from graydns.admin.perspective import remote_method
from graydns.admin.viewer import Viewer
from graydns.model.errors import ControlError


class Operator(Viewer):
    """What those may do who run releases."""

    @remote_method(OPERATOR, TenantScope.WHOLE, action="reload")
    async def perspective_reload(self) -> PlainValue:
        """Take up changed files."""
        return await self.control.reload(self.identity.actor)

    @remote_method(OPERATOR, TenantScope.WHOLE, action="history.rollback", target="number")
    async def perspective_rollback(self, number: int) -> PlainValue:
        """Go back to a snapshot."""
        return await self.control.rollback(number, self.identity.actor)

    @remote_method(OPERATOR, TenantScope.SERVICE, action="service.percent", target="name")
    async def perspective_service_percent(
        self, name: str, percent: dict[str, str], seconds: float | None = None, local: bool = False
    ) -> PlainValue:
        """Give versions shares of the clients."""
        return await self.control.service_percent(name, percent, self.identity.actor, seconds, local)

    @remote_method(OPERATOR, TenantScope.SERVICE, action="service.weights", target="name")
    async def perspective_service_weights(
        self, name: str, weights: dict[str, int], seconds: float | None = None, local: bool = False
    ) -> PlainValue:
        """Give versions shares in proportion."""
        return await self.control.service_weights(name, weights, self.identity.actor, seconds, local)

    @remote_method(OPERATOR, TenantScope.SERVICE, action="service.whitelist", target="name")
    async def perspective_service_whitelist(
        self,
        name: str,
        version: str,
        add: list[str],
        remove: list[str],
        seconds: float | None = None,
        local: bool = False,
    ) -> PlainValue:
        """Change who always gets a version."""
        return await self.control.service_whitelist(name, version, add, remove, self.identity.actor, seconds, local)

    @remote_method(OPERATOR, TenantScope.SERVICE, action="service.abort", target="name")
    async def perspective_service_abort(self, name: str, local: bool = False) -> PlainValue:
        """Everybody to the default version."""
        return await self.control.service_abort(name, self.identity.actor, local)

    @remote_method(OPERATOR, TenantScope.SERVICE, action="service.revert", target="name")
    async def perspective_service_revert(self, name: str, local: bool = False, policy: bool = False) -> PlainValue:
        """Back to the file, or to the policy."""
        return await self.control.service_revert(name, self.identity.actor, local, policy)

    @remote_method(OPERATOR, TenantScope.WHOLE)
    async def perspective_policy_draft(
        self,
        name: str,
        percent: dict[str, str] | None = None,
        weights: dict[str, int] | None = None,
        whitelist: dict[str, list[str]] | None = None,
        version: str = "",
    ) -> PlainValue:
        """The next release policy with a service changed, for the client to sign and push."""
        return await self.control.policy_draft(name, self.identity.actor, percent, weights, whitelist, version)

    @remote_method(OPERATOR, TenantScope.WHOLE)
    async def perspective_policy_part(self, parts: list[str], first: bool) -> PlainValue:
        """Take in a part of a release policy that is too large for one call."""
        return self.upload.append(parts, first)

    @remote_method(OPERATOR, TenantScope.WHOLE)
    async def perspective_policy_push(
        self, parts: list[str], activate: bool = True, base: int | None = None, more: bool = False
    ) -> PlainValue:
        """Publish a release policy, in parts as a text may have 4,096 characters only; *more*: it began before."""
        self.upload.append(parts, not more)
        text, named = self.upload.take(), {}
        with suppress(ControlError):  # which publishing it raises again
            named = await self.control.policy_name(text)
        asked = {**named, "activate": activate, "base": base}
        deed = AuditedAction("policy.push", str(named.get("revision", "")), asked, None)
        push = partial(self.control.policy_push, text, self.identity.actor, activate, base)
        return await self.audit_trail.run_audited(self.identity, deed, push)

    @remote_method(OPERATOR, TenantScope.WHOLE, action="policy.activate", target="revision")
    async def perspective_policy_activate(self, revision: int) -> PlainValue:
        """Let a release policy count that is there."""
        return await self.control.policy_activate(revision, self.identity.actor)

    @remote_method(OPERATOR, TenantScope.TENANT, action="gray.off", target="tenant")
    async def perspective_gray_off(self, tenant: str | None = None, local: bool = False) -> PlainValue:
        """All services to their defaults."""
        return await self.control.gray_off(tenant, self.identity.actor, local)

    @remote_method(OPERATOR, TenantScope.TENANT, action="gray.on", target="tenant")
    async def perspective_gray_on(self, tenant: str | None = None, local: bool = False) -> PlainValue:
        """Services as their policies say, again."""
        return await self.control.gray_on(tenant, self.identity.actor, local)

    @remote_method(OPERATOR, TenantScope.TENANT, action="cache.flush", target="name")
    async def perspective_cache_flush(
        self, name: str | None = None, cohort: str | None = None, tenant: str | None = None
    ) -> PlainValue:
        """Forget cached answers."""
        return await self.control.cache_flush(name, cohort, tenant, actor=self.identity.actor)

    @remote_method(OPERATOR, TenantScope.WHOLE, action="nta.add", target="name")
    async def perspective_nta_add(self, name: str, seconds: float, reason: str = "") -> PlainValue:
        """A name and all below it count as unsigned for a while."""
        return await self.control.nta_add(name, seconds, reason, self.identity.actor)

    @remote_method(OPERATOR, TenantScope.WHOLE, action="nta.remove", target="name")
    async def perspective_nta_remove(self, name: str) -> PlainValue:
        """Its signatures count again."""
        return await self.control.nta_remove(name, self.identity.actor)

    @remote_method(OPERATOR, TenantScope.NAME, action="trace.watch", target="name")
    async def perspective_trace_watch(self, name: str, on: bool) -> PlainValue:
        """Begin or end watching a name; which others are watched is for those who see all tenants."""
        done = self.control.trace_watch(name, on)
        return done if self.identity.tenant is None else {key: done[key] for key in done if key != "names"}


class Administrator(Operator):
    """What only those may do who answer for the server."""

    @remote_method(ADMIN, TenantScope.WHOLE, action="reload.force")
    async def perspective_reload_force(self) -> PlainValue:
        """Take up changed files though their ``config_version`` says not to."""
        return await self.control.reload(self.identity.actor, force=True)

    @remote_method(ADMIN, TenantScope.WHOLE, action="reload.prune", target="zone")
    async def perspective_reload_prune(self, zone: str) -> PlainValue:
        """Let go of a zone whose file has vanished."""
        return await self.control.reload(self.identity.actor, prune=zone)

    @remote_method(ADMIN, TenantScope.WHOLE, action="log.level", target="level")
    async def perspective_log_level(self, level: str) -> PlainValue:
        """Log from a level up."""
        return self.control.log_level(level, self.identity.actor)

    @remote_method(ADMIN, TenantScope.WHOLE, action="policy.high-water", target="revision")
    async def perspective_policy_reset(self, revision: int) -> PlainValue:
        """Say which revision is the highest that was accepted."""
        return await self.control.policy_reset(revision, self.identity.actor)
