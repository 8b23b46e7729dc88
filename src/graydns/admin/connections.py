"""The connections of the admin interface: their limits, which one is closed when there are too many, their turns."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from attrs import define, field, frozen

from graydns.admin.authentication import Authenticator
from graydns.operations.operation import MAX_REQUEST_BYTES


@frozen
class AdminLimits:
    """Limits on what clients of the admin interface may use.

    *connections*: open at once. *unauthenticated*: of these, from one address and not logged in. *calls*: at once, on
    one connection. *login_timeout*, *idle_timeout*: seconds until a connection must be logged in, and without a request
    after that. *request_bytes*, *login_request_bytes*: size of a request, and of all before the login. Perspective
    Broker itself would accept 640 KiB, which delays answers to DNS queries by a third of a second while it is parsed.
    """

    connections: int = 50
    unauthenticated: int = 10
    calls: int = 16
    login_timeout: float = 20.0
    idle_timeout: float = 600.0
    request_bytes: int = MAX_REQUEST_BYTES
    login_request_bytes: int = 16 << 10


class AdminConnection(Protocol):
    """One connection, as AdminConnections sees it. *pending_calls*: calls that are not answered yet."""

    source: str
    logged_in: bool
    pending_calls: int

    def abort(self) -> None:
        """Close the connection at once."""


@define(eq=False)
class CallQueue:
    """The calls of all clients; one is started in each turn of the reactor, so that DNS queries are answered between.

    Its length is limited by ``AdminLimits.connections`` times ``AdminLimits.calls``.
    """

    reactor: Any = field(repr=False)
    _pending: deque[Callable[[], object]] = field(init=False, factory=deque)

    def put(self, call: Callable[[], object]) -> None:
        """Append *call*, which must not raise."""
        self._pending.append(call)
        if len(self._pending) == 1:
            self.reactor.callLater(0, self._run_next)

    def _run_next(self) -> None:
        self._pending[0]()
        self._pending.popleft()
        if self._pending:
            self.reactor.callLater(0, self._run_next)


class AdminConnections:
    """All open connections, and which one is closed when there are too many.

    A new connection closes an old one when ``limits.connections`` are open, or ``limits.unauthenticated`` of its own
    address that are not logged in: the oldest that is not logged in, else the one that has been silent longest. So
    connections that are held open keep no operator out. A logged-in connection with a call that is not answered yet is
    never closed for another.
    """

    def __init__(self, authenticator: Authenticator, limits: AdminLimits, reactor: Any) -> None:
        self.authenticator = authenticator
        self.limits = limits
        self.reactor = reactor
        self.call_queue = CallQueue(reactor)
        #: The one silent for longest is first.
        self._connections: dict[AdminConnection, None] = {}

    def __len__(self) -> int:
        return len(self._connections)

    def make_room(self, source: str) -> bool:
        """Whether a connection from *source* is accepted; closes another one for it if needed."""
        own = [each for each in self._connections if each.source == source and not each.logged_in]
        # On a Unix socket all share one source, and a user who may open the socket could do worse.
        if self.authenticator.is_remote and len(own) >= self.limits.unauthenticated:
            self._evict(own[0])
            return True
        if len(self._connections) < self.limits.connections:
            return True
        unauthenticated = (each for each in self._connections if not each.logged_in)
        idle = (each for each in self._connections if not each.pending_calls)
        if (evicted := next(unauthenticated, None) or next(idle, None)) is None:
            return False
        self._evict(evicted)
        return True

    def add(self, connection: AdminConnection) -> None:
        """Count *connection* until :meth:`remove`."""
        self._connections[connection] = None

    def mark_active(self, connection: AdminConnection) -> None:
        """Record that *connection* sent a request."""
        if connection in self._connections:
            del self._connections[connection]
            self._connections[connection] = None

    def remove(self, connection: AdminConnection) -> None:
        """Count *connection* no longer."""
        self._connections.pop(connection, None)

    def abort_all(self) -> None:
        """Close every connection at once."""
        for connection in tuple(self._connections):
            connection.abort()

    def _evict(self, connection: AdminConnection) -> None:
        self.remove(connection)
        connection.abort()
