"""Connections: all TCP and TLS connections of the server, and how many there may be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from twisted.internet.defer import Deferred

from graydns.listen.door import DoorLimits
from graydns.listen.handshakes import Handshakes
from graydns.timing import Clock, Deadlines

#: Seconds that clients have to take what was written to them when the server stops.
LINGER = 2.0

_MAPPED = bytes(10) + b"\xff\xff"


class Connection(Protocol):
    """One connection, as far as the limits need it. *source*: the client's packed address."""

    @property
    def source(self) -> bytes:
        """The client's packed address."""

    def finish(self) -> None:
        """Read nothing more, and close it once everything that was asked is answered."""

    def close(self) -> None:
        """Close it once everything written has gone out."""

    def abort(self) -> None:
        """Drop it at once."""

    def hold(self) -> None:
        """Do not go on with its handshake until :meth:`begin`."""

    def begin(self) -> None:
        """Go on with its handshake."""


class Connections:
    """Counts connections and watches how long each stays in a state.

    A connection is in at most one of *handshaking*, *idle* (no query pending), *stalled* (its client does not take
    the answers) and *closing*. *refused* and *evicted* count connections since the start.
    """

    def __init__(self, clock: Clock, limits: DoorLimits) -> None:
        self.limits = limits
        self.handshakes = Handshakes(clock)
        self.handshaking: Deadlines[Connection] = Deadlines(clock, limits.tls_handshake, lambda late: late.abort())
        self.idle: Deadlines[Connection] = Deadlines(clock, limits.tcp_idle, lambda late: late.close())
        self.stalled: Deadlines[Connection] = Deadlines(clock, limits.tcp_idle, lambda late: late.abort())
        self.closing: Deadlines[Connection] = Deadlines(clock, limits.tcp_idle, lambda late: late.abort())
        self._clock = clock
        self.refused = 0
        self.evicted = 0
        self._networks: dict[Connection, bytes] = {}
        self._sizes: dict[bytes, int] = {}
        self._emptied: list[Deferred[None]] = []

    def __len__(self) -> int:
        return len(self._networks)

    def __iter__(self) -> Iterator[Connection]:
        return iter(tuple(self._networks))

    def admit(self, source: bytes) -> bool:
        """Whether a client at *source* may connect now. When all places are taken, the longest idle one goes."""
        if self._sizes.get(network_of(source), 0) >= self.limits.max_per_source or not self._make_room():
            self.refused += 1
            return False
        return True

    def add(self, connection: Connection) -> None:
        """Count an admitted connection."""
        network = self._networks[connection] = network_of(connection.source)
        self._sizes[network] = self._sizes.get(network, 0) + 1

    def remove(self, connection: Connection) -> None:
        """Forget a connection that is gone; no harm if it is forgotten already."""
        for state in (self.handshaking, self.idle, self.stalled, self.closing):
            state.stop(connection)
        if (network := self._networks.pop(connection, None)) is None:
            return
        self._sizes[network] -= 1
        if not self._sizes[network]:
            del self._sizes[network]
        self.handshakes.leave(connection)
        if not self._networks:
            emptied, self._emptied = self._emptied, []
            for waiter in emptied:
                waiter.callback(None)

    async def close(self) -> None:
        """Close every connection and wait until the last is gone, LINGER seconds at most."""
        for connection in self:
            connection.close()
        if self._networks:
            self._emptied.append(Deferred())
            last_call = self._clock.callLater(LINGER, self._abort_all)
            await self._emptied[-1]
            if last_call.active():
                last_call.cancel()
        for state in (self.handshaking, self.idle, self.stalled, self.closing, self.handshakes):
            state.close()

    def _abort_all(self) -> None:
        for connection in self:
            connection.abort()

    def _make_room(self) -> bool:
        if len(self._networks) < self.limits.max_connections:
            return True
        if (oldest := self.idle.oldest()) is None:
            return False
        self.evicted += 1
        self.remove(oldest)
        oldest.abort()
        return True


def network_of(source: bytes) -> bytes:
    """The first octets of the /24 or /56 of a packed address; mapped addresses are IPv4 (RFC 4291 section 2.5.5.2)."""
    if source.startswith(_MAPPED):
        source = source[len(_MAPPED) :]
    return source[:3] if len(source) == 4 else source[:7]
