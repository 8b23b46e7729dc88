"""The child process that reads configuration while graydns serves."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor as installed
from twisted.internet.defer import CancelledError, Deferred

from graydns.model.errors import ConfigError
from graydns.sources import aside, frames
from graydns.sources.examine import Job
from graydns.sources.frames import Listing, MainRead
from tests.coroutines import on_reactor

reactor: Any = installed


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / "graydns.yaml").write_text("zones: null\n")
    return Job(tmp_path / "graydns.yaml")


@on_reactor
async def test_the_reactor_goes_on(job: Job) -> None:
    """It is given back while the child works, and the frames are those of the blocking way."""
    turns: list[Any] = []

    def turn() -> None:
        turns.append(reactor.callLater(0.001, turn))

    turn()
    with await aside.run_aside(reactor, job) as said:
        found = list(frames.read(said))
    turns[-1].cancel()
    assert len(turns) > 10
    with aside.run(job) as said:
        here = list(frames.read(said))
    assert [type(frame) for frame in found] == [type(frame) for frame in here] == [MainRead, Listing]


@on_reactor
async def test_a_child_that_fails_is_a_fault(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the last it said."""
    monkeypatch.setattr(aside, "_COMMAND", [sys.executable, "-c", "import sys; sys.exit('no memory')"])
    with pytest.raises(ConfigError, match="no memory"):
        await aside.run_aside(reactor, job)
    with pytest.raises(ConfigError, match="no memory"):
        aside.run(job)


@on_reactor
async def test_cancelling_ends_the_child(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading that nobody waits for any more does not go on."""
    monkeypatch.setattr(aside, "_COMMAND", [sys.executable, "-c", "import time; time.sleep(60)"])
    reading = Deferred.fromCoroutine(aside.run_aside(reactor, job))
    reading.cancel()
    with pytest.raises((CancelledError, ConfigError)):
        await reading
