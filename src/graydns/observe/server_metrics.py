"""The metrics of what is behind the answers: caches, upstreams, connections, reloads, anomalies."""

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
from graydns.fast.tenant_quota import TenantQuota
from graydns.listen.listeners import Listeners
from graydns.model.catalog import CatalogFeedFigures
from graydns.observe.metric_families import MetricRow, make_counter_family, make_gauge_family
from graydns.resolve.pipeline import Stores
from graydns.runtime.anomalies import AnomalyLog
from graydns.snapshot.snapshot import Snapshot

#: Tenants whose refusals have a series of their own, as the configuration names them; all further ones are OTHER.
MAX_QUOTA_TENANT_SERIES = 1000


class ObservedServer(Protocol):
    """The server, as far as it is observed (``graydns.server.DnsServer``). *tables*: the hot tables by tenant;
    *quotas*: of the tenants that have one.
    """

    front: Frontend
    stores: Stores
    anomalies: AnomalyLog
    snapshot: Snapshot
    hot_tables: dict[str, HotTable]
    quotas: dict[str, TenantQuota]


@frozen
class PolicyFigures:
    """The *revision* that runs, 0 = none does, and *refusals* by reason."""

    revision: int
    refusals: Mapping[str, int]


@frozen(eq=False)
class ServerMetrics:
    """A prometheus-client collector. *ready*: see ``observe.http``. *began*: Unix seconds. *policies*: of the policy
    centre, *catalog*: of what is followed in Consul; None = there is none. *audit*: of the audit log.
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
        yield from make_gauge_family("graydns_ready", "1 if /ready says so.", (), [((), self.ready())])
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
            "graydns_anomalies", "Odd things from the network, by kind.", ("kind",), anomalies
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
        text = "Audit lines that wait to be written now."
        yield from make_gauge_family("graydns_audit_queue", text, (), [((), found.queued)])

    def _policies(self) -> Iterator[Metric]:
        if (figures := self.policies()) is None:
            return
        text = "The policy revision that runs, 0 if none does."
        yield from make_gauge_family("graydns_policy_revision", text, (), [((), figures.revision)])
        refusals = (((reason,), count) for reason, count in sorted(figures.refusals.items()))
        yield from make_counter_family(
            "graydns_policy_refusals", "Policy revisions refused, by reason.", ("reason",), refusals
        )

    def _catalog(self) -> Iterator[Metric]:
        if (figures := self.catalog()) is None:
            return
        for name, text, number in (
            ("known", "Services and nodes of Consul's that are known.", figures.known),
            ("watches", "Those with a watch of their own.", figures.watches),
            ("shared", "Those without.", figures.shared),
            ("age_seconds", "Time since Consul confirmed what waits longest for that.", figures.age),
            ("stale", "Services and nodes that have waited too long.", figures.stale),
            ("doubted", "Those that have vanished in a way that is not believed.", figures.doubted),
            ("unread", "Instances left out as they are not understood.", figures.unread),
        ):
            yield from make_gauge_family(f"graydns_consul_{name}", text, (), [((), number)])
        text = "Requests of watches, and for what has none, that failed."
        yield from make_counter_family("graydns_consul_errors", text, (), [((), figures.errors)])

    def _quotas(self) -> Iterator[Metric]:
        refused: Counter[str] = Counter()
        for at, (tenant, quota) in enumerate(self.server.quotas.items()):
            refused[tenant if at < MAX_QUOTA_TENANT_SERIES else OTHER_GROUP] += quota.refused
        text = "Queries refused, as their tenant had had all that it may."
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
        text = "1 if the clients of a version from Consul get the default version."
        yield from make_gauge_family("graydns_version_emptied", text, labels, emptied)

    def _caches(self) -> Iterator[Metric]:
        counts, usage = self.server.stores.answers.counts, self.server.stores.answers.stats()
        lookups = (((result,), counts[result]) for result in ("hit", "miss", "stale"))
        yield from make_counter_family("graydns_cache_lookups", "Cache lookups, by result.", ("result",), lookups)
        refreshes = [((), counts["refresh"])]
        yield from make_counter_family(
            "graydns_cache_refreshes", "Answers asked anew behind a client's back.", (), refreshes
        )
        yield from make_counter_family(
            "graydns_cache_evictions", "Answers that made room for others.", (), [((), counts["evicted"])]
        )
        labels = ("tenant",)
        for name, text, at in (
            ("graydns_cache_entries", "Answers in the cache.", 0),
            ("graydns_cache_bytes", "Memory of the answers in the cache.", 1),
            ("graydns_cache_limit_bytes", "Memory that they may take.", 2),
        ):
            yield from make_gauge_family(name, text, labels, [((tenant,), use[at]) for tenant, use in usage.items()])
        tables = self.server.hot_tables
        hot: list[MetricRow] = [((tenant,), table.size) for tenant, table in tables.items()]
        most: list[MetricRow] = [((tenant,), table.limit) for tenant, table in tables.items()]
        yield from make_gauge_family("graydns_hot_table_bytes", "Memory of the hot table, by estimate.", labels, hot)
        yield from make_gauge_family("graydns_hot_table_limit_bytes", "Memory that it may take.", labels, most)

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
        yield from make_gauge_family("graydns_upstream_waiting", "Queries that wait for an upstream now.", (), waiting)

    def _connections(self) -> Iterator[Metric]:
        doors, connections = self.listeners, self.listeners.connections
        yield from make_gauge_family(
            "graydns_connections", "TCP and TLS connections now.", (), [((), len(connections))]
        )
        lost: list[MetricRow] = [(("refused",), connections.refused), (("evicted",), connections.evicted)]
        text = "Connections refused, or closed to make room."
        yield from make_counter_family("graydns_connections_turned_away", text, ("how",), lost)
        dropped = [((), doors.dropped)]
        yield from make_counter_family(
            "graydns_udp_answers_dropped", "UDP answers that the kernel would not take.", (), dropped
        )
