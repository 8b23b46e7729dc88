"""Server: the parts of a running graydns that outlive a Snapshot, and the one assignment that swaps it."""

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
from graydns.fast.tenant_quota import TenantQuota
from graydns.model.answer import Answer
from graydns.model.decision import Cohort
from graydns.model.dnssec_values import Security
from graydns.model.name import is_within
from graydns.resolve.cache.cache_keys import CacheKey
from graydns.resolve.links.authority import CatalogWaiter, NullCatalogWaiter
from graydns.resolve.links.validation import ValidatingLink
from graydns.resolve.pipeline import Stores, build_pipeline
from graydns.runtime.anomalies import AnomalyLog
from graydns.runtime.reclaimer import DeferredReclaimer
from graydns.runtime.slices import run_in_slices
from graydns.snapshot.consul_domain import ConsulZoneTemplate, add_consul_domain
from graydns.snapshot.reclamation import watch_router, watch_snapshot
from graydns.snapshot.snapshot import Snapshot
from graydns.sources.consul.version_endpoints import TenantService, VersionEndpoints

#: What the hot tables may hold of the cache's size; their answers' bytes are mostly the cache's own.
_HOT_TABLE_DIVISOR = 4


class DnsServer:
    """Serves one Snapshot after the other.

    *front*: for the doors. *stores*: what is remembered of upstreams. *tables*: the hot tables, by tenant of the asker.
    *quotas*: by tenant, of those that have one. *domain*: Consul's, what it is made of comes through *learning*.
    *versions*: fills those that come from Consul. *validate*: the link that judges what is forwarded now, None = none.
    """

    _log = Logger()

    def __init__(
        self,
        snapshot: Snapshot,
        reactor: Any,
        *,
        cookie_secrets: tuple[bytes, ...],
        domain: ConsulZoneTemplate | None = None,
        learning: CatalogWaiter | None = None,
        versions: VersionEndpoints | None = None,
    ) -> None:
        self.anomalies = AnomalyLog(time.monotonic)
        self._domain = domain
        self._catalog_waiter = learning or NullCatalogWaiter()
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
        """Serve *snapshot* from the next query on; those under way end with the one they began with."""
        snapshot = self.versions.fill_snapshot(self._add_consul_domain(snapshot))
        before, peers = self.snapshot.config, self.front.serving.peers
        self.flush_hot_tables()
        if _trust_inputs(snapshot.config) != _trust_inputs(before):
            peers, follow = peers.with_trust(_build_trust(snapshot.config))
            self._reclaimer.schedule(follow)
        self.snapshot = snapshot
        self.front.use_settings(self._reply_settings())
        for tenant, table in self.hot_tables.items():
            table.resize(self._hot_limit(tenant))
        self.front.use_serving(self._build_serving(snapshot, peers))
        watch_snapshot(self._reclaimer, snapshot)

    def update_services(self, places: Iterable[TenantService]) -> None:
        """Compile the services at *places* anew from Consul, and forget their hot answers; all else stays as it is."""
        before, places = self.snapshot, list(places)
        snapshot = self.versions.update_services(before, places)
        if snapshot is before:
            return
        self.snapshot = snapshot
        for table in self.hot_tables.values():
            for _, name in places:
                table.forget_view(name)
        self.front.use_serving(self._build_serving(snapshot, self.front.serving.peers))
        for tenant, router in snapshot.routers.items():
            if router is not before.routers[tenant]:
                watch_router(self._reclaimer, router)

    def use_consul_domain(self, domain: ConsulZoneTemplate) -> None:
        """Answer for Consul's domain by this from now on."""
        self._domain = domain
        self.swap(self.snapshot)

    def flush_view(self, view: object) -> None:
        """Forget the hot answers that were made of *view* of Consul's catalog."""
        for table in self.hot_tables.values():
            table.forget_view(view)

    def _add_consul_domain(self, snapshot: Snapshot) -> Snapshot:
        return snapshot if self._domain is None else add_consul_domain(snapshot, self._domain)

    def set_negative_trust_anchors(self, negatives: frozenset[bytes]) -> None:
        """Let *negatives* be the names of the negative trust anchors beside those that are configured, at once."""
        validation = self.stores.validation
        before = validation.negative_anchors
        validation.use_negative_anchors(negatives)
        self.flush_validation(before ^ negatives)

    def flush_validation(self, names: Collection[bytes]) -> None:
        """Forget what was found out about all at or below *names* (wire form), and every answer that rests on it."""
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
        """Empty the hot tables: the next query for a name goes through the pipeline."""
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
        """The quotas of the tenants that are isolated in ``compute`` and have one; what they have used goes on."""
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
        """The hot table of a tenant's askers."""
        if tenant not in self.hot_tables:
            self.hot_tables[tenant] = HotTable(self._hot_limit(tenant))
        return self.hot_tables[tenant]

    def _reclaim(self) -> None:
        burying = Deferred.fromCoroutine(run_in_slices(self._reactor, self._reclaimer.reclaim_steps()))
        burying.addErrback(lambda failure: self._log.failure("letting go of an old snapshot", failure))


def _depends_on(name: bytes, key: CacheKey, answer: Answer) -> bool:
    """Whether what is believed of *name* may count for *answer*: chains of others may lead there, and insecure ones may
    be so for nothing else."""
    return is_within(key.qname, name) or (answer.proof is not None and answer.proof.security is Security.INSECURE)


def _trust_inputs(config: Config) -> object:
    """All that a PeerTrust is made of."""
    clients = {name: tenant.clients for name, tenant in config.tenants.items()}
    return config.trust, config.allow_forward, clients


def _build_trust(config: Config) -> PeerTrust:
    return PeerTrust(
        ecs=LongestPrefixMap(config.trust.ecs),
        tags=LongestPrefixMap(config.trust.tags),
        forward=LongestPrefixMap(config.allow_forward),
        tenants=LongestPrefixMap({net: name for name, tenant in config.tenants.items() for net in tenant.clients}),
    )
