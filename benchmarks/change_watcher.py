"""The delay of a change: from when it is made to the first answer that shows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from attrs import define

from benchmarks.query_loop import QueryLoop
from benchmarks.reload import answering
from tools.process import start
from tools.programs import TWISTD

STABLE, CANARY = bytes((192, 0, 2, 10)), bytes((192, 0, 2, 20))


@define
class ChangeWatcher(QueryLoop):
    """*expected*: the address after the change; *first*: when it came; *late*: old answers after that."""

    expected: bytes = STABLE
    first: float | None = None
    late: int = 0

    def change(self, expected: bytes, make: Callable[[], None]) -> float:
        """Make a change to *expected*; seconds until it is in the answers. Old answers are counted a while longer."""
        self.expected, self.first = expected, None
        began = time.monotonic()
        make()
        while self.first is None:
            time.sleep(0.001)
        time.sleep(0.1)
        return self.first - began

    def on_reply(self, reply: bytes, sent: float, now: float) -> None:
        """Note when the expected address comes, and old ones after it."""
        if self.expected in reply:
            self.first = self.first or now
        elif reply and self.first is not None:
            self.late += 1


@contextmanager
def watch_changes(folder: Path, port: int) -> Iterator[ChangeWatcher]:
    """A ChangeWatcher of the graydns that is configured in *folder*, served until the end."""
    process = start([*TWISTD, "graydns"], folder)
    try:
        process.wait_until(partial(answering, port), 60)
        watcher = ChangeWatcher(port)
        try:
            yield watcher
        finally:
            watcher.stop()
    finally:
        process.stop()


def report(watcher: ChangeWatcher, *parts: Iterable[str]) -> None:
    """Print the lines of *parts* as they come, and the totals."""
    for part in parts:
        for line in part:
            print(line, flush=True)
    print(f"{watcher.answers} answers, {watcher.lost} lost, {watcher.late} old ones after a new one")


def format_delays(what: str, taken: list[float]) -> str:
    """A line with the percentiles of *taken* (seconds)."""
    taken = sorted(taken)
    half, ninety, most, worst = (taken[round((len(taken) - 1) * part)] * 1000 for part in (0.5, 0.9, 0.99, 1))
    return f"{what}: median {half:.1f} ms, 90 % within {ninety:.1f}, 99 % within {most:.1f}, all within {worst:.1f}"
