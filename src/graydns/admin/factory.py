"""AdminFactory: the connections of the admin interface, and how many there may be."""

from __future__ import annotations

from typing import Any

from twisted.cred.portal import Portal
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.spread import pb

from graydns.admin.broker import AdminBroker, AdminLimits
from graydns.admin.entrance import Entrance
from graydns.admin.root import AdminRoot
from graydns.admin.security import PlainValues
from graydns.admin.turns import Turns


class AdminFactory(pb.PBServerFactory):
    """Makes brokers. When all places are taken, one who has not logged in gives way, then whoever was silent longest;
    nobody who waits for an answer does.
    """

    noisy = False

    def __init__(self, portal: Portal, entrance: Entrance, limits: AdminLimits, reactor: Any) -> None:
        super().__init__(portal, security=PlainValues())  # type: ignore[no-untyped-call]
        self.portal = portal
        self.entrance = entrance
        self.limits = limits
        self.reactor = reactor
        self.turns = Turns(reactor)
        self.refused = 0
        #: Longest silent first.
        self._brokers: dict[AdminBroker, None] = {}

    def __len__(self) -> int:
        return len(self._brokers)

    def buildProtocol(self, addr: Any) -> AdminBroker | None:
        """A broker for a client at *addr*; None closes the connection."""
        source = self.entrance.source(addr)
        if self._crowded(source) or not self._make_room():
            self.refused += 1
            return None
        broker = AdminBroker(self, source)
        broker.setNameForLocal("root", AdminRoot(broker))  # type: ignore[no-untyped-call]
        return broker

    def opened(self, broker: AdminBroker) -> None:
        """It takes a place."""
        self._brokers[broker] = None

    def used(self, broker: AdminBroker) -> None:
        """It was not silent."""
        if broker in self._brokers:
            del self._brokers[broker]
            self._brokers[broker] = None

    def closed(self, broker: AdminBroker) -> None:
        """It left its place."""
        self._brokers.pop(broker, None)

    def close(self) -> None:
        """End every connection."""
        for broker in tuple(self._brokers):
            broker.abort()

    def _crowded(self, source: str) -> bool:
        if not self.entrance.remote:
            return False  # all have one source, and whoever may reach it may do worse
        strangers = sum(broker.source == source and not broker.logged_in for broker in self._brokers)
        return strangers >= self.limits.strangers

    def _make_room(self) -> bool:
        if len(self._brokers) < self.limits.connections:
            return True
        strangers = (broker for broker in self._brokers if not broker.logged_in)
        silent = (broker for broker in self._brokers if not broker.calls)
        if (last := next(strangers, None) or next(silent, None)) is None:
            return False
        self.closed(last)
        last.abort()
        return True


class AdminTlsFactory(TLSMemoryBIOFactory):
    """Twisted's, for a factory that may refuse."""

    def buildProtocol(self, addr: Any) -> Any:
        """The two halves of a connection; None closes it."""
        inner = self.wrappedFactory.buildProtocol(addr)
        return None if inner is None else self.protocol(self, inner)
