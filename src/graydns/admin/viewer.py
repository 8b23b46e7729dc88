"""Viewer: looks and changes nothing."""

from __future__ import annotations

from graydns.admin.control import Plain
from graydns.admin.identity import VIEWER
from graydns.admin.perspective import Perspective
from graydns.admin.remote import remote
from graydns.admin.scope import Scope, owner_of
from graydns.admin.security import Refused

#: Of the status, what says nothing of any tenant.
COMMON = ("version", "snapshot", "since", "uptime", "ready")


class Viewer(Perspective):
    """What everybody who is let in may ask."""

    @remote(VIEWER, Scope.OWN)
    async def perspective_whoami(self) -> Plain:
        """Who the client is to us."""
        who = self.identity
        return {"actor": who.actor, "role": who.role, "tenant": who.tenant, "origin": who.origin}

    @remote(VIEWER, Scope.OWN)
    async def perspective_status(self) -> Plain:
        """What runs; for a tenant's users without what is of others."""
        status, tenant = self.control.status(), self.identity.tenant
        if tenant is None:
            return status
        zones, services = self.control.zones(tenant), self.control.services(tenant)
        names = {row["name"] for row in services}
        return {key: status[key] for key in COMMON if key in status} | {
            "zones": len(zones),
            "services": len(services),
            "gray_off": [each for each in status.get("gray_off", ()) if each in (tenant, "*")],
            "drift": _of([row for row in status.get("drift", ()) if row.get("service") in names], tenant),
        }

    @remote(VIEWER, Scope.WHOLE)
    async def perspective_config(self) -> Plain:
        """The configuration, defaults included."""
        return self.control.config_effective()

    @remote(VIEWER, Scope.TENANT)
    async def perspective_zones(self, tenant: str | None = None) -> Plain:
        """The zones."""
        return _of(self.control.zones(tenant), tenant)

    @remote(VIEWER, Scope.TENANT)
    async def perspective_services(self, tenant: str | None = None) -> Plain:
        """The services."""
        return _of(self.control.services(tenant), tenant)

    @remote(VIEWER, Scope.SERVICE)
    async def perspective_service_show(self, name: str) -> Plain:
        """One service."""
        return self.control.service_show(name)

    @remote(VIEWER, Scope.WHOLE)
    async def perspective_history(self) -> Plain:
        """The last snapshots."""
        return self.control.history()

    @remote(VIEWER, Scope.TENANT)
    async def perspective_explain(
        self,
        name: str,
        rdtype: str,
        source: str | None = None,
        subnet: str | None = None,
        client: str | None = None,
        tags: dict[str, str] | None = None,
        transport: str = "udp",
        tenant: str | None = None,
    ) -> Plain:
        """Why a client would get what it would get."""
        self._check_not_foreign(name)
        asked = (name, rdtype, source, subnet, client, tags, transport, tenant)
        return await self.control.explain(*asked)

    @remote(VIEWER, Scope.OWN)
    async def perspective_why(self, client: str) -> Plain:
        """The last answers a client got."""
        return self.control.why(client, self.identity.tenant)

    @remote(VIEWER, Scope.WHOLE)
    async def perspective_policy_list(self) -> Plain:
        """The last revisions of the release policy."""
        return await self.control.policy_list()

    @remote(VIEWER, Scope.WHOLE)
    async def perspective_policy_show(self, revision: int | None = None) -> Plain:
        """One of them."""
        return await self.control.policy_show(revision)

    @remote(VIEWER, Scope.WHOLE)
    async def perspective_cache_stats(self) -> Plain:
        """The caches."""
        return self.control.cache_stats()

    @remote(VIEWER, Scope.WHOLE)
    async def perspective_cache_lookup(self, name: str, rdtype: str) -> Plain:
        """What the caches hold for a question."""
        return self.control.cache_lookup(name, rdtype)

    @remote(VIEWER, Scope.WHOLE)
    async def perspective_nta_list(self) -> Plain:
        """The negative trust anchors."""
        return self.control.nta_list()

    @remote(VIEWER, Scope.TENANT)
    async def perspective_dnssec_explain(
        self, name: str, rdtype: str, tenant: str | None = None, cd: bool = False
    ) -> Plain:
        """What an upstream's answer is worth, as for a client of the tenant."""
        self._check_not_foreign(name)
        return await self.control.dnssec_explain(name, rdtype, tenant, cd)

    @remote(VIEWER, Scope.WHOLE)
    async def perspective_upstreams(self) -> Plain:
        """The servers that are asked."""
        return self.control.upstreams()

    @remote(VIEWER, Scope.NAME)
    async def perspective_trace(self, name: str, last: int = 20) -> Plain:
        """The last queries for a watched name."""
        return self.control.trace(name, last)

    @remote(VIEWER, Scope.TENANT)
    async def perspective_audit_tail(self, last: int = 50, tenant: str | None = None) -> Plain:
        """The last changes."""
        return _of(await self.trail.in_thread(self.control.audit_tail, last, tenant), tenant)

    @remote(VIEWER, Scope.WHOLE)
    async def perspective_audit_verify(self) -> Plain:
        """Whether the audit log is as it was written."""
        return await self.trail.in_thread(self.control.audit_verify)

    def _check_not_foreign(self, name: str) -> None:
        """Raise Refused if *name* is in a zone of another tenant than the client's."""
        own = self.identity.tenant
        if own is not None and owner_of(name, self.control) not in (None, own):
            raise Refused(f"{name} is in no zone of the tenant {own}")


def _of(rows: list[dict[str, Plain]], tenant: str | None) -> list[dict[str, Plain]]:
    """The rows of *tenant*, None = all."""
    return rows if tenant is None else [row for row in rows if row.get("tenant") == tenant]
