"""Threads for long work: bounded, whoever comes and goes."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

import pytest
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from graydns.model.errors import OverloadedError
from graydns.resolve.workers import MAX_QUEUED_JOBS, MAX_WORKER_THREADS, WorkerPool
from tests.coroutines import on_reactor
from tests.txconsul.running import until


def begin(workers: WorkerPool, work: Callable[[], object]) -> Deferred[object]:
    return Deferred.fromCoroutine(workers.run(work))


def ended(failure: Failure) -> None:
    failure.trap(CancelledError)


@on_reactor
async def test_what_work_gives_or_raises() -> None:
    workers = WorkerPool(reactor)
    assert await begin(workers, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await begin(workers, lambda: 1 // 0)
    assert (workers.pending, workers.accepted, workers.refused) == (0, 2, 0)


@on_reactor
async def test_who_leaves_makes_no_room_for_more() -> None:
    """A client that hangs up leaves its piece in the queue until it is its turn, and then it is not done."""
    workers, go, done = WorkerPool(reactor), Event(), []
    running = [begin(workers, go.wait) for _ in range(MAX_WORKER_THREADS)]
    left = [begin(workers, lambda: done.append(1)) for _ in range(MAX_QUEUED_JOBS - MAX_WORKER_THREADS)]
    for each in left:
        each.addErrback(ended)
        each.cancel()
    assert workers.pending == MAX_QUEUED_JOBS
    with pytest.raises(OverloadedError):
        await begin(workers, lambda: None)
    go.set()
    for each in running:
        assert await each
    await until(lambda: not workers.pending)
    assert done == []
    assert await begin(workers, lambda: 1) == 1
    assert workers.refused == 1
