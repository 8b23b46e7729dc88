"""The metrics of what is behind the answers: caches, upstreams, connections, reloads, anomalies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from typing import Protocol

from attrs import field, frozen
from prometheus_client.metrics_core import Metric

from graydns.fast.front import Front
from graydns.fast.hot import HotTable
from graydns.fast.quota import Quota
from graydns.fast.tally import OTHER
from graydns.listen.service import Doors
from graydns.observe.anomalies import AnomalyLog
from graydns.observe.auditing import AuditFigures
from graydns.observe.families import Row, counters, gauges
from graydns.resolve.pipeline import Stores
from graydns.snapshot.snapshot import Snapshot
from graydns.sources.consul.figures import FeedFigures

#: Tenants whose refusals have a series of their own, as the configuration names them; all further ones are OTHER.
MOST_TENANTS = 1000


class Observed(Protocol):
    """The server, as far as it is observed (``graydns.server.Server``). *tables*: the hot tables by tenant; *quotas*:
    of the tenants that have one.
    """

    front: Front
    stores: Stores
    anomalies: AnomalyLog
    snapshot: Snapshot
    tables: dict[str, HotTable]
    quotas: dict[str, Quota]


@frozen
class PolicyFigures:
    """The *revision* that runs, 0 = none does, and *refusals* by reason."""

    revision: int
    refusals: Mapping[str, int]


@frozen(eq=False)
class InsideMetrics:
    """A prometheus-client collector. *ready*: see ``observe.http``. *began*: Unix seconds. *policies*: of the policy
    centre, *catalog*: of what is followed in Consul; None = there is none. *audit*: of the audit log.
    """

    server: Observed = field(repr=False)
    doors: Doors = field(repr=False)
    reloads: Callable[[], Mapping[str, int]] = field(repr=False)
    ready: Callable[[], bool] = field(repr=False)
    began: float
    policies: Callable[[], PolicyFigures | None] = field(default=lambda: None, repr=False)
    catalog: Callable[[], FeedFigures | None] = field(default=lambda: None, repr=False)
    audit: Callable[[], AuditFigures] | None = field(default=None, repr=False)

    def collect(self) -> Iterator[Metric]:
        """Read all counters."""
        yield from gauges("graydns_build_info", "Always 1.", ("version",), [((version("graydns"),), 1)])
        yield from gauges("graydns_start_time_seconds", "When this server started.", (), [((), self.began)])
        yield from gauges("graydns_ready", "1 if /ready says so.", (), [((), self.ready())])
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
        yield from counters("graydns_anomalies", "Odd things from the network, by kind.", ("kind",), anomalies)

    def _control(self) -> Iterator[Metric]:
        number = self.server.snapshot.number
        results = (((result,), count) for result, count in sorted(self.reloads().items()))
        yield from gauges("graydns_snapshot_number", "The snapshot that is served.", (), [((), number)])
        yield from counters("graydns_reloads", "Reloads, by result.", ("result",), results)

    def _audit(self) -> Iterator[Metric]:
        if self.audit is None:
            return
        found = self.audit()
        text = "Changes that could not be written to the audit log."
        yield from counters("graydns_audit_failures", text, (), [((), found.failures)])
        yield from counters("graydns_audit_lines", "Audit lines of answers.", (), [((), found.lines)])
        dropped = (((reason,), count) for reason, count in sorted(found.dropped.items()))
        text = "Audit lines of answers that were dropped, by reason."
        yield from counters("graydns_audit_dropped", text, ("reason",), dropped)
        text = "Audit lines that wait to be written now."
        yield from gauges("graydns_audit_queue", text, (), [((), found.queued)])

    def _policies(self) -> Iterator[Metric]:
        if (figures := self.policies()) is None:
            return
        text = "The policy revision that runs, 0 if none does."
        yield from gauges("graydns_policy_revision", text, (), [((), figures.revision)])
        refusals = (((reason,), count) for reason, count in sorted(figures.refusals.items()))
        yield from counters("graydns_policy_refusals", "Policy revisions refused, by reason.", ("reason",), refusals)

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
            yield from gauges(f"graydns_consul_{name}", text, (), [((), number)])
        text = "Requests of watches, and for what has none, that failed."
        yield from counters("graydns_consul_errors", text, (), [((), figures.errors)])

    def _quotas(self) -> Iterator[Metric]:
        refused: Counter[str] = Counter()
        for at, (tenant, quota) in enumerate(self.server.quotas.items()):
            refused[tenant if at < MOST_TENANTS else OTHER] += quota.refused
        text = "Queries refused, as their tenant had had all that it may."
        rows = (((tenant,), count) for tenant, count in refused.items())
        yield from counters("graydns_quota_refusals", text, ("tenant",), rows)

    def _versions(self) -> Iterator[Metric]:
        found = [
            ((tenant, service.name, version), one)
            for tenant, router in self.server.snapshot.routers.items()
            for service in router.services.values()
            for version, one in service.health.items()
        ]
        labels = ("tenant", "service", "version")
        healthy: list[Row] = [(names, one.healthy) for names, one in found]
        instances: list[Row] = [(names, one.instances) for names, one in found]
        emptied: list[Row] = [(names, one.is_emptied) for names, one in found]
        yield from gauges("graydns_version_healthy", "Healthy instances of a version in Consul.", labels, healthy)
        yield from gauges("graydns_version_instances", "Instances of a version in Consul.", labels, instances)
        text = "1 if the clients of a version from Consul get the default version."
        yield from gauges("graydns_version_emptied", text, labels, emptied)

    def _caches(self) -> Iterator[Metric]:
        counts, usage = self.server.stores.answers.counts, self.server.stores.answers.stats()
        lookups = (((result,), counts[result]) for result in ("hit", "miss", "stale"))
        yield from counters("graydns_cache_lookups", "Cache lookups, by result.", ("result",), lookups)
        refreshes = [((), counts["refresh"])]
        yield from counters("graydns_cache_refreshes", "Answers asked anew behind a client's back.", (), refreshes)
        yield from counters(
            "graydns_cache_evictions", "Answers that made room for others.", (), [((), counts["evicted"])]
        )
        labels = ("tenant",)
        for name, text, at in (
            ("graydns_cache_entries", "Answers in the cache.", 0),
            ("graydns_cache_bytes", "Memory of the answers in the cache.", 1),
            ("graydns_cache_limit_bytes", "Memory that they may take.", 2),
        ):
            yield from gauges(name, text, labels, [((tenant,), use[at]) for tenant, use in usage.items()])
        tables = self.server.tables
        hot: list[Row] = [((tenant,), table.size) for tenant, table in tables.items()]
        most: list[Row] = [((tenant,), table.limit) for tenant, table in tables.items()]
        yield from gauges("graydns_hot_table_bytes", "Memory of the hot table, by estimate.", labels, hot)
        yield from gauges("graydns_hot_table_limit_bytes", "Memory that it may take.", labels, most)

    def _upstreams(self) -> Iterator[Metric]:
        stores = self.server.stores
        groups = self.server.snapshot.forward.by_name
        suspects: list[Row] = [
            ((name, str(server)), stores.client.suspects(server))
            for name, group in groups.items()
            for server in group.servers
        ]
        text = "1 if the server failed in the last seconds and is asked after the others."
        yield from gauges("graydns_upstream_suspect", text, ("upstream", "server"), suspects)
        waiting = [((), stores.inflight.total)]
        yield from gauges("graydns_upstream_waiting", "Queries that wait for an upstream now.", (), waiting)

    def _connections(self) -> Iterator[Metric]:
        doors, connections = self.doors, self.doors.connections
        yield from gauges("graydns_connections", "TCP and TLS connections now.", (), [((), len(connections))])
        lost: list[Row] = [(("refused",), connections.refused), (("evicted",), connections.evicted)]
        text = "Connections refused, or closed to make room."
        yield from counters("graydns_connections_turned_away", text, ("how",), lost)
        dropped = [((), doors.dropped)]
        yield from counters("graydns_udp_answers_dropped", "UDP answers that the kernel would not take.", (), dropped)
