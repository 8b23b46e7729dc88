"""Threads for long work: bounded, whoever comes and goes."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

import pytest
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from graydns.model.errors import Overloaded
from graydns.resolve.workers import MOST, THREADS, Workers
from tests.coroutines import on_reactor
from tests.txconsul.running import until


def begin(workers: Workers, work: Callable[[], object]) -> Deferred[object]:
    return Deferred.fromCoroutine(workers.run(work))


def ended(failure: Failure) -> None:
    failure.trap(CancelledError)  # type: ignore[no-untyped-call]


@on_reactor
async def test_what_work_gives_or_raises() -> None:
    workers = Workers(reactor)
    assert await begin(workers, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await begin(workers, lambda: 1 // 0)
    assert (workers.waiting, workers.taken, workers.refused) == (0, 2, 0)


@on_reactor
async def test_who_leaves_makes_no_room_for_more() -> None:
    """A client that hangs up leaves its piece in the queue until it is its turn, and then it is not done."""
    workers, go, done = Workers(reactor), Event(), []
    running = [begin(workers, go.wait) for _ in range(THREADS)]
    left = [begin(workers, lambda: done.append(1)) for _ in range(MOST - THREADS)]
    for each in left:
        each.addErrback(ended)
        each.cancel()
    assert workers.waiting == MOST
    with pytest.raises(Overloaded):
        await begin(workers, lambda: None)
    go.set()
    for each in running:
        assert await each
    await until(lambda: not workers.waiting)
    assert done == []
    assert await begin(workers, lambda: 1) == 1
    assert workers.refused == 1
