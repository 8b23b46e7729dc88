"""Processes that end: real servers started for a test or a measurement, each stopped by its own process id."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

#: Seconds between two looks at something that has no event to wait for.
GLANCE = 0.02


class NotReady(Exception):
    """A process ended or stayed silent instead of becoming ready; the text has the end of its log."""


@frozen
class Process:
    """A started program, its output going to the file *log*."""

    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """The process id; the program was started directly, so it is the server's own."""
        return self.popen.pid

    def wait_until(self, ready: Callable[[], bool], seconds: float = 20.0) -> None:
        """Return once *ready* says so; raise NotReady when the process ends before that or time is up."""
        deadline = time.monotonic() + seconds
        while not ready():
            self.must_run()
            if time.monotonic() > deadline:
                raise NotReady(f"{self._name()} is not ready after {seconds:g} s\n{self.tail()}")
            time.sleep(GLANCE)

    def must_run(self) -> None:
        """Raise NotReady when it has ended."""
        if self.popen.poll() is not None:
            raise NotReady(f"{self._name()} ended with status {self.popen.returncode}\n{self.tail()}")

    def stop(self, seconds: float = 5.0) -> int:
        """Ask it to end, insist after *seconds*; its exit status."""
        if self.popen.poll() is None:
            self.popen.terminate()
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            return self.popen.wait(seconds)

    def tail(self, lines: int = 20) -> str:
        """The last lines that it printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _name(self) -> str:
        return Path(str(self.popen.args[0] if isinstance(self.popen.args, list) else self.popen.args)).name


def start(
    command: Sequence[str], folder: Path, *, core: int | None = None, environment: Mapping[str, str] | None = None
) -> Process:
    """Start *command* in *folder*, on processor *core* if one is given; its output goes to ``NAME.log`` there."""
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("ab") as output, on_core(core):
        popen = subprocess.Popen(
            list(command),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
        )
    return Process(popen, log)


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """What is started inside runs on processor *core* only; None pins nothing."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
