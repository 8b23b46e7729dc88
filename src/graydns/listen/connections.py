"""Limits of connections: how many there are, how long each may stay in a state, how many TLS handshakes run at once,
and how many connections the limit of open files allows.
"""

from __future__ import annotations

import resource
from collections import OrderedDict
from collections.abc import Iterator
from typing import Protocol

from attrs import frozen
from twisted.internet.defer import Deferred

from graydns.runtime.timing import Clock, Deadlines

#: Handshakes that run at once.
MAX_CONCURRENT_HANDSHAKES = 64

#: Seconds for which a handshake keeps its slot. The slots share out the reactor's time: a handshake costs it a
#: millisecond, and a client that is slower than this, or silent, costs it nothing and goes on without a slot.
HANDSHAKE_SLOT_SECONDS = 0.03


@frozen
class ListenerLimits:
    """What clients may use of the listeners for streams.

    *max_connections*: of all listeners together. *max_per_source*: connections of one /24 or /56. *max_pipelined*:
    queries of one connection in the pipeline. *tcp_idle*: seconds without a complete query, or without reading what
    was written. *tcp_message*: seconds from the first octet of a message to its last. *tls_handshake*: seconds from
    the TCP connection to the end of the handshake.
    """

    max_connections: int = 10_000
    max_per_source: int = 100
    max_pipelined: int = 100
    tcp_idle: float = 8.0
    tcp_message: float = 2.0
    tls_handshake: float = 3.0


class ClientConnection(Protocol):
    """What the limits need of a connection."""

    @property
    def source(self) -> bytes:
        """The client's packed address."""

    def finish(self) -> None:
        """Read nothing more, and close once all queries are answered."""

    def close(self) -> None:
        """Close once everything written has been sent."""

    def abort(self) -> None:
        """Reset at once."""

    def pause_reading(self) -> None:
        """Stop the handshake until :meth:`resume_reading`."""

    def resume_reading(self) -> None:
        """Go on with the handshake."""


class HandshakeLimiter:
    """At most MAX_CONCURRENT_HANDSHAKES start within HANDSHAKE_SLOT_SECONDS; others wait in the order of arrival."""

    def __init__(self, clock: Clock) -> None:
        self._running: Deadlines[ClientConnection] = Deadlines(clock, HANDSHAKE_SLOT_SECONDS, self._expire_slot)
        self._waiting: OrderedDict[ClientConnection, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._running)

    def acquire(self, handshake: ClientConnection) -> None:
        """Run *handshake* now, or pause it until a slot is free."""
        if len(self._running) < MAX_CONCURRENT_HANDSHAKES:
            self._running.start(handshake)
        else:
            handshake.pause_reading()
            self._waiting[handshake] = None

    def release(self, handshake: ClientConnection) -> None:
        """*handshake* is done, or its connection is lost."""
        self._running.stop(handshake)
        self._waiting.pop(handshake, None)
        self._start_waiting()

    def close(self) -> None:
        """Drop all and stop the timer."""
        self._waiting.clear()
        self._running.close()

    def _expire_slot(self, _: ClientConnection) -> None:
        self._start_waiting()

    def _start_waiting(self) -> None:
        while self._waiting and len(self._running) < MAX_CONCURRENT_HANDSHAKES:
            handshake, _ = self._waiting.popitem(last=False)
            self._running.start(handshake)
            handshake.resume_reading()


#: Seconds that clients have to read what was written to them when the server stops.
CLOSE_TIMEOUT_SECONDS = 2.0

_IPV4_MAPPED_PREFIX = bytes(10) + b"\xff\xff"


