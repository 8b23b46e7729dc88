"""Service: every door that clients can reach, opened together and closed together.

Leaving: how a server goes without leaving anybody unanswered.

::

    SIGTERM ─► not ready ─ shutdown_delay ─► doors accept nothing more ─ DRAIN at most ─► everything stops
                 still answering                 answering what is pending
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from errno import EADDRNOTAVAIL
from typing import Any

from attrs import evolve
from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.logger import Logger

from graydns.fast.interfaces import QueryHandler
from graydns.listen.connections import ConnectionTracker
from graydns.listen.eager_write import EagerWriteConnection
from graydns.listen.listener import Listener, ListenerLimits, expand_wildcard
from graydns.listen.tcp import StreamFactory
from graydns.listen.tls import TlsListenerFactory
from graydns.listen.tls_context import TlsContext
from graydns.listen.twisted_types import ListeningPort, ListenReactor
from graydns.listen.udp import UdpListenerProtocol, listen_udp
from graydns.model.errors import ConfigError, ConfigIssue
from graydns.model.query import TLS, UDP
from graydns.runtime.timing import Clock

#: Connections the kernel holds for us between two wake-ups.
LISTEN_BACKLOG = 1024

#: Seconds between two looks at what is still pending.
DRAIN_POLL_INTERVAL_SECONDS = 0.02


class Listeners(Service):
    """Everything that listens for queries. *tls*: needed for doors of that transport, else ConfigError.

    Starting opens all doors or none, and raises ConfigError naming the one that could not be opened; under twistd
    that happens before privileges are given up. Wildcards of UDP are expanded then, and not again.
    """

    name = "doors"
    _log = Logger()

    def __init__(
        self,
        doors: Sequence[Listener],
        front: QueryHandler[Any],
        limits: ListenerLimits,
        reactor: ListenReactor,
        tls: TlsContext | None = None,
    ) -> None:
        if tls is None and any(door.transport == TLS for door in doors):
            raise ConfigError(
                [ConfigIssue(("tls",), "nothing", "a certificate and its key, for the doors of DNS over TLS")]
            )
        self.connections = ConnectionTracker(reactor, limits)
        self._listeners = doors
        self._front = front
        self._reactor = reactor
        self._tls = tls
        self._ports: list[tuple[Listener, ListeningPort]] = []
        self._datagram_protocols: list[UdpListenerProtocol] = []
        self._stream_factories: list[StreamFactory] = []

    @property
    def listening(self) -> tuple[Listener, ...]:
        """Where clients can reach us now: wildcards of UDP expanded, ports as they are."""
        return tuple(evolve(door, port=port.getHost().port) for door, port in self._ports)

    @property
    def received(self) -> dict[str, int]:
        """Messages that came in since the doors were opened, by transport."""
        counts = {UDP: sum(protocol.received for protocol in self._datagram_protocols)}
        for factory in self._stream_factories:
            counts[factory.transport_name] = counts.get(factory.transport_name, 0) + factory.received
        return counts

    @property
    def dropped(self) -> int:
        """UDP answers the kernel would not take since the start."""
        return sum(protocol.dropped for protocol in self._datagram_protocols)

    def privilegedStartService(self) -> None:
        """Open the doors."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        self._open_all()

    def startService(self) -> None:
        """Open the doors unless that has been done."""
        super().startService()  # type: ignore[no-untyped-call]
        self._open_all()

    def stopService(self) -> Deferred[None]:
        """Accept nothing more, cancel what is pending, close what is open; fires when all is closed."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._close_all())

    async def drain(self, seconds: float) -> None:
        """Accept nothing more, and let what is pending be answered, for as many *seconds* at most.

        Stopping afterwards closes what is left.
        """
        for door, port in self._ports:
            if door.transport != UDP:
                port.stopListening()
        self._ports = [(door, port) for door, port in self._ports if door.transport == UDP]
        for protocol in self._datagram_protocols:
            protocol.stop_reading()
        for connection in self.connections:
            connection.finish()
        end = self._reactor.seconds() + seconds
        while self._reactor.seconds() < end and (
            len(self.connections) or any(protocol.pending for protocol in self._datagram_protocols)
        ):
            await _sleep(self._reactor, DRAIN_POLL_INTERVAL_SECONDS)

    def _open_all(self) -> None:
        if self._ports:
            return
        for door in self._listeners:
            try:
                self._open(door)
            except (CannotListenError, OSError) as error:
                for _, port in self._ports:
                    port.stopListening()
                self._ports.clear()
                cause = error.socketError if isinstance(error, CannotListenError) else error
                place = [each for each in self._listeners if each.tenant == door.tenant].index(door)
                path = ("listen", place) if door.tenant is None else ("tenants", door.tenant, "listen", place)
                expected = "an address of this machine and a port that is free"
                raise ConfigError([ConfigIssue(path, f"{door} ({cause.strerror})", expected)]) from error

    def _open(self, door: Listener) -> None:
        if door.transport == UDP:
            self._open_udp(door)
            return
        factory: StreamFactory | TlsListenerFactory
        if door.transport == TLS and self._tls is not None:
            factory = TlsListenerFactory(self._tls, self._front, self.connections, self._reactor, door.tenant)
            self._stream_factories.append(factory.stream_factory)
        else:
            factory = StreamFactory(self._front, self.connections, self._reactor, door.tenant)
            self._stream_factories.append(factory)
        bound = _bind_stream_socket(door)
        try:
            port = self._reactor.adoptStreamPort(bound.fileno(), bound.family, factory)
        finally:
            bound.close()  # adopting has made a copy
        port.transport = EagerWriteConnection
        self._ports.append((door, port))

    def _open_udp(self, door: Listener) -> None:
        hosts = expand_wildcard(door.host)
        port = door.port
        for host in hosts:
            protocol = UdpListenerProtocol(self._front, self._reactor, door.tenant)
            try:
                opened = listen_udp(protocol, host, port, self._reactor)
            except CannotListenError as error:
                # Addresses come and go, and new IPv6 ones cannot be used for a second (RFC 4862 section 5.4).
                if host == door.host or error.socketError.errno != EADDRNOTAVAIL:
                    raise
                self._log.warn("not listening on {host}: {error}", host=host, error=error)
                continue
            port = opened.getHost().port  # type: ignore[no-untyped-call]
            self._ports.append((evolve(door, host=host), opened))
            self._datagram_protocols.append(protocol)

    async def _close_all(self) -> None:
        ports, self._ports = self._ports, []
        for _, port in ports:
            if (closed := port.stopListening()) is not None:
                await closed
        self._stream_factories.clear()
        datagrams, self._datagram_protocols = self._datagram_protocols, []
        for protocol in datagrams:
            protocol.cancel()
        await self.connections.close()


async def _sleep(clock: Clock, seconds: float) -> None:
    over: Deferred[None] = Deferred()
    clock.callLater(seconds, lambda: over.callback(None))
    await over


def _bind_stream_socket(door: Listener) -> socket.socket:
    """A listening TCP socket. [::] takes IPv6 only, so that it can stand beside 0.0.0.0. Raises OSError."""
    family = socket.AF_INET6 if ":" in door.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((door.host, door.port))
        bound.listen(LISTEN_BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound


#: Seconds that pending answers get; with the two that closing connections take at most, it is over within five.
DRAIN_TIMEOUT_SECONDS = 2.5


class GracefulShutdown(MultiService):
    """A service whose end comes in order. *leaving*: told first; *delay*: gives the seconds to go on answering."""

    def __init__(self, doors: Listeners, leaving: Callable[[], None], delay: Callable[[], float], reactor: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._listeners_to_drain = doors
        self._on_shutdown = leaving
        self._delay = delay
        self._clock = reactor

    def stopService(self) -> Deferred[None]:
        """Leave; fires when everything has stopped."""
        return Deferred.fromCoroutine(self._shut_down())

    async def _shut_down(self) -> None:
        self._on_shutdown()
        if delay := self._delay():
            waited: Deferred[None] = Deferred()
            self._clock.callLater(delay, lambda: waited.callback(None))
            await waited
        await self._listeners_to_drain.drain(DRAIN_TIMEOUT_SECONDS)
        stopped = super().stopService()  # type: ignore[no-untyped-call]
        if isinstance(stopped, Deferred):
            await stopped
