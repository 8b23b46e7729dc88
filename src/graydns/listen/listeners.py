"""The service of all listeners: opened together, closed together; and the shutdown that leaves no query unanswered.

::

    SIGTERM ─► not ready ─ shutdown_delay ─► nothing more is accepted ─ DRAIN_TIMEOUT at most ─► everything stops
                 still answering               pending queries are answered

What opens a listener of each transport stands in one table, OPEN_LISTENER; nothing else here knows a transport.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError

from graydns.fast.interfaces import QueryHandler
from graydns.listen.connections import ConnectionTracker, ListenerLimits
from graydns.listen.listener import BoundListener, ListenContext, Listener, OpenListener
from graydns.listen.tcp import open_tcp
from graydns.listen.tls import open_tls
from graydns.listen.tls_context import TlsContext
from graydns.listen.udp import open_udp
from graydns.model.errors import ConfigError, ConfigIssue
from graydns.model.transport import TCP, TLS, UDP, Transport
from graydns.runtime.timing import Clock
from graydns.runtime.twisted_types import ListenReactor, MultiService, Service

#: What opens a listener, by transport.
OPEN_LISTENER: Mapping[Transport, OpenListener] = {UDP: open_udp, TCP: open_tcp, TLS: open_tls}

#: Seconds between two checks whether queries are still pending.
DRAIN_POLL_INTERVAL_SECONDS = 0.02


class Listeners(Service):
    """Everything that listens for queries.

    *handler*: answers them. *tls*: needed for encrypted transports, else ConfigError. *open_listener*: other
    transports' own, added to OPEN_LISTENER's.

    Starting opens all listeners or none, and raises ConfigError naming the one that could not be opened; under twistd
    that happens before privileges are given up. Wildcards of UDP are expanded then, and not again.
    """

    name = "listeners"

    def __init__(
        self,
        listeners: Sequence[Listener],
        handler: QueryHandler[Any],
        limits: ListenerLimits,
        reactor: ListenReactor,
        tls: TlsContext | None = None,
        open_listener: Mapping[Transport, OpenListener] | None = None,
    ) -> None:
        if tls is None and any(listener.transport.is_encrypted for listener in listeners):
            raise ConfigError(
                [ConfigIssue(("tls",), "nothing", "a certificate and its key, for the listeners of DNS over TLS")]
            )
        self.connections = ConnectionTracker(reactor, limits)
        self._listeners = listeners
        self._context = ListenContext(handler, self.connections, reactor, tls)
        self._open_listener = {**OPEN_LISTENER, **(open_listener or {})}
        self._bound: list[BoundListener] = []
        self._drained: list[BoundListener] = []

    @property
    def listening(self) -> tuple[Listener, ...]:
        """Where clients can reach us now: wildcards of UDP expanded, ports as they are."""
        return tuple(bound.listener for bound in self._bound)

    @property
    def received(self) -> dict[str, int]:
        """Messages that came in since the listeners were opened, by the transport's name."""
        counts = {UDP.name: 0}
        for bound in (*self._bound, *self._drained):
            name = bound.listener.transport.name
            counts[name] = counts.get(name, 0) + bound.received
        return counts

    @property
    def dropped(self) -> int:
        """Replies over UDP that the kernel did not take, since the start."""
        return sum(bound.dropped for bound in self._bound)

    def privilegedStartService(self) -> None:
        """Open the listeners."""
        super().privilegedStartService()
        self._open_all()

    def startService(self) -> None:
        """Open the listeners unless that has been done."""
        super().startService()
        self._open_all()

    def stopService(self) -> Deferred[None]:
        """Accept nothing more, cancel what is pending, close what is open; fires when all is closed."""
        super().stopService()
        return Deferred.fromCoroutine(self._close_all())

    async def drain(self, seconds: float) -> None:
        """Accept nothing more, and wait until pending queries are answered, *seconds* at most.

        Stopping afterwards closes what is left.
        """
        bound, self._bound = self._bound, []
        for each in bound:
            (self._bound if each.drain() else self._drained).append(each)
        for connection in self.connections:
            connection.finish()
        clock = self._context.reactor
        end = clock.seconds() + seconds
        while clock.seconds() < end and (len(self.connections) or any(each.pending for each in self._bound)):
            await _sleep(clock, DRAIN_POLL_INTERVAL_SECONDS)

    def _open_all(self) -> None:
        if self._bound:
            return
        for listener in self._listeners:
            try:
                for bound in self._open_listener[listener.transport](listener, self._context):
                    self._bound.append(bound)
            except (CannotListenError, OSError) as error:
                for each in self._bound:
                    Deferred.fromCoroutine(each.stop())
                self._bound.clear()
                cause = error.socketError if isinstance(error, CannotListenError) else error
                raise ConfigError([self._make_issue(listener, f"{listener} ({cause.strerror})")]) from error

    def _make_issue(self, listener: Listener, found: str) -> ConfigIssue:
        index = [each for each in self._listeners if each.tenant == listener.tenant].index(listener)
        path = ("listen", index) if listener.tenant is None else ("tenants", listener.tenant, "listen", index)
        return ConfigIssue(path, found, "an address of this machine and a port that is free")

    async def _close_all(self) -> None:
        bound, self._bound = self._bound, []
        self._drained.clear()
        for each in bound:
            await each.stop()
        await self.connections.close()


async def _sleep(clock: Clock, seconds: float) -> None:
    over: Deferred[None] = Deferred()
    clock.callLater(seconds, lambda: over.callback(None))
    await over


#: Seconds that pending queries get; with the two that closing connections take at most, it is over within five.
DRAIN_TIMEOUT_SECONDS = 2.5


class GracefulShutdown(MultiService):
    """A service that stops in order. *on_shutdown*: called first. *delay*: returns the seconds to go on answering
    until load balancers have noticed."""

    def __init__(
        self, listeners: Listeners, on_shutdown: Callable[[], None], delay: Callable[[], float], reactor: Any
    ) -> None:
        super().__init__()
        self._listeners_to_drain = listeners
        self._on_shutdown = on_shutdown
        self._delay = delay
        self._clock = reactor

    def stopService(self) -> Deferred[None]:
        """Shut down; fires when everything has stopped."""
        return Deferred.fromCoroutine(self._shut_down())

    async def _shut_down(self) -> None:
        self._on_shutdown()
        if delay := self._delay():
            await _sleep(self._clock, delay)
        await self._listeners_to_drain.drain(DRAIN_TIMEOUT_SECONDS)
        stopped = super().stopService()
        if isinstance(stopped, Deferred):
            await stopped
