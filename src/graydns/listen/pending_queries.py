"""The queries of one UDP socket or one connection that are in the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from graydns.runtime.garbage import drop_tracebacks

DeliverReply = Callable[[bytes | None], None]
ReplyCoroutine = Coroutine[Deferred[Any], Any, bytes | None]


class PendingQueries:
    """Starts, counts and cancels queries in the pipeline."""

    __slots__ = ("_running",)

    def __init__(self) -> None:
        self._running: set[_PendingQuery] = set()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, resolving: ReplyCoroutine, deliver: DeliverReply) -> None:
        """Call *deliver* with the result of *resolving*: the reply, None if none is to be sent."""
        query = _PendingQuery(self._running, resolving, deliver)
        self._running.add(query)
        query.resume(None)

    def cancel(self) -> None:
        """Cancel all; their replies are not delivered."""
        running = tuple(self._running)
        self._running.clear()
        for query in running:
            query.cancel()


class _PendingQuery:
    """Runs one coroutine to its end, from each awaited Deferred to the next.

    ``Deferred.fromCoroutine`` would do the same at ten times the cost: it makes a Deferred for a result that only
    *deliver* uses, and a copy of the context variables, which nothing here reads.
    """

    __slots__ = ("_awaited", "_deliver", "_resolving", "_running")

    _log = Logger()

    def __init__(self, running: set[_PendingQuery], resolving: ReplyCoroutine, deliver: DeliverReply) -> None:
        self._running, self._resolving, self._deliver = running, resolving, deliver
        self._awaited: Deferred[Any] | None = None

    def resume(self, result: Any) -> None:
        """Run up to the next Deferred; *result* is that of the last one: a failure is raised in the coroutine."""
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
            drop_tracebacks(error)
            self._finish(None)
        else:
            self._awaited.addBoth(self.resume)

    def cancel(self) -> None:
        """Cancel the awaited Deferred."""
        if self._awaited is not None:
            self._awaited.cancel()

    def _finish(self, reply: bytes | None) -> None:
        self._awaited = None
        if self in self._running:
            self._running.remove(self)
            self._deliver(reply)
