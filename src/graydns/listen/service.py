"""Service: every door that clients can reach, opened together and closed together."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from errno import EADDRNOTAVAIL
from typing import Any

from attrs import evolve
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.logger import Logger

from graydns.fast.protocol import Front
from graydns.listen.addresses import expand
from graydns.listen.connections import Connections
from graydns.listen.context import TlsContext
from graydns.listen.door import Door, DoorLimits
from graydns.listen.prompt import PromptConnection
from graydns.listen.reactor import ListeningPort, Reactor
from graydns.listen.stream import StreamFactory
from graydns.listen.tls import TlsFactory
from graydns.listen.udp import DatagramProtocol, listen_udp
from graydns.model.errors import ConfigError, Fault
from graydns.model.query import TLS, UDP
from graydns.timing import Clock

#: Connections the kernel holds for us between two wake-ups.
BACKLOG = 1024

#: Seconds between two looks at what is still pending.
GLANCE = 0.02


class Doors(Service):
    """Everything that listens for queries. *tls*: needed for doors of that transport, else ConfigError.

    Starting opens all doors or none, and raises ConfigError naming the one that could not be opened; under twistd
    that happens before privileges are given up. Wildcards of UDP are expanded then, and not again.
    """

    name = "doors"
    _log = Logger()

    def __init__(
        self,
        doors: Sequence[Door],
        front: Front[Any],
        limits: DoorLimits,
        reactor: Reactor,
        tls: TlsContext | None = None,
    ) -> None:
        if tls is None and any(door.transport == TLS for door in doors):
            raise ConfigError([Fault(("tls",), "nothing", "a certificate and its key, for the doors of DNS over TLS")])
        self.connections = Connections(reactor, limits)
        self._doors = doors
        self._front = front
        self._reactor = reactor
        self._tls = tls
        self._ports: list[tuple[Door, ListeningPort]] = []
        self._datagrams: list[DatagramProtocol] = []
        self._streams: list[StreamFactory] = []

    @property
    def listening(self) -> tuple[Door, ...]:
        """Where clients can reach us now: wildcards of UDP expanded, ports as they are."""
        return tuple(evolve(door, port=port.getHost().port) for door, port in self._ports)

    @property
    def received(self) -> dict[str, int]:
        """Messages that came in since the doors were opened, by transport."""
        counts = {UDP: sum(protocol.received for protocol in self._datagrams)}
        for factory in self._streams:
            counts[factory.transport_name] = counts.get(factory.transport_name, 0) + factory.received
        return counts

    @property
    def dropped(self) -> int:
        """UDP answers the kernel would not take since the start."""
        return sum(protocol.dropped for protocol in self._datagrams)

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
        for protocol in self._datagrams:
            protocol.rest()
        for connection in self.connections:
            connection.finish()
        end = self._reactor.seconds() + seconds
        while self._reactor.seconds() < end and (
            len(self.connections) or any(protocol.pending for protocol in self._datagrams)
        ):
            await _pause(self._reactor, GLANCE)

    def _open_all(self) -> None:
        if self._ports:
            return
        for door in self._doors:
            try:
                self._open(door)
            except (CannotListenError, OSError) as error:
                for _, port in self._ports:
                    port.stopListening()
                self._ports.clear()
                cause = error.socketError if isinstance(error, CannotListenError) else error
                place = [each for each in self._doors if each.tenant == door.tenant].index(door)
                path = ("listen", place) if door.tenant is None else ("tenants", door.tenant, "listen", place)
                expected = "an address of this machine and a port that is free"
                raise ConfigError([Fault(path, f"{door} ({cause.strerror})", expected)]) from error

    def _open(self, door: Door) -> None:
        if door.transport == UDP:
            self._open_udp(door)
            return
        factory: StreamFactory | TlsFactory
        if door.transport == TLS and self._tls is not None:
            factory = TlsFactory(self._tls, self._front, self.connections, self._reactor, door.tenant)
            self._streams.append(factory.streams)
        else:
            factory = StreamFactory(self._front, self.connections, self._reactor, door.tenant)
            self._streams.append(factory)
        bound = _bound(door)
        try:
            port = self._reactor.adoptStreamPort(bound.fileno(), bound.family, factory)
        finally:
            bound.close()  # adopting has made a copy
        port.transport = PromptConnection
        self._ports.append((door, port))

    def _open_udp(self, door: Door) -> None:
        hosts = expand(door.host)
        port = door.port
        for host in hosts:
            protocol = DatagramProtocol(self._front, self._reactor, door.tenant)
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
            self._datagrams.append(protocol)

    async def _close_all(self) -> None:
        ports, self._ports = self._ports, []
        for _, port in ports:
            if (closed := port.stopListening()) is not None:
                await closed
        self._streams.clear()
        datagrams, self._datagrams = self._datagrams, []
        for protocol in datagrams:
            protocol.cancel()
        await self.connections.close()


async def _pause(clock: Clock, seconds: float) -> None:
    over: Deferred[None] = Deferred()
    clock.callLater(seconds, lambda: over.callback(None))
    await over


def _bound(door: Door) -> socket.socket:
    """A listening TCP socket. [::] takes IPv6 only, so that it can stand beside 0.0.0.0. Raises OSError."""
    family = socket.AF_INET6 if ":" in door.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((door.host, door.port))
        bound.listen(BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound
