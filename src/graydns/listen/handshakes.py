"""Handshakes: how many TLS handshakes run at once, and who waits."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

from graydns.timing import Clock, Deadlines

#: Handshakes that run at once.
MOST = 64

#: Seconds that a handshake keeps its place when others wait. Two round trips are enough for any honest client;
#: without this, as many silent clients as there are places would shut the door for everyone.
PATIENCE = 1.0


class Handshake(Protocol):
    """A connection before its handshake is done."""

    def hold(self) -> None:
        """Do not read on until :meth:`begin`."""

    def begin(self) -> None:
        """Read on."""

    def abort(self) -> None:
        """Drop the connection."""


class Handshakes:
    """At most MOST handshakes at once; the others wait in the order in which they came."""

    def __init__(self, clock: Clock) -> None:
        self._running: Deadlines[Handshake] = Deadlines(clock, PATIENCE, self._overdue)
        self._waiting: OrderedDict[Handshake, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._running)

    def enter(self, handshake: Handshake) -> None:
        """Run *handshake* now, or hold it until a place is free."""
        if len(self._running) < MOST:
            self._running.start(handshake)
        else:
            handshake.hold()
            self._waiting[handshake] = None

    def leave(self, handshake: Handshake) -> None:
        """*handshake* is done, or its connection is gone."""
        self._running.stop(handshake)
        self._waiting.pop(handshake, None)
        self._fill()

    def close(self) -> None:
        """Forget all."""
        self._waiting.clear()
        self._running.close()

    def _overdue(self, handshake: Handshake) -> None:
        if self._waiting:
            handshake.abort()
            self._fill()
        else:
            self._running.start(handshake)

    def _fill(self) -> None:
        while self._waiting and len(self._running) < MOST:
            handshake, _ = self._waiting.popitem(last=False)
            self._running.start(handshake)
            handshake.begin()
