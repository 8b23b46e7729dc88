"""The child process that reads configuration while graydns serves."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor as installed
from twisted.internet.defer import CancelledError, Deferred

from graydns.model.errors import ConfigError
from graydns.sources import parser_frames, parser_process
from graydns.sources.file_reader import ReadJob
from graydns.sources.parser_frames import MainConfigFrame, ZoneListFrame
from tests.coroutines import on_reactor

reactor: Any = installed


@pytest.fixture
def job(tmp_path: Path) -> ReadJob:
    (tmp_path / "graydns.yaml").write_text("zones: null\n")
    return ReadJob(tmp_path / "graydns.yaml")


@on_reactor
async def test_the_reactor_goes_on(job: ReadJob) -> None:
    """It is given back while the child works, and the frames are those of the blocking way."""
    turns: list[Any] = []

    def turn() -> None:
        turns.append(reactor.callLater(0.001, turn))

    turn()
    with await parser_process.spawn_parser(reactor, job) as said:
        found = list(parser_frames.read_frames(said))
    turns[-1].cancel()
    assert len(turns) > 10
    with parser_process.run_parser(job) as said:
        here = list(parser_frames.read_frames(said))
    assert [type(frame) for frame in found] == [type(frame) for frame in here] == [MainConfigFrame, ZoneListFrame]


@on_reactor
async def test_a_child_that_fails_is_a_fault(job: ReadJob, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the last it said."""
    monkeypatch.setattr(parser_process, "_PARSER_COMMAND", [sys.executable, "-c", "import sys; sys.exit('no memory')"])
    with pytest.raises(ConfigError, match="no memory"):
        await parser_process.spawn_parser(reactor, job)
    with pytest.raises(ConfigError, match="no memory"):
        parser_process.run_parser(job)


@on_reactor
async def test_cancelling_ends_the_child(job: ReadJob, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading that nobody waits for any more does not go on."""
    monkeypatch.setattr(parser_process, "_PARSER_COMMAND", [sys.executable, "-c", "import time; time.sleep(60)"])
    reading = Deferred.fromCoroutine(parser_process.spawn_parser(reactor, job))
    reading.cancel()
    with pytest.raises((CancelledError, ConfigError)):
        await reading
