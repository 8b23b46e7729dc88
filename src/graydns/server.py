"""Server: the parts of a running graydns that outlive a Snapshot, and the one assignment that swaps it."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from graydns.config.main import Config
from graydns.fast.front import Front
from graydns.fast.hot import HotTable
from graydns.fast.peer import NetworkMap, Peers, Trust
from graydns.fast.quota import Quota
from graydns.fast.reply import ReplySettings
from graydns.fast.serving import Serving
from graydns.model.answer import Answer
from graydns.model.name import is_within
from graydns.model.proof import Security
from graydns.observe.anomalies import AnomalyLog
from graydns.resolve.key import Key
from graydns.resolve.learning import Learning, Nothing
from graydns.resolve.pipeline import Stores, build_pipeline
from graydns.resolve.validate import Validate
from graydns.snapshot.domain import Domain, with_domain
from graydns.snapshot.snapshot import Snapshot
from graydns.snapshot.undertaker import Undertaker
from graydns.sources.consul.versions import Place, Versions
from graydns.sources.slices import in_slices

#: What the hot tables may hold of the cache's size; their answers' bytes are mostly the cache's own.
_HOT_SHARE = 4


class Server:
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
        domain: Domain | None = None,
        learning: Learning | None = None,
        versions: Versions | None = None,
    ) -> None:
        self.anomalies = AnomalyLog(time.monotonic)
        self._domain = domain
        self._learning = learning or Nothing()
        self.versions = versions or Versions(lambda name: None, reactor)
        self.versions.changed = self.renew
        self.snapshot = snapshot = self.versions.fill(self._with_domain(snapshot))
        self._reactor = reactor
        self._secrets = cookie_secrets
        self.tables: dict[str, HotTable] = {}
        self.quotas: dict[str, Quota] = {}
        self.validate: Validate | None = None
        self._undertaker = Undertaker(lambda: reactor.callLater(0, self._bury))
        self.stores = Stores(reactor, self.anomalies, lambda: self.snapshot, self._learning)
        peers = Peers(_trust(snapshot.config), self._hot_of)
        self.front = Front(self._serving(snapshot, peers), self._settings(), time.monotonic, time.time, self.anomalies)
        self._undertaker.watch(snapshot)

    def swap(self, snapshot: Snapshot) -> None:
        """Serve *snapshot* from the next query on; those under way end with the one they began with."""
        snapshot = self.versions.fill(self._with_domain(snapshot))
        before, peers = self.snapshot.config, self.front.serving.peers
        self.forget_hot()
        if _trusted(snapshot.config) != _trusted(before):
            peers, follow = peers.trusting(_trust(snapshot.config))
            self._undertaker.take(follow)
        self.snapshot = snapshot
        self.front.use(self._settings())
        for tenant, table in self.tables.items():
            table.limit = self._hot_limit(tenant)
        self.front.serving = self._serving(snapshot, peers)
        self._undertaker.watch(snapshot)

    def renew(self, places: Iterable[Place]) -> None:
        """Compile the services at *places* anew from Consul, and forget their hot answers; all else stays as it is."""
        before, places = self.snapshot, list(places)
        snapshot = self.versions.renew(before, places)
        if snapshot is before:
            return
        self.snapshot = snapshot
        for table in self.tables.values():
            for _, name in places:
                table.forget_view(name)
        self.front.serving = self._serving(snapshot, self.front.serving.peers)
        for tenant, router in snapshot.routers.items():
            if router is not before.routers[tenant]:
                self._undertaker.follow(router)

    def use_domain(self, domain: Domain) -> None:
        """Answer for Consul's domain by this from now on."""
        self._domain = domain
        self.swap(self.snapshot)

    def forget_view(self, view: object) -> None:
        """Forget the hot answers that were made of *view* of Consul's catalog."""
        for table in self.tables.values():
            table.forget_view(view)

    def _with_domain(self, snapshot: Snapshot) -> Snapshot:
        return snapshot if self._domain is None else with_domain(snapshot, self._domain)

    def distrust(self, negatives: frozenset[bytes]) -> None:
        """Let *negatives* be the names of the negative trust anchors beside those that are configured, at once."""
        validation = self.stores.validation
        before, validation.negatives = validation.negatives, negatives
        self.doubt(before ^ negatives)

    def doubt(self, names: Collection[bytes]) -> None:
        """Forget what was found out about all at or below *names* (wire form), and every answer that rests on it."""
        if not names:
            return
        for name in names:
            self.stores.validation.forget(name)
            self.stores.answers.discard(partial(_rests_on, name))
        self.forget_hot()

    def forget_hot(self) -> None:
        """Empty the hot tables: the next query for a name goes through the pipeline."""
        for table in self.tables.values():
            self._undertaker.take(table.clear())

    def _serving(self, snapshot: Snapshot, peers: Peers) -> Serving:
        pipeline, quotas = build_pipeline(snapshot, self.stores), self._quotas_of(snapshot)
        self.validate = pipeline.validate
        return Serving(pipeline.entrance, snapshot.plan, peers, quotas, self._learning.is_current, self.versions.places)

    def _quotas_of(self, snapshot: Snapshot) -> dict[str, Quota]:
        """The quotas of the tenants that are isolated in ``compute`` and have one; what they have used goes on."""
        quotas = {}
        for name, tenant in snapshot.config.tenants.items():
            if "compute" in snapshot.isolation(name) and (tenant.qps, tenant.inflight) != (None, None):
                quota = quotas[name] = self.quotas.get(name) or Quota()
                quota.rate, quota.most = tenant.qps, tenant.inflight
        self.quotas = quotas
        return quotas

    def _settings(self) -> ReplySettings:
        limits = self.snapshot.config.limits
        return ReplySettings(
            payload=limits.udp_payload,
            nsid=None if limits.nsid is None else limits.nsid.encode(),
            idle=limits.tcp_idle,
            cookie_secrets=self._secrets,
        )

    def _hot_limit(self, tenant: str) -> int:
        return self.stores.limit(tenant) // _HOT_SHARE

    def _hot_of(self, tenant: str) -> HotTable:
        """The hot table of a tenant's askers."""
        if tenant not in self.tables:
            self.tables[tenant] = HotTable(self._hot_limit(tenant))
        return self.tables[tenant]

    def _bury(self) -> None:
        burying = Deferred.fromCoroutine(in_slices(self._reactor, self._undertaker.work()))
        burying.addErrback(lambda failure: self._log.failure("letting go of an old snapshot", failure))


def _rests_on(name: bytes, key: Key, answer: Answer) -> bool:
    """Whether what is believed of *name* may count for *answer*: chains of others may lead there, and insecure ones may
    be so for nothing else."""
    return is_within(key.qname, name) or (answer.proof is not None and answer.proof.security is Security.INSECURE)


def _trusted(config: Config) -> object:
    """All that a Trust is made of."""
    clients = {name: tenant.clients for name, tenant in config.tenants.items()}
    return config.trust, config.allow_forward, clients


def _trust(config: Config) -> Trust:
    return Trust(
        ecs=NetworkMap(config.trust.ecs),
        tags=NetworkMap(config.trust.tags),
        forward=NetworkMap(config.allow_forward),
        tenants=NetworkMap({net: name for name, tenant in config.tenants.items() for net in tenant.clients}),
    )
