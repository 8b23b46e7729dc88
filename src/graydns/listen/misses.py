"""Misses: the queries of one door or connection that the pipeline is working on."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

Deliver = Callable[[bytes | None], None]


class Misses:
    """Starts, counts and cancels answers that take their time."""

    __slots__ = ("_running",)

    _log = Logger()

    def __init__(self) -> None:
        self._running: dict[Deferred[bytes | None], Deliver] = {}

    def __len__(self) -> int:
        return len(self._running)

    def start(self, resolving: Coroutine[Any, Any, bytes | None], deliver: Deliver) -> None:
        """Call *deliver* with the reply once *resolving* has it; None: there is none to send."""
        running = Deferred.fromCoroutine(resolving)
        self._running[running] = deliver
        running.addBoth(self._ended, running)

    def cancel(self) -> None:
        """Cancel all; what they still say is not delivered."""
        running, self._running = tuple(self._running), {}
        for each in running:
            each.cancel()

    def _ended(self, result: bytes | Failure | None, running: Deferred[bytes | None]) -> None:
        deliver = self._running.pop(running, None)
        reply = None if isinstance(result, Failure) else result
        if isinstance(result, Failure):
            if deliver is not None:
                self._log.failure("a query ended without an answer", result)
            # Its traceback leads back to it through every frame up to the reactor, which keeps all of them.
            result.tb = result.value.__traceback__ = None  # type: ignore[union-attr]  # a Failure has a value
        if deliver is not None:
            deliver(reply)
