"""Misses: the queries of one door or connection that the pipeline is working on."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

DeliverReply = Callable[[bytes | None], None]
ReplyCoroutine = Coroutine[Deferred[Any], Any, bytes | None]


class PendingQueries:
    """Starts, counts and cancels answers that take their time."""

    __slots__ = ("_running",)

    def __init__(self) -> None:
        self._running: set[_PendingQuery] = set()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, resolving: ReplyCoroutine, deliver: DeliverReply) -> None:
        """Call *deliver* with the reply once *resolving* has it; None: there is none to send."""
        miss = _PendingQuery(self._running, resolving, deliver)
        self._running.add(miss)
        miss.resume(None)

    def cancel(self) -> None:
        """Cancel all; what they still say is not delivered."""
        running = tuple(self._running)
        self._running.clear()
        for miss in running:
            miss.cancel()


class _PendingQuery:
    """Runs one coroutine to its end, from one Deferred that it awaits to the next.

    ``Deferred.fromCoroutine`` would do, at ten times the cost: it makes a Deferred for a result that only *deliver*
    wants, and a context of variables that nothing here reads.
    """

    __slots__ = ("_awaited", "_deliver", "_resolving", "_running")

    _log = Logger()

    def __init__(self, running: set[_PendingQuery], resolving: ReplyCoroutine, deliver: DeliverReply) -> None:
        self._running, self._resolving, self._deliver = running, resolving, deliver
        self._awaited: Deferred[Any] | None = None

    def resume(self, result: Any) -> None:
        """Run up to the next Deferred; *result* is that of the last one, which the coroutine takes out itself."""
        try:
            if isinstance(result, Failure):
                self._awaited = result.throwExceptionIntoGenerator(self._resolving)
            else:
                self._awaited = self._resolving.send(None)
        except StopIteration as end:
            self._finish(end.value)
        except Exception as error:
            if self in self._running:
                self._log.failure("a query ended without an answer")
            # Its traceback leads back to it through every frame up to the reactor, which keeps all of them.
            error.__traceback__ = None
            self._finish(None)
        else:
            self._awaited.addBoth(self.resume)

    def cancel(self) -> None:
        """Cancel what is awaited."""
        if self._awaited is not None:
            self._awaited.cancel()

    def _finish(self, reply: bytes | None) -> None:
        self._awaited = None
        if self in self._running:
            self._running.remove(self)
            self._deliver(reply)
