"""Viewer: looks and changes nothing."""

from __future__ import annotations

from graydns.admin.argument_checks import TenantScope, find_zone_tenant
from graydns.admin.checkers import VIEWER
from graydns.admin.control_interface import PlainValue
from graydns.admin.pb_security import AdminRefusedError
from graydns.admin.perspective import Perspective, remote_method
from graydns.model.transport import UDP

#: Of the status, what says nothing of any tenant.
TENANT_STATUS_KEYS = ("version", "snapshot", "since", "uptime", "ready")


class Viewer(Perspective):
    """What everybody who is let in may ask."""

    @remote_method(VIEWER, TenantScope.OWN)
    async def perspective_whoami(self) -> PlainValue:
        """Who the client is to us."""
        who = self.identity
        return {"actor": who.actor, "role": who.role, "tenant": who.tenant, "origin": who.origin}

    @remote_method(VIEWER, TenantScope.OWN)
    async def perspective_status(self) -> PlainValue:
        """What runs; for a tenant's users without what is of others."""
        status, tenant = self.control.status(), self.identity.tenant
        if tenant is None:
            return status
        zones, services = self.control.zones(tenant), self.control.services(tenant)
        names = {row["name"] for row in services}
        return {key: status[key] for key in TENANT_STATUS_KEYS if key in status} | {
            "zones": len(zones),
            "services": len(services),
            "gray_off": [each for each in status.get("gray_off", ()) if each in (tenant, "*")],
            "drift": _filter_by_tenant([row for row in status.get("drift", ()) if row.get("service") in names], tenant),
        }

    @remote_method(VIEWER, TenantScope.WHOLE)
    async def perspective_config(self) -> PlainValue:
        """The configuration, defaults included."""
        return self.control.config_effective()

    @remote_method(VIEWER, TenantScope.TENANT)
    async def perspective_zones(self, tenant: str | None = None) -> PlainValue:
        """The zones."""
        return _filter_by_tenant(self.control.zones(tenant), tenant)

    @remote_method(VIEWER, TenantScope.TENANT)
    async def perspective_services(self, tenant: str | None = None) -> PlainValue:
        """The services."""
        return _filter_by_tenant(self.control.services(tenant), tenant)

    @remote_method(VIEWER, TenantScope.SERVICE)
    async def perspective_service_show(self, name: str) -> PlainValue:
        """One service."""
        return self.control.service_show(name)

    @remote_method(VIEWER, TenantScope.WHOLE)
    async def perspective_history(self) -> PlainValue:
        """The last snapshots."""
        return self.control.history()

    @remote_method(VIEWER, TenantScope.TENANT)
    async def perspective_explain(
        self,
        name: str,
        rdtype: str,
        source: str | None = None,
        subnet: str | None = None,
        client: str | None = None,
        tags: dict[str, str] | None = None,
        transport: str = UDP.name,
        tenant: str | None = None,
    ) -> PlainValue:
        """Why a client would get what it would get."""
        self._check_zone_tenant(name)
        asked = (name, rdtype, source, subnet, client, tags, transport, tenant)
        return await self.control.explain(*asked)

    @remote_method(VIEWER, TenantScope.OWN)
    async def perspective_why(self, client: str) -> PlainValue:
        """The last answers a client got."""
        return self.control.why(client, self.identity.tenant)

    @remote_method(VIEWER, TenantScope.WHOLE)
    async def perspective_policy_list(self) -> PlainValue:
        """The last revisions of the release policy."""
        return await self.control.policy_list()

    @remote_method(VIEWER, TenantScope.WHOLE)
    async def perspective_policy_show(self, revision: int | None = None) -> PlainValue:
        """One of them."""
        return await self.control.policy_show(revision)

    @remote_method(VIEWER, TenantScope.WHOLE)
    async def perspective_cache_stats(self) -> PlainValue:
        """The caches."""
        return self.control.cache_stats()

    @remote_method(VIEWER, TenantScope.WHOLE)
    async def perspective_cache_lookup(self, name: str, rdtype: str) -> PlainValue:
        """What the caches hold for a question."""
        return self.control.cache_lookup(name, rdtype)

    @remote_method(VIEWER, TenantScope.WHOLE)
    async def perspective_nta_list(self) -> PlainValue:
        """The negative trust anchors."""
        return self.control.nta_list()

    @remote_method(VIEWER, TenantScope.TENANT)
    async def perspective_dnssec_explain(
        self, name: str, rdtype: str, tenant: str | None = None, cd: bool = False
    ) -> PlainValue:
        """What an upstream's answer is worth, as for a client of the tenant."""
        self._check_zone_tenant(name)
        return await self.control.dnssec_explain(name, rdtype, tenant, cd)

    @remote_method(VIEWER, TenantScope.WHOLE)
    async def perspective_upstreams(self) -> PlainValue:
        """The servers that are asked."""
        return self.control.upstreams()

    @remote_method(VIEWER, TenantScope.NAME)
    async def perspective_trace(self, name: str, last: int = 20) -> PlainValue:
        """The last queries for a watched name."""
        return self.control.trace(name, last)

    @remote_method(VIEWER, TenantScope.TENANT)
    async def perspective_audit_tail(self, last: int = 50, tenant: str | None = None) -> PlainValue:
        """The last changes."""
        return _filter_by_tenant(await self.audit_trail.defer_to_thread(self.control.audit_tail, last, tenant), tenant)

    @remote_method(VIEWER, TenantScope.WHOLE)
    async def perspective_audit_verify(self) -> PlainValue:
        """Whether the audit log is as it was written."""
        return await self.audit_trail.defer_to_thread(self.control.audit_verify)

    def _check_zone_tenant(self, name: str) -> None:
        """Raise AdminRefusedError if *name* is in a zone of another tenant than the client's."""
        own = self.identity.tenant
        if own is not None and find_zone_tenant(name, self.control) not in (None, own):
            raise AdminRefusedError(f"{name} is in no zone of the tenant {own}")


def _filter_by_tenant(rows: list[dict[str, PlainValue]], tenant: str | None) -> list[dict[str, PlainValue]]:
    """The rows of *tenant*, None = all."""
    return rows if tenant is None else [row for row in rows if row.get("tenant") == tenant]
