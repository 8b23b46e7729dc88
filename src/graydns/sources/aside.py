"""The child process that reads configuration: ``python -P -m graydns.sources.aside < JOB > FRAMES``.

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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from attrs import frozen

from graydns.config.file import read_document
from graydns.config.misfit import Misfit
from graydns.model.errors import ConfigError, ConfigIssue
from graydns.sources import frames
from graydns.sources.child import Child, Reactor
from graydns.sources.examine import Job, examine

#: The nice value added in a child: queries come first.
_NICE = 5


@frozen
class Locate:
    """Find lines and columns in the files that *faults* are about."""

    faults: tuple[ConfigIssue, ...]


def run(job: Job | Locate) -> BinaryIO:
    """The frames that a child makes of *job*, in an open file; waits for it. Raises ConfigError if it fails."""
    with _request(job) as request:
        reply = _nameless()
        child = subprocess.run(_COMMAND, stdin=request, stdout=reply, stderr=subprocess.PIPE, check=False)
    if child.returncode != 0:
        reply.close()
        raise _failed(child.stderr)
    reply.seek(0)
    return reply


async def run_aside(reactor: Reactor, job: Job | Locate) -> BinaryIO:
    """The same without stopping queries."""
    reply = _nameless()
    try:
        with _request(job) as request:
            child = Child(_failed)
            descriptors: Mapping[int, int | str] = {0: request.fileno(), 1: reply.fileno(), 2: "r"}
            reactor.spawnProcess(child, _COMMAND[0], _COMMAND, None, childFDs=descriptors)
        await child.ended
    except BaseException:
        reply.close()
        raise
    reply.seek(0)
    return reply


def locate(faults: Sequence[ConfigIssue]) -> list[ConfigIssue]:
    """*faults* with the lines and columns that their files have now."""
    located: list[ConfigIssue] = []
    for file in dict.fromkeys(fault.file for fault in faults):
        mine = [fault for fault in faults if fault.file == file]
        try:
            document = read_document(Path(file))
        except ConfigError:
            located += mine
        else:
            located += document.locate_all(Misfit(fault.path, fault.found, fault.expected) for fault in mine)
    return located


def main() -> None:
    """Do the job on standard input."""
    os.nice(_NICE)
    (job,) = frames.read(sys.stdin.buffer)
    made = locate(job.faults) if isinstance(job, Locate) else examine(job, bounded=False)
    for frame in made:
        frames.write(frame, sys.stdout.buffer)


#: ``-P``: the working folder holds no modules of ours.
_COMMAND = [sys.executable, "-P", "-m", "graydns.sources.aside"]


def _nameless() -> BinaryIO:
    return cast(BinaryIO, tempfile.TemporaryFile())  # whoever gets it closes it


def _request(job: Job | Locate) -> BinaryIO:
    request = _nameless()
    frames.write(job, request)
    request.flush()
    request.seek(0)
    return request


def _failed(stderr: bytes) -> ConfigError:
    lines = [line for line in stderr.decode(errors="replace").split("\n") if line.strip()]
    why = lines[-1] if lines else "no word from the reading process"
    return ConfigError([ConfigIssue((), why, "configuration that can be read")])


if __name__ == "__main__":
    # Under this name the classes here are not those that the parent knows.
    from graydns.sources.aside import main as work

    work()
