"""Turns: calls of all clients, one for each turn of the reactor, so that queries are answered between any two.

AdminFactory: the connections of the admin interface, and how many there may be.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.cred.portal import Portal

from graydns.admin.authenticators import Authenticator
from graydns.admin.broker import AdminBroker, AdminLimits, AdminRoot
from graydns.admin.pb_security import AdminSecurityOptions
from graydns.runtime.twisted_types import PBServerFactory, TLSMemoryBIOFactory


@define(eq=False)
class CallQueue:
    """A queue; who puts something in bounds it."""

    reactor: Any = field(repr=False)
    _pending: deque[Callable[[], object]] = field(init=False, factory=deque)

    def put(self, call: Callable[[], object]) -> None:
        """Let *call*, which raises nothing, have a turn."""
        self._pending.append(call)
        if len(self._pending) == 1:
            self.reactor.callLater(0, self._run_next)

    def _run_next(self) -> None:
        self._pending[0]()
        self._pending.popleft()
        if self._pending:
            self.reactor.callLater(0, self._run_next)


class AdminFactory(PBServerFactory):
    """Makes brokers. When all places are taken, one who has not logged in gives way, then whoever was silent longest;
    nobody who waits for an answer does.
    """

    noisy = False

    def __init__(self, portal: Portal, entrance: Authenticator, limits: AdminLimits, reactor: Any) -> None:
        super().__init__(portal, security=AdminSecurityOptions())
        self.portal = portal
        self.authenticator = entrance
        self.limits = limits
        self.reactor = reactor
        self.call_queue = CallQueue(reactor)
        self.refused_connections = 0
        #: Longest silent first.
        self._brokers: dict[AdminBroker, None] = {}

    def __len__(self) -> int:
        return len(self._brokers)

    def buildProtocol(self, addr: Any) -> AdminBroker | None:
        """A broker for a client at *addr*; None closes the connection."""
        source = self.authenticator.format_source(addr)
        if self._exceeds_source_limit(source) or not self._evict_connection():
            self.refused_connections += 1
            return None
        broker = AdminBroker(self, source)
        broker.setNameForLocal("root", AdminRoot(broker))
        return broker

    def add_connection(self, broker: AdminBroker) -> None:
        """It takes a place."""
        self._brokers[broker] = None

    def mark_active(self, broker: AdminBroker) -> None:
        """It was not silent."""
        if broker in self._brokers:
            del self._brokers[broker]
            self._brokers[broker] = None

    def remove_connection(self, broker: AdminBroker) -> None:
        """It left its place."""
        self._brokers.pop(broker, None)

    def abort_connections(self) -> None:
        """End every connection."""
        for broker in tuple(self._brokers):
            broker.abort()

    def _exceeds_source_limit(self, source: str) -> bool:
        if not self.authenticator.is_remote:
            return False  # all have one source, and whoever may reach it may do worse
        strangers = sum(broker.source == source and not broker.logged_in for broker in self._brokers)
        return strangers >= self.limits.unauthenticated

    def _evict_connection(self) -> bool:
        if len(self._brokers) < self.limits.connections:
            return True
        strangers = (broker for broker in self._brokers if not broker.logged_in)
        silent = (broker for broker in self._brokers if not broker.pending_calls)
        if (last := next(strangers, None) or next(silent, None)) is None:
            return False
        self.remove_connection(last)
        last.abort()
        return True


class AdminTlsFactory(TLSMemoryBIOFactory):
    """Twisted's, for a factory that may refuse."""

    def buildProtocol(self, addr: Any) -> Any:
        """The two halves of a connection; None closes it."""
        inner = self.wrappedFactory.buildProtocol(addr)
        return None if inner is None else self.protocol(self, inner)
