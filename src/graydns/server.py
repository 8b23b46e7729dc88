"""DnsServer: the parts of a running server that outlive a Snapshot, and the swap from one Snapshot to the next."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from graydns.config.settings import Config
from graydns.fast.frontend import Frontend
from graydns.fast.hot_table import HotTable
from graydns.fast.interfaces import ServingState
from graydns.fast.peer import LongestPrefixMap, PeerCache, PeerTrust
from graydns.fast.reply_settings import ReplySettings
from graydns.model.answer import Answer
from graydns.model.decision import Cohort
from graydns.model.dnssec_values import Security
from graydns.model.name import is_within
from graydns.resolve.cache.cache_keys import CacheKey
from graydns.resolve.links.authority import CatalogWaiter, NullCatalogWaiter
from graydns.resolve.links.validation import ValidatingLink
from graydns.resolve.pipeline import build_pipeline
from graydns.resolve.stores import Stores
from graydns.runtime.anomalies import AnomalyLog
from graydns.runtime.slices import run_in_slices
from graydns.runtime.steps import DeferredReclaimer
from graydns.runtime.token_bucket import TenantQuota
from graydns.snapshot.consul_domain import ConsulZoneTemplate, add_consul_domain
from graydns.snapshot.snapshot import Snapshot, watch_router, watch_snapshot
from graydns.sources.consul.version_endpoints import TenantService, VersionEndpoints

#: A hot table may hold this fraction of the size of the tenant's cache; most of its bytes are shared with the cache.
_HOT_TABLE_DIVISOR = 4


class DnsServer:
    """Serves a Snapshot until another one takes its place.

    *front*: answers what listeners receive. *stores*: what is remembered of upstreams. *hot_tables*: by tenant of the
    client. *quotas*: of the tenants that have one. *versions*: fills in the versions that come from Consul.
    *validator*: the DNSSEC validation link of the current pipeline, None = nothing is validated.
    """

    _log = Logger()

    def __init__(
        self,
        snapshot: Snapshot,
        reactor: Any,
        *,
        cookie_secrets: tuple[bytes, ...],
        domain: ConsulZoneTemplate | None = None,
        catalog_waiter: CatalogWaiter | None = None,
        versions: VersionEndpoints | None = None,
    ) -> None:
        """*domain*: Consul's domain, whose data *catalog_waiter* waits for; None = there is no Consul."""
        self.anomalies = AnomalyLog(time.monotonic)
        self._domain = domain
        self._catalog_waiter = catalog_waiter or NullCatalogWaiter()
        self.versions = versions or VersionEndpoints(lambda name: None, reactor)
        self.versions.subscribe(self.update_services)
        self.snapshot = snapshot = self.versions.fill_snapshot(self._add_consul_domain(snapshot))
        self._reactor = reactor
        self._secrets = cookie_secrets
        self.hot_tables: dict[str, HotTable] = {}
        self.quotas: dict[str, TenantQuota] = {}
        self.validator: ValidatingLink | None = None
        self._reclaimer = DeferredReclaimer(lambda: reactor.callLater(0, self._reclaim))
        self.stores = Stores(reactor, self.anomalies, lambda: self.snapshot, self._catalog_waiter)
        peers = PeerCache(_build_trust(snapshot.config), self._hot_table)
        self.front = Frontend(
            self._build_serving(snapshot, peers), self._reply_settings(), time.monotonic, time.time, self.anomalies
        )
        watch_snapshot(self._reclaimer, snapshot)

    def swap(self, snapshot: Snapshot) -> None:
        """Serve *snapshot* from the next query on; queries in flight finish with the one they started with."""
        snapshot = self.versions.fill_snapshot(self._add_consul_domain(snapshot))
        before, peers = self.snapshot.config, self.front.serving.peers
        self.flush_hot_tables()
        if _trust_inputs(snapshot.config) != _trust_inputs(before):
            peers, reclaim_steps = peers.with_trust(_build_trust(snapshot.config))
            self._reclaimer.schedule(reclaim_steps)
        self.snapshot = snapshot
        self.front.use_settings(self._reply_settings())
        for tenant, table in self.hot_tables.items():
            table.resize(self._hot_limit(tenant))
        self.front.use_serving(self._build_serving(snapshot, peers))
        watch_snapshot(self._reclaimer, snapshot)

    def update_services(self, services: Iterable[TenantService]) -> None:
        """Compile *services* again with what Consul says now, and remove their hot answers; nothing else changes."""
        before, services = self.snapshot, list(services)
        snapshot = self.versions.update_services(before, services)
        if snapshot is before:
            return
        self.snapshot = snapshot
        for table in self.hot_tables.values():
            for _, name in services:
                table.forget_view(name)
        self.front.use_serving(self._build_serving(snapshot, self.front.serving.peers))
        for tenant, router in snapshot.routers.items():
            if router is not before.routers[tenant]:
                watch_router(self._reclaimer, router)

    def use_consul_domain(self, domain: ConsulZoneTemplate) -> None:
        """Serve Consul's domain as *domain* describes it, from now on."""
        self._domain = domain
        self.swap(self.snapshot)

    def flush_view(self, view: object) -> None:
        """Remove the hot answers that were made from *view* of Consul's catalog."""
        for table in self.hot_tables.values():
            table.forget_view(view)

    def _add_consul_domain(self, snapshot: Snapshot) -> Snapshot:
        return snapshot if self._domain is None else add_consul_domain(snapshot, self._domain)

    def set_negative_trust_anchors(self, names: frozenset[bytes]) -> None:
        """Have negative trust anchors at *names* (wire form) beside the configured ones, from the next query on."""
        validation = self.stores.validation
        before = validation.negative_anchors
        validation.use_negative_anchors(names)
        self.flush_validation(before ^ names)

    def flush_validation(self, names: Collection[bytes]) -> None:
        """Remove the validation results at or below *names* (wire form), and every answer that depends on them."""
        if not names:
            return
        for name in names:
            self.stores.validation.flush(name)
            self.stores.answers.remove_matching(partial(_depends_on, name))
        self.flush_hot_tables()

    def flush_answers(self, name: bytes | None, cohort: Cohort | None, partition: str | None) -> int:
        """Remove cached answers and failures of *name*, *cohort* and *partition*, None = all; the number of answers."""
        count = self.stores.answers.flush(name, cohort, partition)
        self.stores.failure_cache.flush(name, partition)
        self.flush_hot_tables()
        return count

    def flush_hot_tables(self) -> None:
        """Empty the hot tables, so that the next query for each name goes through the pipeline."""
        for table in self.hot_tables.values():
            self._reclaimer.schedule(table.clear())

    def _build_serving(self, snapshot: Snapshot, peers: PeerCache) -> ServingState:
        pipeline, quotas = build_pipeline(snapshot, self.stores), self._update_quotas(snapshot)
        self.validator = pipeline.validator
        return ServingState(
            pipeline.entrance,
            snapshot.plan,
            peers,
            quotas,
            self._catalog_waiter.is_current,
            self.versions.service_names,
        )

    def _update_quotas(self, snapshot: Snapshot) -> dict[str, TenantQuota]:
        """The quotas of the tenants with isolation level ``compute`` that have one; what is used of them stays used."""
        quotas = {}
        for name, tenant in snapshot.config.tenants.items():
            if "compute" in snapshot.isolation(name) and (tenant.qps, tenant.inflight) != (None, None):
                quota = quotas[name] = self.quotas.get(name) or TenantQuota()
                quota.configure(tenant.qps, tenant.inflight)
        self.quotas = quotas
        return quotas

    def _reply_settings(self) -> ReplySettings:
        limits = self.snapshot.config.limits
        return ReplySettings(
            payload=limits.udp_payload,
            nsid=None if limits.nsid is None else limits.nsid.encode(),
            idle=limits.tcp_idle,
            cookie_secrets=self._secrets,
        )

    def _hot_limit(self, tenant: str) -> int:
        return self.stores.cache_limit(tenant) // _HOT_TABLE_DIVISOR

    def _hot_table(self, tenant: str) -> HotTable:
        """The hot table for clients of *tenant*."""
        if tenant not in self.hot_tables:
            self.hot_tables[tenant] = HotTable(self._hot_limit(tenant))
        return self.hot_tables[tenant]

    def _reclaim(self) -> None:
        reclaiming = Deferred.fromCoroutine(run_in_slices(self._reactor, self._reclaimer.reclaim_steps()))
        reclaiming.addErrback(
            lambda failure: self._log.failure("reclaiming the memory of an old snapshot failed", failure)
        )


def _depends_on(name: bytes, key: CacheKey, answer: Answer) -> bool:
    """Whether *answer* may depend on the validation result of *name*: one below it does, and an insecure one may
    wherever it is, as the chain of trust of another name may lead to *name*."""
    return is_within(key.qname, name) or (answer.proof is not None and answer.proof.security is Security.INSECURE)


def _trust_inputs(config: Config) -> object:
    """What a PeerTrust is built from."""
    clients = {name: tenant.clients for name, tenant in config.tenants.items()}
    return config.trust, config.allow_forward, clients


def _build_trust(config: Config) -> PeerTrust:
    return PeerTrust(
        ecs=LongestPrefixMap(config.trust.ecs),
        tags=LongestPrefixMap(config.trust.tags),
        forward=LongestPrefixMap(config.allow_forward),
        tenants=LongestPrefixMap({net: name for name, tenant in config.tenants.items() for net in tenant.clients}),
    )
