"""What is put is written, in order, by a thread of its own; what the disk does not take is told once it does."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from twisted.internet.task import Clock

from graydns.audit.audit_log import AuditLog, AuditLogBounds
from graydns.audit.hmac_chain import HmacChain
from graydns.audit.line_queue import LineQueue
from graydns.audit.line_writer import AuditWriter


def until(condition: Callable[[], bool]) -> None:
    """Return once it holds."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def open_writer(folder: Path, most: int = 10_000, **intervals: float) -> AuditWriter[int]:
    """A writer of numbers, not begun. *intervals*: as AuditWriter takes them."""
    log = AuditLog(folder / "a", HmacChain(bytes(32)), lambda: 0.0, lambda: AuditLogBounds(1 << 20, 100))
    queue: LineQueue[int] = LineQueue(Clock(), False, max_lines=most)
    return AuditWriter(log, queue, lambda item: b'"item":%d' % item, lambda: 1_700_000_000.0, **intervals)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "a").read_bytes().splitlines()]


def test_all_is_written_in_order(tmp_path: Path) -> None:
    """While changes are written by other threads; when it has ended, nothing is left."""
    writer = open_writer(tmp_path)
    writer.start()

    def change() -> None:
        for _ in range(20):
            writer.log.write("uid:0", "act", "t", None, None, "unix", None)

    other = Thread(target=change)
    other.start()
    for number in range(5000):
        assert writer.queue.put(number) is None
    other.join()
    writer.stop()
    assert [line["item"] for line in lines(tmp_path) if "item" in line] == list(range(5000))
    assert (writer.written, writer.lost, len(writer.queue)) == (5000, 0, 0)
    found = writer.log.verify()
    assert (found["ok"], found["lines"]) == (True, 5020)


def test_it_wakes_for_one_line(tmp_path: Path) -> None:
    """A line need not wait for others, whenever it comes."""
    writer = open_writer(tmp_path)
    writer.start()
    for number in range(3):
        writer.queue.put(number)
        until(lambda number=number: writer.written == number + 1)  # type: ignore[misc]
    writer.stop()


def test_a_full_queue_leaves_a_line(tmp_path: Path) -> None:
    """In the chain, where the lines would stand."""
    writer = open_writer(tmp_path, most=2)
    for number in range(6):
        writer.queue.put(number)
    writer.start()
    writer.stop()
    line = lines(tmp_path)[2]
    assert [line.get("item") for line in lines(tmp_path)] == [0, 1, None]
    assert (line["dropped"], line["where"], line["timestamp"]) == (4, "queue", "2023-11-14T22:13:20.000Z")
    assert writer.log.verify()["dropped"] == 4


def test_an_item_of_which_no_line_can_be_made(tmp_path: Path) -> None:
    """It is told in its place, and the others are written."""
    writer = open_writer(tmp_path)
    writer.form = lambda item: b'"item":%d' % (6 // item)
    for number in (1, 0, 2):
        writer.queue.put(number)
    writer.start()
    writer.stop()
    assert [line.get("item", line.get("where")) for line in lines(tmp_path)] == [6, "failure", 3]
    assert (writer.written, writer.lost) == (2, 1)


def test_a_full_disk_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are dropped and counted, those that were dropped before too; then it goes on."""
    writer = open_writer(tmp_path, most=2)
    writer.queue.put(0)
    writer.start()
    until(lambda: writer.written == 1)
    real = os.write

    def full(file: int, data: bytes) -> int:
        if file == writer.log._file:
            raise OSError(28, "No space left on device")
        return real(file, data)

    monkeypatch.setattr(os, "write", full)
    for number in range(1, 6):
        writer.queue.put(number)
    until(lambda: writer.lost + writer.queue.dropped == 5)
    monkeypatch.undo()
    writer.queue.put(6)
    writer.stop()
    after = lines(tmp_path)[1:]
    assert after[0]["where"] == "disk"
    assert (sum(line.get("dropped", 0) for line in after), after[-1]["item"]) == (5, 6)
    found = writer.log.verify()
    assert (found["ok"], found["dropped"], writer.written, writer.log.failures) == (True, 5, 2, 0)


def test_the_head_follows_without_an_end(tmp_path: Path) -> None:
    """What a server that was killed had written some seconds before cannot be cut off unseen, the last lines before a
    rest included."""
    writer = open_writer(tmp_path, sync_interval=0.1, head_interval=0.15)

    def told() -> int:
        number: int = json.loads((tmp_path / "a.head").read_bytes())["number"]
        return number

    assert told() == 0
    writer.start()
    for number in range(3):
        writer.queue.put(number)
        until(lambda number=number: writer.written == number + 1)  # type: ignore[misc]
        until(lambda number=number: told() == number + 1)  # type: ignore[misc]
    writer.stop()


def test_the_head_follows_while_there_is_no_rest(tmp_path: Path) -> None:
    """Lines that come faster than they are written keep nothing from the disk."""
    writer = open_writer(tmp_path, sync_interval=0.1, head_interval=0.15)
    coming = True

    def form(item: int) -> bytes:
        if coming:
            writer.queue.put(item + 1)
        return b'"item":%d' % item

    writer.form = form
    writer.queue.put(0)
    writer.start()
    until(lambda: json.loads((tmp_path / "a.head").read_bytes())["number"] > 100)
    coming = False
    writer.stop()