class ConnectionTracker:
    """Counts connections and ends those that stay too long in a state.

    A connection is in at most one of *handshaking*, *idle* (no query pending), *stalled* (its client does not read
    the replies) and *closing*; an idle one may also be *receiving* the rest of a message. *evicted* counts connections
    since the start that had to go at a limit: the one without a complete query for longest, half messages and
    handshakes included. A new connection is always let in, so connections that are held open do not keep other clients
    out.
    """

    def __init__(self, clock: Clock, limits: ListenerLimits) -> None:
        self.limits = limits
        self.handshakes = HandshakeLimiter(clock)
        self.handshaking: Deadlines[ClientConnection] = Deadlines(
            clock, limits.tls_handshake, lambda overdue: overdue.abort()
        )
        self.idle: Deadlines[ClientConnection] = Deadlines(clock, limits.tcp_idle, lambda overdue: overdue.close())
        self.stalled: Deadlines[ClientConnection] = Deadlines(clock, limits.tcp_idle, lambda overdue: overdue.abort())
        self.closing: Deadlines[ClientConnection] = Deadlines(clock, limits.tcp_idle, lambda overdue: overdue.abort())
        self.receiving: Deadlines[ClientConnection] = Deadlines(
            clock, limits.tcp_message, lambda overdue: overdue.abort()
        )
        self._clock = clock
        self.evicted = 0
        # Both in the order of the last complete query, the longest ago first.
        self._by_age: OrderedDict[ClientConnection, bytes] = OrderedDict()
        self._by_network: dict[bytes, OrderedDict[ClientConnection, None]] = {}
        self._close_waiters: list[Deferred[None]] = []

    def __len__(self) -> int:
        return len(self._by_age)

    def __iter__(self) -> Iterator[ClientConnection]:
        return iter(tuple(self._by_age))

    def make_room(self, source: bytes) -> None:
        """Evict one connection if that of a client at *source* would be one too many."""
        of_network = self._by_network.get(mask_source(source), ())
        if len(of_network) >= self.limits.max_per_source:
            self._evict(next(iter(of_network)))
        elif len(self._by_age) >= self.limits.max_connections:
            self._evict(next(iter(self._by_age)))

    def add(self, connection: ClientConnection) -> None:
        """Count a connection."""
        network = self._by_age[connection] = mask_source(connection.source)
        self._by_network.setdefault(network, OrderedDict())[connection] = None

    def note_query(self, connection: ClientConnection) -> None:
        """A query of *connection* is complete; nothing for a connection that is not counted."""
        if (network := self._by_age.get(connection)) is not None:
            self._by_age.move_to_end(connection)
            self._by_network[network].move_to_end(connection)

    def remove(self, connection: ClientConnection) -> None:
        """Stop counting a connection that is lost; calling it again does nothing."""
        for state in (self.handshaking, self.idle, self.receiving, self.stalled, self.closing):
            state.stop(connection)
        if (network := self._by_age.pop(connection, None)) is None:
            return
        of_network = self._by_network[network]
        del of_network[connection]
        if not of_network:
            del self._by_network[network]
        self.handshakes.release(connection)
        if not self._by_age:
            waiters, self._close_waiters = self._close_waiters, []
            for waiter in waiters:
                waiter.callback(None)

    async def close(self) -> None:
        """Close every connection and wait until the last is closed, CLOSE_TIMEOUT_SECONDS at most."""
        for connection in self:
            connection.close()
        if self._by_age:
            self._close_waiters.append(Deferred())
            timeout = self._clock.callLater(CLOSE_TIMEOUT_SECONDS, self._abort_all)
            await self._close_waiters[-1]
            if timeout.active():
                timeout.cancel()
        for state in (self.handshaking, self.idle, self.receiving, self.stalled, self.closing, self.handshakes):
            state.close()

    def _abort_all(self) -> None:
        for connection in self:
            connection.abort()

    def _evict(self, connection: ClientConnection) -> None:
        self.evicted += 1
        self.remove(connection)
        connection.abort()


def mask_source(source: bytes) -> bytes:
    """The first octets of the /24 or /56 of a packed address; mapped addresses are IPv4 (RFC 4291 section 2.5.5.2)."""
    if source.startswith(_IPV4_MAPPED_PREFIX):
        source = source[len(_IPV4_MAPPED_PREFIX) :]
    return source[:3] if len(source) == 4 else source[:7]


#: Files reserved for everything but clients: logs, zones, listening sockets, upstreams, the admin interface.
RESERVED_OPEN_FILES = 512


def raise_open_file_limit() -> int:
    """Raise the soft limit of open files to the hard one; returns the limit now in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):  # some kernels allow no more than fs.nr_open, even below the hard limit
            return soft
    return hard


def fit_connection_limit(wanted: int, open_files: int, reserved: int = RESERVED_OPEN_FILES) -> tuple[int, str]:
    """How many of the *wanted* connections *open_files* allow, and a text if that is fewer, else ""."""
    if open_files in (resource.RLIM_INFINITY, 0) or wanted + reserved <= open_files:
        return wanted, ""
    fitting = max(open_files - reserved, open_files // 2)
    if fitting >= wanted:
        return wanted, ""
    return fitting, (
        f"limits.max_connections is {fitting} instead of {wanted}: the limit of open files is {open_files}, "
        f"of which {open_files - fitting} are reserved for other things"
    )
