"""The queue is bounded; what finds no room is counted, or waits for it."""

from __future__ import annotations

from collections import deque
from threading import Event, Lock, Thread, current_thread, main_thread
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from graydns.audit import line_queue as module
from graydns.audit.line_queue import MAX_WAIT_SECONDS, DroppedLines, LineQueue


class Turning(Clock):
    """A clock whose calls from threads come at once."""

    def callFromThread(self, call: Any, *arguments: Any) -> None:
        call(*arguments)


def plain(taken: list[int | DroppedLines]) -> list[int | str]:
    return [f"-{item.count}" if isinstance(item, DroppedLines) else item for item in taken]


def test_what_finds_no_room_has_its_place() -> None:
    """Where lines are missing stands how many, each time anew."""
    queue: LineQueue[int] = LineQueue(Turning(), False, max_lines=3)
    assert [queue.put(number) for number in range(5)] == [None] * 5
    assert plain(queue.take(2)) == [0, 1]
    for number in range(5, 9):
        queue.put(number)
    assert plain(queue.take(9)) == [2, "-2", 5, "-3"]
    queue.put(9)
    assert plain(queue.take(9)) == [9]
    assert (queue.dropped, len(queue)) == (5, 0)


def test_a_place_that_was_taken_counts_no_more() -> None:
    """Lines dropped after it have a place of their own, so none is counted twice or not at all."""
    queue: LineQueue[int] = LineQueue(Turning(), False, max_lines=0)
    queue.put(0)
    (first,) = queue.take(1)
    queue.put(1)
    queue.put(2)
    assert plain([first, *queue.take(9)]) == ["-1", "-2"]


def test_nothing_is_taken_while_a_line_is_dropped() -> None:
    """The last item is not looked at when the other thread has just taken it, and no count grows behind its back."""
    looked, stopped = [], Event()

    class Stopping:
        """The queue's lock, which tells when the other thread waits for it."""

        def __init__(self) -> None:
            self.lock = Lock()

        def __enter__(self) -> None:
            if current_thread() is not main_thread():
                stopped.set()
            self.lock.acquire()

        def __exit__(self, *_: object) -> None:
            self.lock.release()

    def take() -> None:
        taken.extend(queue.take(9))
        stopped.set()

    class Watched(deque[int | DroppedLines]):
        """Has the other thread take as soon as the last item is looked at, as far as it gets."""

        def __getitem__(self, at: Any) -> Any:
            looked.append(at)
            thread.start()
            assert stopped.wait(60)
            return super().__getitem__(at)

    queue: LineQueue[int] = LineQueue(Turning(), False, max_lines=1)
    taken: list[int | DroppedLines] = []
    thread = Thread(target=take)
    queue._items, queue._lock = Watched(), Stopping()  # type: ignore[assignment]
    queue.put(0)
    queue.put(1)
    thread.join()
    assert looked == [-1]
    assert plain([*taken, *queue.take(9)]) == [0, "-1"]


def test_askers_wait_for_room_in_their_order() -> None:
    """Whoever comes while others wait waits behind them."""
    clock = Turning()
    woken: list[int] = []
    queue: LineQueue[int] = LineQueue(clock, True, wake=lambda: woken.append(1), max_lines=2)
    waiting = [queue.put(number) for number in range(5)]
    assert waiting[:2] == [None, None]
    assert not any(room.called for room in waiting[2:] if room is not None)
    assert plain(queue.take(1)) == [0]
    assert [room.called for room in waiting[2:] if room is not None] == [True, False, False]
    late = queue.put(5)
    assert late is not None
    assert plain(queue.take(9)) == [1, 2]
    assert plain(queue.take(9)) == [3, 4]
    assert plain(queue.take(9)) == [5]
    assert late.called
    assert queue.dropped == 0
    assert not clock.getDelayedCalls()
    assert woken


def test_nobody_waits_for_ever() -> None:
    """After a while the line is dropped and the asker has his answer."""
    clock = Turning()
    queue: LineQueue[int] = LineQueue(clock, True, max_lines=1)
    queue.put(0)
    room = queue.put(1)
    clock.advance(MAX_WAIT_SECONDS)
    assert isinstance(room, Deferred)
    assert room.called
    assert plain(queue.take(9)) == [0, "-1"]


def test_not_too_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past a bound lines are dropped."""
    monkeypatch.setattr(module, "MAX_WAITING_QUERIES", 2)
    queue: LineQueue[int] = LineQueue(Turning(), True, max_lines=1)
    assert [queue.put(number) is None for number in range(5)] == [True, False, False, True, True]
    assert queue.dropped == 2


def test_the_line_of_an_asker_who_left_is_written() -> None:
    """His answer was validated all the same."""
    queue: LineQueue[int] = LineQueue(Turning(), True, max_lines=1)
    queue.put(0)
    room = queue.put(1)
    assert room is not None
    room.addErrback(lambda _: None)
    room.cancel()
    assert plain(queue.take(1)) == [0]
    assert plain(queue.take(1)) == [1]
