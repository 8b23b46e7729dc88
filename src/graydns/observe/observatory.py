"""Observatory: everything that observes a server, as one service.

::

    front ── tallies, told, watched ──┐
    stores ── observers: Latency ─────┼─► metrics ─► http
    doors ── connections, received ───┘   why, trace ─► the administration
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from graydns.config.address import Door
from graydns.fast.hot import HotTable
from graydns.fast.tally import MOST
from graydns.listen.service import Doors
from graydns.model.errors import ConfigError, Fault
from graydns.observe.answers import AnswerMetrics
from graydns.observe.audit import AuditLog
from graydns.observe.housekeeping import prune, turn_window
from graydns.observe.http import HttpFactory
from graydns.observe.insides import InsideMetrics, Observed
from graydns.observe.latency import Latency
from graydns.observe.render import Plain
from graydns.observe.systemd import Notifier, Watchdog, notifier_of
from graydns.observe.trace import TraceBook
from graydns.observe.why import WhyBook
from graydns.sources.slices import in_slices

#: Seconds of a window in which queries and clients of a version are counted (``fast.tally``).
WINDOW = 300


def _no_reloads() -> Mapping[str, int]:
    return {"ok": 0, "refused": 0}


def _no_tables() -> Mapping[str, HotTable]:
    return {}


class Observatory(MultiService):
    """Observes *server* and its *doors*. Started after them and stopped before.

    *http*: where the pages are served, None = nowhere. *tables*: the hot tables by tenant. *reloads*: how many there
    were, by ``ok`` and ``refused``. *audit*: whose failures are counted. *notifier*: None = what the environment says.
    """

    _log = Logger()

    def __init__(
        self,
        server: Observed,
        doors: Doors,
        reactor: Any,
        *,
        http: Door | None,
        tables: Callable[[], Mapping[str, HotTable]] = _no_tables,
        reloads: Callable[[], Mapping[str, int]] = _no_reloads,
        audit: AuditLog | None = None,
        notifier: Notifier | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._server = server
        self._reactor = reactor
        self._http = http
        self._port: Any = None
        self._leaving = False
        self.notifier = notifier or notifier_of(os.environ, os.getpid())
        self.latency = Latency(server.front.clock)
        server.stores.observers.append(self.latency)
        self.traces = TraceBook(server.front, server.front.clock, server.front.wall)
        self._why = WhyBook(server.front, lambda: server.snapshot)
        inside = InsideMetrics(
            server=server,
            doors=doors,
            tables=tables,
            reloads=reloads,
            audit_failures=lambda: 0 if audit is None else audit.failures,
            ready=self.ready,
            began=server.front.wall(),
        )
        self.registry = CollectorRegistry()
        self.registry.register(AnswerMetrics(server.front.tallies, self.latency, doors))
        self.registry.register(inside)
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._ticks = 0
        self._ticker = LoopingCall(self._tick)
        self._ticker.clock = reactor
        Watchdog(self.notifier, lambda: doors.listening, reactor).setServiceParent(self)  # type: ignore[no-untyped-call]

    def ready(self) -> bool:
        """Whether queries are welcome: there is a snapshot, and nobody has asked us to go."""
        return bool(self.running) and not self._leaving

    def leave(self) -> None:
        """Somebody has asked us to go."""
        self._leaving = True
        self.notifier.send("STOPPING=1")

    @property
    def listening(self) -> Door | None:
        """Where the pages are now."""
        return None if self._port is None else Door("tcp", self._http.host, self._port.getHost().port)  # type: ignore[union-attr]

    def why(self, client: str) -> list[Plain]:
        """See ``observe.why``."""
        return self._why.why(client)

    def trace_watch(self, name: str, on: bool) -> Plain:
        """See ``observe.trace``."""
        return self.traces.watch(name, on)

    def trace(self, name: str, last: int = 20) -> list[Plain]:
        """See ``observe.trace``."""
        return self.traces.last(name, last)

    def served(self, tenant: str, service: str) -> dict[str, Plain]:
        """What each version of a service served in the last 5 to 10 minutes.

        ``queries``, and ``clients``: distinct ones, None where all clients get the same; each also as a share of all
        versions' (``query_share``, ``client_share``: 0 to 1, None where there were none).
        """
        served = self._server.front.tallies.served(tenant, service)
        queries = sum(one.queries for one in served.values())
        clients = sum(one.clients or 0 for one in served.values())
        return {
            version: {
                "queries": one.queries,
                "clients": one.clients,
                "query_share": one.queries / queries if queries else None,
                "client_share": None if one.clients is None or not clients else one.clients / clients,
            }
            for version, one in served.items()
        }

    def restart(self, tenant: str, service: str) -> None:
        """Forget what a service served lately: its policy has changed."""
        self._server.front.tallies.restart(tenant, service)

    def privilegedStartService(self) -> None:
        """Open the pages; raises ConfigError if that cannot be."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        self._open()

    def startService(self) -> None:
        """Begin; the service manager is told once the reactor runs."""
        super().startService()  # type: ignore[no-untyped-call]
        self._open()
        self._ticker.start(1.0, now=False)
        self._reactor.callWhenRunning(self.notifier.send, "READY=1")

    def stopService(self) -> Deferred[None]:
        """Close the pages and end."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._leaving = True
        if self._ticker.running:
            self._ticker.stop()
        port, self._port = self._port, None
        if port is not None and (closed := port.stopListening()) is not None:
            await closed
        stopped = super().stopService()  # type: ignore[no-untyped-call]
        if isinstance(stopped, Deferred):
            await stopped

    def _open(self) -> None:
        if self._http is None or self._port is not None:
            return
        factory = HttpFactory(self.registry, lambda: True, self.ready, self._reactor)
        try:
            self._port = self._reactor.listenTCP(self._http.port, factory, 50, self._http.host)
        except CannotListenError as error:
            found, expected = f"{self._http} ({error.socketError.strerror})", "an address of ours and a free port"
            raise ConfigError([Fault(("http",), found, expected)]) from error

    def _tick(self) -> None:
        self._ticks += 1
        self.traces.tick()
        tallies = self._server.front.tallies
        if self._ticks % WINDOW == 0:
            self._begin(turn_window(tallies))
        if self._ticks % 60 == 0 and len(tallies) >= MOST:
            self._begin(prune(tallies, self._server.snapshot))

    def _begin(self, work: Generator[None, None, None]) -> None:
        done = Deferred.fromCoroutine(in_slices(self._reactor, work))
        done.addErrback(lambda failure: self._log.failure("the counters could not be kept in order", failure))
