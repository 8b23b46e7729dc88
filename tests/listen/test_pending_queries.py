from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import LogEvent, globalLogPublisher

from graydns.listen.pending_queries import PendingQueries


async def waiting(on: Deferred[bytes | None]) -> bytes | None:
    return await on


def test_an_answer_is_delivered_and_counted_off() -> None:
    """A miss counts until its reply is there."""
    misses, got, answer = PendingQueries(), list[bytes | None](), Deferred[bytes | None]()
    misses.start(waiting(answer), got.append)
    assert (len(misses), got) == (1, [])
    answer.callback(b"reply")
    assert (len(misses), got) == (0, [b"reply"])


def test_an_answer_that_is_ready_at_once_is_delivered_at_once() -> None:
    """A coroutine that does not wait leaves nothing behind."""
    misses, got = PendingQueries(), list[bytes | None]()

    async def ready() -> bytes:
        return b"reply"

    misses.start(ready(), got.append)
    assert (len(misses), got) == (0, [b"reply"])


def test_cancelling_reaches_what_is_waited_for_and_delivers_nothing() -> None:
    """What is cancelled is told so, even if it then answers all the same."""
    misses, got, seen = PendingQueries(), list[bytes | None](), list[str]()

    async def stubborn() -> bytes:
        try:
            await Deferred[None]()
        except CancelledError:
            seen.append("cancelled")
        return b"reply"

    misses.start(stubborn(), got.append)
    misses.cancel()
    assert (len(misses), got, seen) == (0, [], ["cancelled"])


def test_an_error_is_logged_once_and_delivered_as_silence(request: pytest.FixtureRequest) -> None:
    """A front that raises is a bug; it shows in the log, and the listener goes on."""
    events: list[LogEvent] = []
    observer: Any = events.append
    globalLogPublisher.addObserver(observer)
    request.addfinalizer(lambda: globalLogPublisher.removeObserver(observer))
    misses, got, answer = PendingQueries(), list[bytes | None](), Deferred[bytes | None]()
    misses.start(waiting(answer), got.append)
    answer.errback(RuntimeError("boom"))
    assert got == [None]
    assert ["boom" in str(event["log_failure"]) for event in events] == [True]
