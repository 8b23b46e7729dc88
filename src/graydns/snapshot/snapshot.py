"""Snapshot: everything that a query needs, immutable and numbered; and how its large collections are freed.

They are reclaimed in small steps once no query uses the Snapshot any more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping
from functools import partial
from itertools import chain
from weakref import WeakKeyDictionary

from attrs import field, frozen

from graydns.authority.zone_data import DynamicZoneBackend, Zone, ZoneTable
from graydns.config.settings import Config
from graydns.config.zone_config import ZoneConfig
from graydns.gray.consul_instances import overlay_selection
from graydns.gray.explanation import Explanation, explain
from graydns.gray.plan import Plan
from graydns.gray.router import Router
from graydns.model.catalog import InstanceSelection
from graydns.model.client import DEFAULT_TENANT
from graydns.model.errors import CatalogPendingError
from graydns.model.query import Query
from graydns.runtime.steps import DeferredReclaimer, release_items, release_mapping
from graydns.upstream.server_groups import ForwardTable


@frozen(eq=False)
class Snapshot:
    """What the server serves at one moment.

    *routers*: by tenant; the default tenant always has one. *tenant_by_zone*: by zone origin. *forward*: the upstream
    group for a name outside the zones, and all groups by name. *policy_fingerprints*: by tenant, equal for equal
    policies, None = not known. *file_by_zone*: *zone_files* by zone origin. *isolation_levels*: by tenant.
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
        levels: defaultdict[str, frozenset[str]] = defaultdict(frozenset)
        for file in self.zone_files:
            levels[file.tenant_id] |= file.isolation
        return dict(levels)

    def isolation(self, tenant: str) -> frozenset[str]:
        """The isolation levels of *tenant*: the union of those of its zones."""
        return self.isolation_levels.get(tenant, frozenset())

    def plan(self, qname: bytes, qtype: int, client_tenant: str) -> Plan:
        """The Plan for a question. For a name with instances in Consul's catalog, clients for which the Router decides
        nothing get one of those."""
        zone = self.zones.find(qname)
        tenant, router = self._deciding_router(zone, client_tenant)
        plan = router.plan(qname, qtype)
        return plan if zone is None or zone.backend is None else self._dynamic_plan(zone.backend, plan, qname, tenant)

    def explain(self, query: Query) -> Explanation:
        """How *query* is decided, without a note on each rule, of which there may be 100,000."""
        plan = self.plan(query.qname, query.qtype, query.client.tenant)
        router = self.router(query.qname, query.client.tenant)
        return explain(router.explain_context(query, self._catalog_subject(query.qname)), plan, ())

    def explain_steps(self, query: Query) -> Generator[None, None, Explanation]:
        """How *query* is decided, with a note on each rule, in small steps."""
        plan = self.plan(query.qname, query.qtype, query.client.tenant)
        router = self.router(query.qname, query.client.tenant)
        return router.explain_plan(query, plan, self._catalog_subject(query.qname))

    def _catalog_subject(self, qname: bytes) -> str | None:
        """What *qname* names in Consul's catalog; None if it is not in Consul's domain."""
        zone = self.zones.find(qname)
        return None if zone is None or zone.backend is None else zone.backend.describe(qname)

    def _dynamic_plan(self, backend: DynamicZoneBackend, plan: Plan, qname: bytes, tenant: str) -> Plan:
        """*plan* with the Consul instances at *qname*, cached by plan and selection. *plan* itself while they are not
        known: the lookup of the name then waits for them."""
        try:
            selection = backend.find_selection(qname)
        except CatalogPendingError:
            return plan
        if selection is None:
            return plan
        overlaid_plans = self._overlaid_plans.setdefault(selection, {})
        if (overlaid := overlaid_plans.get(plan)) is None:
            overlaid = overlaid_plans[plan] = overlay_selection(plan, selection, tenant)
        return overlaid

    def router(self, qname: bytes, client_tenant: str) -> Router:
        """The Router that decides for a name: of the tenant whose zone has it, else of the client's tenant."""
        return self._deciding_router(self.zones.find(qname), client_tenant)[1]

    def _deciding_router(self, zone: Zone | None, client_tenant: str) -> tuple[str, Router]:
        """The tenant of *zone* and its Router; without a zone those of the client."""
        tenant = client_tenant if zone is None else self.tenant_by_zone[zone.origin]
        return tenant, self.routers.get(tenant) or self.routers[DEFAULT_TENANT]


def watch_snapshot(reclaimer: DeferredReclaimer, snapshot: Snapshot) -> None:
    """Let *reclaimer* free what *snapshot* holds, each part once the last Snapshot with that part is gone."""
    for router in snapshot.routers.values():
        watch_router(reclaimer, router)
    for zone in snapshot.zones:
        reclaimer.reclaim_after(zone, partial(release_items, zone.shards))
    for file in snapshot.zone_files:
        reclaimer.reclaim_after(file, partial(release_mapping, file.services))


def watch_router(reclaimer: DeferredReclaimer, router: Router) -> None:
    """Let *reclaimer* free what *router* holds, and what it shares with other Routers once the last of them is gone."""
    reclaimer.reclaim_after(router, router.reclaim_steps)
    reclaimer.reclaim_after(router.rule_index, partial(_release_policy, router))


def _release_policy(router: Router) -> Iterator[None]:
    """The steps for what all Routers of one policy share. They must not refer to the rule index, which is the owner."""
    shared = chain(router.rule_index.reclaim_steps(), router.networks.reclaim_steps())
    return chain(shared, release_mapping(router.services), release_items(router.rules))
