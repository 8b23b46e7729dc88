"""Metrics of the server: caches, upstreams, connections, reloads, policies, audit log, anomalies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from typing import Protocol

from attrs import field, frozen
from prometheus_client.metrics_core import Metric

from graydns.audit.audit_service import AuditFigures
from graydns.fast.answer_log import OTHER_GROUP
from graydns.fast.frontend import Frontend
from graydns.fast.hot_table import HotTable
from graydns.listen.listeners import Listeners
from graydns.model.catalog import CatalogFeedFigures
from graydns.observe.metric_families import MetricRow, make_counter_family, make_gauge_family
from graydns.resolve.stores import Stores
from graydns.runtime.anomalies import AnomalyLog
from graydns.runtime.token_bucket import TenantQuota
from graydns.snapshot.snapshot import Snapshot

#: Tenants whose refusals have a series of their own, in the order of the configuration; all others are OTHER_GROUP.
MAX_QUOTA_TENANT_SERIES = 1000


class ObservedServer(Protocol):
    """What is observed of the server (``graydns.server.DnsServer``). *hot_tables*: by tenant; *quotas*: of the tenants
    that have one.
    """

    front: Frontend
    stores: Stores
    anomalies: AnomalyLog
    snapshot: Snapshot
    hot_tables: dict[str, HotTable]
    quotas: dict[str, TenantQuota]


@frozen
class PolicyFigures:
    """The *revision* that is active, 0 = none, and *refusals* by reason."""

    revision: int
    refusals: Mapping[str, int]


@frozen(eq=False)
class ServerMetrics:
    """A prometheus-client collector. *ready*: what ``/ready`` says. *started_at*: Unix seconds. *policies*: of
    PolicySubscriber, *catalog*: of the watches on Consul; None = there are none. *audit*: of the audit log.
    """

    server: ObservedServer = field(repr=False)
    listeners: Listeners = field(repr=False)
    reloads: Callable[[], Mapping[str, int]] = field(repr=False)
    ready: Callable[[], bool] = field(repr=False)
    started_at: float
    policies: Callable[[], PolicyFigures | None] = field(default=lambda: None, repr=False)
    catalog: Callable[[], CatalogFeedFigures | None] = field(default=lambda: None, repr=False)
    audit: Callable[[], AuditFigures] | None = field(default=None, repr=False)

    def collect(self) -> Iterator[Metric]:
        """Read all counters."""
        yield from make_gauge_family("graydns_build_info", "Always 1.", ("version",), [((version("graydns"),), 1)])
        yield from make_gauge_family(
            "graydns_start_time_seconds", "When this server started.", (), [((), self.started_at)]
        )
        yield from make_gauge_family("graydns_ready", "1 if /ready answers 200.", (), [((), self.ready())])
        yield from self._control()
        yield from self._audit()
        yield from self._policies()
        yield from self._catalog()
        yield from self._quotas()
        yield from self._versions()
        yield from self._caches()
        yield from self._upstreams()
        yield from self._connections()
        anomalies = (((kind,), count) for kind, count in sorted(self.server.anomalies.counts.items()))
        yield from make_counter_family(
            "graydns_anomalies", "Anomalies in network traffic, by kind.", ("kind",), anomalies
        )

    def _control(self) -> Iterator[Metric]:
        number = self.server.snapshot.number
        results = (((result,), count) for result, count in sorted(self.reloads().items()))
        yield from make_gauge_family("graydns_snapshot_number", "The snapshot that is served.", (), [((), number)])
        yield from make_counter_family("graydns_reloads", "Reloads, by result.", ("result",), results)

    def _audit(self) -> Iterator[Metric]:
        if self.audit is None:
            return
        found = self.audit()
        text = "Changes that could not be written to the audit log."
        yield from make_counter_family("graydns_audit_failures", text, (), [((), found.failures)])
        yield from make_counter_family("graydns_audit_lines", "Audit lines of answers.", (), [((), found.lines)])
        dropped = (((reason,), count) for reason, count in sorted(found.dropped.items()))
        text = "Audit lines of answers that were dropped, by reason."
        yield from make_counter_family("graydns_audit_dropped", text, ("reason",), dropped)
        text = "Audit lines that wait to be written."
        yield from make_gauge_family("graydns_audit_queue", text, (), [((), found.queued)])

    def _policies(self) -> Iterator[Metric]:
        if (figures := self.policies()) is None:
            return
        text = "The active policy revision, 0 if there is none."
        yield from make_gauge_family("graydns_policy_revision", text, (), [((), figures.revision)])
        refusals = (((reason,), count) for reason, count in sorted(figures.refusals.items()))
        yield from make_counter_family(
            "graydns_policy_refusals", "Policy revisions refused, by reason.", ("reason",), refusals
        )

    def _catalog(self) -> Iterator[Metric]:
        if (figures := self.catalog()) is None:
            return
        for name, text, number in (
            ("known", "Services and nodes of Consul that are followed.", figures.known),
            ("watches", "Services and nodes with a watch of their own.", figures.watches),
            ("shared", "Services and nodes that share watches.", figures.shared),
            ("age_seconds", "Longest time since Consul confirmed a service or node.", figures.age),
            ("stale", "Services and nodes not confirmed for stale_after.", figures.stale),
            ("doubted", "Services and nodes whose disappearance is unconfirmed.", figures.doubted),
            ("unread", "Instances left out because they cannot be parsed.", figures.unread),
        ):
            yield from make_gauge_family(f"graydns_consul_{name}", text, (), [((), number)])
        text = "Failed requests to Consul of watches and lookups."
        yield from make_counter_family("graydns_consul_errors", text, (), [((), figures.errors)])

    def _quotas(self) -> Iterator[Metric]:
        refused: Counter[str] = Counter()
        for at, (tenant, quota) in enumerate(self.server.quotas.items()):
            refused[tenant if at < MAX_QUOTA_TENANT_SERIES else OTHER_GROUP] += quota.refused
        text = "Queries refused over their tenant's quota."
        rows = (((tenant,), count) for tenant, count in refused.items())
        yield from make_counter_family("graydns_quota_refusals", text, ("tenant",), rows)

    def _versions(self) -> Iterator[Metric]:
        found = [
            ((tenant, service.name, version), one)
            for tenant, router in self.server.snapshot.routers.items()
            for service in router.services.values()
            for version, one in service.health.items()
        ]
        labels = ("tenant", "service", "version")
        healthy: list[MetricRow] = [(names, one.healthy) for names, one in found]
        instances: list[MetricRow] = [(names, one.instances) for names, one in found]
        emptied: list[MetricRow] = [(names, one.uses_default) for names, one in found]
        yield from make_gauge_family(
            "graydns_version_healthy", "Healthy instances of a version in Consul.", labels, healthy
        )
        yield from make_gauge_family(
            "graydns_version_instances", "Instances of a version in Consul.", labels, instances
        )
        text = "1 if a version from Consul has too few healthy instances and its clients get the default version."
        yield from make_gauge_family("graydns_version_emptied", text, labels, emptied)

    def _caches(self) -> Iterator[Metric]:
        counts, usage = self.server.stores.answers.counts, self.server.stores.answers.stats()
        lookups = (((result,), counts[result]) for result in ("hit", "miss", "stale"))
        yield from make_counter_family("graydns_cache_lookups", "Cache lookups, by result.", ("result",), lookups)
        refreshes = [((), counts["refresh"])]
        yield from make_counter_family("graydns_cache_refreshes", "Answers refreshed in the background.", (), refreshes)
        yield from make_counter_family(
            "graydns_cache_evictions", "Answers evicted from the cache.", (), [((), counts["evicted"])]
        )
        labels = ("tenant",)
        for name, text, at in (
            ("graydns_cache_entries", "Answers in the cache.", 0),
            ("graydns_cache_bytes", "Memory of the answers in the cache.", 1),
            ("graydns_cache_limit_bytes", "Limit of the memory of the answers in the cache.", 2),
        ):
            yield from make_gauge_family(name, text, labels, [((tenant,), use[at]) for tenant, use in usage.items()])
        tables = self.server.hot_tables
        hot: list[MetricRow] = [((tenant,), table.size) for tenant, table in tables.items()]
        limits: list[MetricRow] = [((tenant,), table.limit) for tenant, table in tables.items()]
        yield from make_gauge_family("graydns_hot_table_bytes", "Memory of the hot table, by estimate.", labels, hot)
        text = "Limit of the memory of the hot table."
        yield from make_gauge_family("graydns_hot_table_limit_bytes", text, labels, limits)

    def _upstreams(self) -> Iterator[Metric]:
        stores = self.server.stores
        groups = self.server.snapshot.forward.by_name
        suspects: list[MetricRow] = [
            ((name, str(server)), stores.client.is_suspect(server))
            for name, group in groups.items()
            for server in group.servers
        ]
        text = "1 if the server failed in the last seconds and is asked after the others."
        yield from make_gauge_family("graydns_upstream_suspect", text, ("upstream", "server"), suspects)
        waiting = [((), stores.inflight.total)]
        yield from make_gauge_family("graydns_upstream_waiting", "Queries that wait for an upstream.", (), waiting)

    def _connections(self) -> Iterator[Metric]:
        listeners, connections = self.listeners, self.listeners.connections
        yield from make_gauge_family(
            "graydns_connections", "Open TCP and TLS connections.", (), [((), len(connections))]
        )
        lost: list[MetricRow] = [(("evicted",), connections.evicted)]
        text = "Connections closed at a limit to make room for others."
        yield from make_counter_family("graydns_connections_turned_away", text, ("how",), lost)
        dropped = [((), listeners.dropped)]
        yield from make_counter_family(
            "graydns_udp_answers_dropped", "Replies over UDP that the kernel did not take.", (), dropped
        )
