"""Snapshot: everything a query needs, immutable and numbered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Mapping
from weakref import WeakKeyDictionary

from attrs import field, frozen

from graydns.authority.zone_data import DynamicZoneBackend, Zone, ZoneTable
from graydns.config.loader import ZoneConfig
from graydns.config.settings import Config
from graydns.gray.consul_instances import overlay_selection
from graydns.gray.explanation import Explanation, explain
from graydns.gray.plan import Plan
from graydns.gray.router import Router
from graydns.model.catalog import InstanceSelection
from graydns.model.client import DEFAULT_TENANT
from graydns.model.errors import CatalogPendingError
from graydns.model.query import Query
from graydns.upstream.server_groups import ForwardTable


@frozen(eq=False)
class Snapshot:
    """What the server knows at one moment.

    *routers*: by tenant; the default tenant always has one. *owners*: zone origin to tenant. *forward*: which
    upstream group answers for a name that is not ours, and all groups by name. *marks*: by tenant what is equal for
    equal policies, None = not known. *files*: *zone_files* by zone.
    *levels*: isolation by tenant.
    """

    number: int
    config: Config = field(repr=False)
    zones: ZoneTable = field(repr=False)
    tenant_by_zone: Mapping[bytes, str] = field(repr=False)
    routers: Mapping[str, Router] = field(repr=False)
    forward: ForwardTable = field(repr=False)
    zone_files: tuple[ZoneConfig, ...] = field(repr=False, default=())
    warnings: tuple[str, ...] = ()
    policy_fingerprints: Mapping[str, object] = field(factory=dict, repr=False)
    file_by_zone: Mapping[bytes, ZoneConfig] = field(repr=False)
    isolation_levels: Mapping[str, frozenset[str]] = field(repr=False)
    _overlaid_plans: WeakKeyDictionary[InstanceSelection, dict[Plan, Plan]] = field(
        init=False, factory=WeakKeyDictionary, repr=False
    )

    @file_by_zone.default
    def _index_files(self) -> Mapping[bytes, ZoneConfig]:
        return {file.zone: file for file in self.zone_files}

    @isolation_levels.default
    def _collect_isolation(self) -> Mapping[str, frozenset[str]]:
        united: defaultdict[str, frozenset[str]] = defaultdict(frozenset)
        for file in self.zone_files:
            united[file.tenant_id] |= file.isolation
        return dict(united)

    def isolation(self, tenant: str) -> frozenset[str]:
        """The isolation levels of *tenant*: those of all its zones together."""
        return self.isolation_levels.get(tenant, frozenset())

    def plan(self, qname: bytes, qtype: int, asker: str) -> Plan:
        """The Plan for a question, from the Router that has it; for a name that Consul's catalog has instances for,
        with one of them for each client that the Router leaves to the zone."""
        zone = self.zones.find(qname)
        tenant, router = self._deciding_router(zone, asker)
        plan = router.plan(qname, qtype)
        return plan if zone is None or zone.backend is None else self._dynamic_plan(zone.backend, plan, qname, tenant)

    def explain(self, query: Query) -> Explanation:
        """How *query* is decided, without a note on each of what may be 100,000 rules."""
        plan = self.plan(query.qname, query.qtype, query.client.tenant)
        router = self.router(query.qname, query.client.tenant)
        return explain(router.explain_context(query, self._catalog_subject(query.qname)), plan, ())

    def explain_steps(self, query: Query) -> Generator[None, None, Explanation]:
        """The same with them, in small steps."""
        plan = self.plan(query.qname, query.qtype, query.client.tenant)
        router = self.router(query.qname, query.client.tenant)
        return router.explain_plan(query, plan, self._catalog_subject(query.qname))

    def _catalog_subject(self, qname: bytes) -> str | None:
        """What *qname* stands for in Consul's catalog; None if it is not in Consul's domain."""
        zone = self.zones.find(qname)
        return None if zone is None or zone.backend is None else zone.backend.describe(qname)

    def _dynamic_plan(self, living: DynamicZoneBackend, plan: Plan, qname: bytes, tenant: str) -> Plan:
        """*plan* with the instances at *qname* under it, made once for each two; without, if they are not known yet:
        then looking up the name finds that out."""
        try:
            selection = living.find_selection(qname)
        except CatalogPendingError:
            return plan
        if selection is None:
            return plan
        laid = self._overlaid_plans.setdefault(selection, {})
        if (found := laid.get(plan)) is None:
            found = laid[plan] = overlay_selection(plan, selection, tenant)
        return found

    def router(self, qname: bytes, asker: str) -> Router:
        """Who decides for a name: the tenant whose zone holds *qname*, else the *asker*'s tenant."""
        return self._deciding_router(self.zones.find(qname), asker)[1]

    def _deciding_router(self, zone: Zone | None, asker: str) -> tuple[str, Router]:
        """The tenant of *zone*, None = of the *asker*, and its Router."""
        tenant = asker if zone is None else self.tenant_by_zone[zone.origin]
        return tenant, self.routers.get(tenant) or self.routers[DEFAULT_TENANT]
