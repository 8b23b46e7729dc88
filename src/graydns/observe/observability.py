"""Everything that observes a server, as one service; and the periodic upkeep of the counters.

::

    frontend ── answer_log, trace ───────────┐
    stores ── observers: LatencyObserver, … ─┼─► metrics ─► http
    listeners ── connections, received ──────┘   why, trace ─► admin interface
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from graydns.audit.audit_service import AuditFigures
from graydns.config.address import ListenEndpoint
from graydns.fast.answer_log import MAX_COUNTER_GROUPS, AnswerCounters, CounterGroup
from graydns.fast.hot_table import HotTable
from graydns.listen.listeners import Listeners
from graydns.model.catalog import CatalogFeedFigures
from graydns.model.errors import ConfigError, ConfigIssue
from graydns.model.transport import TCP
from graydns.observe.answer_finder import AnswerFinder
from graydns.observe.answer_metrics import AnswerMetrics, LatencyObserver, ValidationCounts, ValidationMetrics
from graydns.observe.http_pages import HttpServerFactory
from graydns.observe.server_metrics import ObservedServer, PolicyFigures, ServerMetrics
from graydns.observe.systemd import SystemdNotifier, SystemdWatchdog, read_notifier
from graydns.observe.trace_recorder import TraceRecorder
from graydns.runtime.slices import run_in_slices
from graydns.runtime.twisted_types import MultiService
from graydns.snapshot.snapshot import Snapshot

#: Rules processed in one step.
_RULES_PER_STEP = 1000


def rotate_counter_window(tallies: AnswerCounters, tables: Mapping[str, HotTable]) -> Generator[None, None, None]:
    """Begin a new window for every group, and for the subnets in the hot *tables*, which are its clients too."""
    yield from tallies.rotate_window()
    for table in tuple(tables.values()):
        table.clear_subnets()
        yield


def prune_counters(tallies: AnswerCounters, snapshot: Snapshot) -> Generator[None, None, None]:
    """Make room for new groups: merge those of services, versions and rules that are not in *snapshot*."""
    current: set[CounterGroup] = set()
    for tenant, router in snapshot.routers.items():
        for service in router.services.values():
            current.update(CounterGroup(tenant, service.name, version) for version in service.pools)
            yield
        for number, rule in enumerate(router.rules):
            current.add(CounterGroup(tenant, rule.name, f"rule:{rule.name}"))
            if number % _RULES_PER_STEP == 0:
                yield
    tallies.prune(current)


#: Seconds of a window in which queries and clients of a version are counted.
COUNTER_WINDOW_SECONDS = 300


def _no_reloads() -> Mapping[str, int]:
    return {"ok": 0, "refused": 0}


class ObservabilityService(MultiService):
    """Observes *server* and its *listeners*. Started after them and stopped before.

    *http*: the address of the pages, None = none. *reloads*: their numbers, by ``ok`` and ``refused``. *audit*,
    *policies*, *catalog*: see ``ServerMetrics``. *notifier*: None = from the environment.

    For the admin interface: *why*, *traces*, and *shares*, what was served in the counting window.
    """

    _log = Logger()

    def __init__(
        self,
        server: ObservedServer,
        listeners: Listeners,
        reactor: Any,
        *,
        http: ListenEndpoint | None,
        reloads: Callable[[], Mapping[str, int]] = _no_reloads,
        audit: Callable[[], AuditFigures] | None = None,
        policies: Callable[[], PolicyFigures | None] = lambda: None,
        catalog: Callable[[], CatalogFeedFigures | None] = lambda: None,
        notifier: SystemdNotifier | None = None,
    ) -> None:
        super().__init__()
        self._server = server
        self._reactor = reactor
        self._http = http
        self._port: Any = None
        self._shutting_down = False
        self.notifier = notifier or read_notifier(os.environ, os.getpid())
        self.latency = LatencyObserver(server.front.clock)
        server.stores.observers.append(self.latency)
        validated = ValidationCounts()
        server.stores.observers.append(validated)
        self.traces = TraceRecorder(server.front, server.front.clock, server.front.wall)
        self.why = AnswerFinder(server.front, lambda: server.hot_tables, lambda: server.snapshot)
        self.shares = server.front.answer_log.tallies
        inside = ServerMetrics(
            server=server,
            listeners=listeners,
            reloads=reloads,
            audit=audit,
            ready=self.is_ready,
            started_at=server.front.wall(),
            policies=policies,
            catalog=catalog,
        )
        self.registry = CollectorRegistry()
        self.registry.register(AnswerMetrics(server.front.answer_log, self.latency, listeners))
        self.registry.register(inside)
        self.registry.register(ValidationMetrics(validated, server.stores.validation))
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._ticks = 0
        self._ticker = LoopingCall(self._tick)
        self._ticker.clock = reactor
        SystemdWatchdog(self.notifier, lambda: listeners.listening, reactor).setServiceParent(self)

    def is_ready(self) -> bool:
        """Whether queries are served: it is started and no shutdown was requested."""
        return bool(self.running) and not self._shutting_down

    def announce_shutdown(self) -> None:
        """A shutdown was requested: announce it on /ready and to systemd."""
        self._shutting_down = True
        self.notifier.send("STOPPING=1")

    @property
    def listening(self) -> ListenEndpoint | None:
        """The address of the pages, None while they are closed."""
        if self._port is None or self._http is None:
            return None
        return ListenEndpoint(TCP, self._http.host, self._port.getHost().port)

    def privilegedStartService(self) -> None:
        """Listen for the pages. Raises ConfigError."""
        super().privilegedStartService()
        self._open()

    def startService(self) -> None:
        """Start; systemd is notified once the reactor runs."""
        super().startService()
        self._open()
        self._ticker.start(1.0, now=False)
        self._reactor.callWhenRunning(self.notifier.send, "READY=1")

    def stopService(self) -> Deferred[None]:
        """Close the pages and stop."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._shutting_down = True
        if self._ticker.running:
            self._ticker.stop()
        port, self._port = self._port, None
        if port is not None and (closed := port.stopListening()) is not None:
            await closed
        stopped = super().stopService()
        if isinstance(stopped, Deferred):
            await stopped

    def _open(self) -> None:
        if self._http is None or self._port is not None:
            return
        factory = HttpServerFactory(self.registry, lambda: True, self.is_ready, self._reactor)
        try:
            self._port = self._reactor.listenTCP(self._http.port, factory, 50, self._http.host)
        except CannotListenError as error:
            found, expected = (
                f"{self._http} ({error.socketError.strerror})",
                "an address of this machine and a port that is free",
            )
            raise ConfigError([ConfigIssue(("http",), found, expected)]) from error

    def _tick(self) -> None:
        self._ticks += 1
        self.traces.tick()
        tallies = self.shares
        if self._ticks % COUNTER_WINDOW_SECONDS == 0:
            self._run_in_slices(rotate_counter_window(tallies, self._server.hot_tables))
        if self._ticks % 60 == 0 and len(tallies) >= MAX_COUNTER_GROUPS:
            self._run_in_slices(prune_counters(tallies, self._server.snapshot))

    def _run_in_slices(self, work: Generator[None, None, None]) -> None:
        done = Deferred.fromCoroutine(run_in_slices(self._reactor, work))
        done.addErrback(lambda failure: self._log.failure("the periodic upkeep of the counters failed", failure))
