"""Leaving: how a server goes without leaving anybody unanswered.

::

    SIGTERM ─► not ready ─ shutdown_delay ─► doors accept nothing more ─ DRAIN at most ─► everything stops
                 still answering                 answering what is pending
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred

from graydns.listen.service import Doors

#: Seconds that pending answers get; with the two that closing connections take at most, it is over within five.
DRAIN = 2.5


class Leaving(MultiService):
    """A service whose end comes in order. *leaving*: told first; *delay*: gives the seconds to go on answering."""

    def __init__(self, doors: Doors, leaving: Callable[[], None], delay: Callable[[], float], reactor: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._doors_to_drain = doors
        self._tell = leaving
        self._delay = delay
        self._clock = reactor

    def stopService(self) -> Deferred[None]:
        """Leave; fires when everything has stopped."""
        return Deferred.fromCoroutine(self._leave())

    async def _leave(self) -> None:
        self._tell()
        if delay := self._delay():
            waited: Deferred[None] = Deferred()
            self._clock.callLater(delay, lambda: waited.callback(None))
            await waited
        await self._doors_to_drain.drain(DRAIN)
        stopped = super().stopService()  # type: ignore[no-untyped-call]
        if isinstance(stopped, Deferred):
            await stopped
