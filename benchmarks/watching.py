"""Watching a change arrive: from when it is made to the first answer that shows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from attrs import define

from benchmarks.asking import Asking
from benchmarks.reload import answering
from tools.process import start
from tools.programs import TWISTD

STABLE, CANARY = bytes((192, 0, 2, 10)), bytes((192, 0, 2, 20))


@define
class Watcher(Asking):
    """*expected*: the address that a change is to bring; *first*: when it came, *late*: other ones after that."""

    expected: bytes = STABLE
    first: float | None = None
    late: int = 0

    def change(self, expected: bytes, make: Callable[[], None]) -> float:
        """Make a change that brings *expected*; seconds until it did. Old answers are looked for a while longer."""
        self.expected, self.first = expected, None
        began = time.monotonic()
        make()
        while self.first is None:
            time.sleep(0.001)
        time.sleep(0.1)
        return self.first - began

    def took(self, reply: bytes, sent: float, now: float) -> None:
        """See what it shows."""
        if self.expected in reply:
            self.first = self.first or now
        elif reply and self.first is not None:
            self.late += 1


@contextmanager
def watched(folder: Path, port: int) -> Iterator[Watcher]:
    """A Watcher of the graydns that is configured in *folder*, served until the end."""
    process = start([*TWISTD, "graydns"], folder)
    try:
        process.wait_until(partial(answering, port), 60)
        watcher = Watcher(port)
        try:
            yield watcher
        finally:
            watcher.stop()
    finally:
        process.stop()


def report(watcher: Watcher, *parts: Iterable[str]) -> None:
    """Print the lines of *parts* as they come, and what became of all queries."""
    for part in parts:
        for line in part:
            print(line, flush=True)
    print(f"{watcher.answers} answers, {watcher.lost} lost, {watcher.late} old ones after a new one")


def told(what: str, taken: list[float]) -> str:
    """How *taken*, in seconds, are spread, for people."""
    taken = sorted(taken)
    half, ninety, most, worst = (taken[round((len(taken) - 1) * part)] * 1000 for part in (0.5, 0.9, 0.99, 1))
    return f"{what}: median {half:.1f} ms, 90 % within {ninety:.1f}, 99 % within {most:.1f}, all within {worst:.1f}"
