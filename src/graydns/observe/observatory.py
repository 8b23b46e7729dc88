"""Observatory: everything that observes a server, as one service.

::

    front ── ledger, watched ────── ──┐
    stores ── observers: Latency, … ──┼─► metrics ─► http
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
from graydns.fast.tally import MOST
from graydns.listen.service import Doors
from graydns.model.errors import ConfigError, Fault
from graydns.observe.answers import AnswerMetrics
from graydns.observe.auditing import AuditFigures
from graydns.observe.housekeeping import prune, turn_window
from graydns.observe.http import HttpFactory
from graydns.observe.insides import InsideMetrics, Observed, PolicyFigures
from graydns.observe.latency import Latency
from graydns.observe.security import SecurityCounts, SecurityMetrics
from graydns.observe.systemd import Notifier, Watchdog, notifier_of
from graydns.observe.trace import TraceBook
from graydns.observe.why import WhyBook
from graydns.sources.consul.figures import FeedFigures
from graydns.sources.slices import in_slices

#: Seconds of a window in which queries and clients of a version are counted (``fast.tally``).
WINDOW = 300


def _no_reloads() -> Mapping[str, int]:
    return {"ok": 0, "refused": 0}


class Observatory(MultiService):
    """Observes *server* and its *doors*. Started after them and stopped before.

    *http*: where the pages are served, None = nowhere. *reloads*: how many there were, by ``ok`` and ``refused``.
    *audit*, *policies*, *catalog*: see ``InsideMetrics``. *notifier*: None = what the environment says.

    For the administration: *why*, *traces*, and *shares*, what was served lately (``control.Observers``).
    """

    _log = Logger()

    def __init__(
        self,
        server: Observed,
        doors: Doors,
        reactor: Any,
        *,
        http: Door | None,
        reloads: Callable[[], Mapping[str, int]] = _no_reloads,
        audit: Callable[[], AuditFigures] | None = None,
        policies: Callable[[], PolicyFigures | None] = lambda: None,
        catalog: Callable[[], FeedFigures | None] = lambda: None,
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
        validated = SecurityCounts()
        server.stores.observers.append(validated)
        self.traces = TraceBook(server.front, server.front.clock, server.front.wall)
        self.why = WhyBook(server.front, lambda: server.tables, lambda: server.snapshot)
        self.shares = server.front.ledger.tallies
        inside = InsideMetrics(
            server=server,
            doors=doors,
            reloads=reloads,
            audit=audit,
            ready=self.ready,
            began=server.front.wall(),
            policies=policies,
            catalog=catalog,
        )
        self.registry = CollectorRegistry()
        self.registry.register(AnswerMetrics(server.front.ledger, self.latency, doors))
        self.registry.register(inside)
        self.registry.register(SecurityMetrics(validated, server.stores.validation))
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
        tallies = self.shares
        if self._ticks % WINDOW == 0:
            self._begin(turn_window(tallies, self._server.tables))
        if self._ticks % 60 == 0 and len(tallies) >= MOST:
            self._begin(prune(tallies, self._server.snapshot))

    def _begin(self, work: Generator[None, None, None]) -> None:
        done = Deferred.fromCoroutine(in_slices(self._reactor, work))
        done.addErrback(lambda failure: self._log.failure("the counters could not be kept in order", failure))
