"""A child process at work beside the reactor.

The child process that reads configuration: ``python -P -m graydns.sources.parser_process < JOB > FRAMES``.

::

    run         at start, blocking
    run_aside   while serving
      main → examine.examine | lines.locate → frames.write

Parsing 100,000 rules takes seconds, and memory that goes back to the system only with the process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from graydns.config.document import read_document
from graydns.config.issues import ValidationIssue
from graydns.model.errors import ConfigError, ConfigIssue
from graydns.runtime.timing import Clock
from graydns.sources import parser_frames
from graydns.sources.file_reader import ReadJob, read_files

#: Octets of a child's complaints that are kept.
_MAX_STDERR_BYTES = 4096


class ParserReactor(Clock, Protocol):
    """The parts of IReactorTime and IReactorProcess that reading aside needs."""

    def spawnProcess(
        self,
        processProtocol: ProcessProtocol,
        executable: str,
        args: Sequence[str],
        env: Mapping[str, str] | None,
        *,
        childFDs: Mapping[int, int | str],
    ) -> object:
        """Start a child."""


class ParserProcess(ProcessProtocol):
    """Waits for a child, whose output goes to files of its own.

    *finished* fires when it is done, or fails with what *failed* makes of its last lines on stderr. Cancelling kills
    it.
    """

    def __init__(self, failed: Callable[[bytes], Exception]) -> None:
        self.finished: Deferred[None] = Deferred(lambda _: self._kill())
        self._make_error = failed
        self._stderr = b""

    def makeConnection(self, process: Any) -> None:
        """It runs; *process* is its IProcessTransport."""
        self._process = process

    def errReceived(self, data: bytes) -> None:
        """Keep the last it complains of."""
        self._stderr = (self._stderr + data)[-_MAX_STDERR_BYTES:]

    def processEnded(self, reason: Failure) -> None:
        """It is gone and its pipes are closed."""
        if self.finished.called:
            return
        if isinstance(reason.value, ProcessDone):
            self.finished.callback(None)
        else:
            self.finished.errback(self._make_error(self._stderr))

    def _kill(self) -> None:
        with suppress(ProcessExitedAlready):
            self._process.signalProcess("KILL")


#: The nice value added in a child: queries come first.
_NICE_INCREMENT = 5


@frozen
class LocateJob:
    """Find lines and columns in the files that *issues* are about."""

    issues: tuple[ConfigIssue, ...]


def run_parser(job: ReadJob | LocateJob) -> BinaryIO:
    """The frames that a child makes of *job*, in an open file; waits for it. Raises ConfigError if it fails."""
    with _write_job(job) as request:
        reply = _open_unnamed_file()
        child = subprocess.run(_PARSER_COMMAND, stdin=request, stdout=reply, stderr=subprocess.PIPE, check=False)
    if child.returncode != 0:
        reply.close()
        raise _make_process_error(child.stderr)
    reply.seek(0)
    return reply


async def spawn_parser(reactor: ParserReactor, job: ReadJob | LocateJob) -> BinaryIO:
    """The same without stopping queries."""
    reply = _open_unnamed_file()
    try:
        with _write_job(job) as request:
            child = ParserProcess(_make_process_error)
            descriptors: Mapping[int, int | str] = {0: request.fileno(), 1: reply.fileno(), 2: "r"}
            reactor.spawnProcess(child, _PARSER_COMMAND[0], _PARSER_COMMAND, None, childFDs=descriptors)
        await child.finished
    except BaseException:
        reply.close()
        raise
    reply.seek(0)
    return reply


def locate_issues(faults: Sequence[ConfigIssue]) -> list[ConfigIssue]:
    """*faults* with the lines and columns that their files have now."""
    located: list[ConfigIssue] = []
    for file in dict.fromkeys(fault.file for fault in faults):
        mine = [fault for fault in faults if fault.file == file]
        try:
            document = read_document(Path(file))
        except ConfigError:
            located += mine
        else:
            located += document.locate_all(ValidationIssue(fault.path, fault.found, fault.expected) for fault in mine)
    return located


def main() -> None:
    """Do the job on standard input."""
    os.nice(_NICE_INCREMENT)
    (job,) = parser_frames.read_frames(sys.stdin.buffer)
    made = locate_issues(job.issues) if isinstance(job, LocateJob) else read_files(job, bounded=False)
    for frame in made:
        parser_frames.write_frame(frame, sys.stdout.buffer)


#: ``-P``: the working folder holds no modules of ours.
_PARSER_COMMAND = [sys.executable, "-P", "-m", "graydns.sources.parser_process"]


def _open_unnamed_file() -> BinaryIO:
    return cast(BinaryIO, tempfile.TemporaryFile())  # the receiver closes it


def _write_job(job: ReadJob | LocateJob) -> BinaryIO:
    request = _open_unnamed_file()
    parser_frames.write_frame(job, request)
    request.flush()
    request.seek(0)
    return request


def _make_process_error(stderr: bytes) -> ConfigError:
    lines = [line for line in stderr.decode(errors="replace").split("\n") if line.strip()]
    why = lines[-1] if lines else "no word from the reading process"
    return ConfigError([ConfigIssue((), why, "configuration that can be read")])


if __name__ == "__main__":
    # Under this name the classes here are not those that the parent knows.
    from graydns.sources.parser_process import main as work

    work()
