"""Worker threads for long computations, and a limiter that lets other queries run between validations."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from graydns.model.errors import OverloadedError

ResultT = TypeVar("ResultT")

#: Threads, and jobs that may wait for one.
MAX_WORKER_THREADS, MAX_QUEUED_JOBS = 2, 64


@define(eq=False)
class WorkerPool:
    """A bounded queue in front of a few threads, which start with the first job and end with the reactor.

    *pending*: jobs that are not done, also those whose caller was cancelled. *accepted*, *refused*: jobs since start
    that were queued, and for which the queue had no room.
    """

    _reactor: Any = field(repr=False)
    _pool: ThreadPool | None = field(init=False, default=None, repr=False)
    pending: int = field(init=False, default=0)
    accepted: int = field(init=False, default=0)
    refused: int = field(init=False, default=0)

    async def run(self, work: Callable[[], ResultT]) -> ResultT:
        """Call *work* in a thread: its result, or what it raises. Raises OverloadedError if the queue is full."""
        if self.pending >= MAX_QUEUED_JOBS:
            self.refused += 1
            raise OverloadedError("too many signatures wait to be checked")
        if self._pool is None:
            self._pool = ThreadPool(0, MAX_WORKER_THREADS, "graydns-workers")
            self._pool.start()
            self._reactor.addSystemEventTrigger("during", "shutdown", self._pool.stop)
        waiter: Deferred[ResultT] = Deferred()

        def piece() -> ResultT | None:
            return None if waiter.called else work()  # the caller may have been cancelled meanwhile

        def ended(success: bool, result: ResultT | Failure | None) -> None:
            self._reactor.callFromThread(self._finish, waiter, result)

        self.accepted += 1
        self.pending += 1
        self._pool.callInThreadWithCallback(ended, piece)
        return await waiter

    def _finish(self, waiter: Deferred[Any], result: object) -> None:
        self.pending -= 1
        if not waiter.called:
            waiter.callback(result)


#: Seconds of work in one turn of the reactor, after which what is left of it waits for the next one.
MAX_TURN_SECONDS = 0.005


@define(eq=False)
class TurnLimiter:
    """Limits the work of a turn: each piece of work, which is short, waits for :meth:`pause` first. *clock*: monotonic
    seconds."""

    _reactor: Any = field(repr=False)
    _clock: Callable[[], float] = field(repr=False)
    #: When the first piece of this turn began.
    _turn_started: float | None = field(init=False, default=None)
    _waiting: deque[Deferred[None]] = field(init=False, factory=deque, repr=False)

    async def pause(self) -> None:
        """Wait for another turn, if there has been enough work in this one."""
        now = self._clock()
        if self._turn_started is None:
            self._turn_started = now
            self._reactor.callLater(0, self._next_turn)
        elif self._waiting or now - self._turn_started >= MAX_TURN_SECONDS:
            turn: Deferred[None] = Deferred()
            self._waiting.append(turn)
            await turn

    def _next_turn(self) -> None:
        if not self._waiting:
            self._turn_started = None
            return
        self._turn_started = self._clock()
        self._reactor.callLater(0, self._next_turn)
        while self._waiting and self._clock() - self._turn_started < MAX_TURN_SECONDS:
            turn = self._waiting.popleft()
            if not turn.called:  # cancelled
                turn.callback(None)
