"""Workers: threads for work that is too long to be done between two queries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from graydns.model.errors import Overloaded

T = TypeVar("T")

#: Threads, and pieces of work that may wait for one.
THREADS, MOST = 2, 64


@define(eq=False)
class Workers:
    """A bounded queue in front of a few threads, which start with the first piece of work, and end with the reactor.

    *waiting*: pieces of work that are not done, whether or not somebody still wants them; *taken*, *refused*: those
    since the start that were put into the queue, and those for which it had no room.
    """

    _reactor: Any = field(repr=False)
    _pool: ThreadPool | None = field(init=False, default=None, repr=False)
    waiting: int = field(init=False, default=0)
    taken: int = field(init=False, default=0)
    refused: int = field(init=False, default=0)

    async def run(self, work: Callable[[], T]) -> T:
        """What *work*, done in a thread, gives or raises. Raises Overloaded where too much waits already."""
        if self.waiting >= MOST:
            self.refused += 1
            raise Overloaded("too many signatures wait to be checked")
        if self._pool is None:
            self._pool = ThreadPool(0, THREADS, "graydns-workers")
            self._pool.start()
            self._reactor.addSystemEventTrigger("during", "shutdown", self._pool.stop)
        waiter: Deferred[T] = Deferred()

        def piece() -> T | None:
            return None if waiter.called else work()  # whoever wanted it may have left meanwhile

        def ended(success: bool, result: T | Failure | None) -> None:
            self._reactor.callFromThread(self._end, waiter, result)

        self.taken += 1
        self.waiting += 1
        self._pool.callInThreadWithCallback(ended, piece)
        return await waiter

    def _end(self, waiter: Deferred[Any], result: object) -> None:
        self.waiting -= 1
        if not waiter.called:
            waiter.callback(result)
