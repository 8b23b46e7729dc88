"""A child process at work beside the reactor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from graydns.runtime.timing import Clock

#: Octets of a child's complaints that are kept.
_MOST_STDERR = 4096


class Reactor(Clock, Protocol):
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


class Child(ProcessProtocol):
    """Waits for a child, whose output goes to files of its own.

    *ended* fires when it is done, or fails with what *failed* makes of its last complaints. Cancelling kills it.
    """

    def __init__(self, failed: Callable[[bytes], Exception]) -> None:
        self.ended: Deferred[None] = Deferred(lambda _: self._kill())
        self._failed = failed
        self._stderr = b""

    def makeConnection(self, process: Any) -> None:
        """It runs; *process* is its IProcessTransport."""
        self._process = process

    def errReceived(self, data: bytes) -> None:
        """Keep the last it complains of."""
        self._stderr = (self._stderr + data)[-_MOST_STDERR:]

    def processEnded(self, reason: Failure) -> None:
        """It is gone and its pipes are closed."""
        if self.ended.called:
            return
        if isinstance(reason.value, ProcessDone):
            self.ended.callback(None)
        else:
            self.ended.errback(self._failed(self._stderr))

    def _kill(self) -> None:
        with suppress(ProcessExitedAlready):
            self._process.signalProcess("KILL")
