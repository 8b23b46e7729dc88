"""Session: calls to a server for code that waits. The reactor has a thread of its own and one connection is kept."""

from __future__ import annotations

from threading import Thread
from typing import Any

from twisted.internet.threads import blockingCallFromThread

from graydns.ctl.link import Link, Login
from graydns.ctl.place import Place


class Session:
    """One server. *reactor*: not running yet; None = Twisted's own."""

    def __init__(self, place: Place, login: Login, reactor: Any = None) -> None:
        if reactor is None:
            from twisted.internet import reactor
        self._reactor: Any = reactor
        self._link = Link(self._reactor, place, login)
        # A daemon: whatever happens to the main thread, this one does not keep the process.
        self._thread = Thread(target=self._reactor.run, args=(False,), name="reactor", daemon=True)
        self._thread.start()

    def call(self, command: str, arguments: dict[str, Any]) -> Any:
        """What *command* gives. Raises LinkError."""
        return blockingCallFromThread(self._reactor, self._link.call, command, arguments)

    def close(self) -> None:
        """End the connection and the thread."""
        self._reactor.callFromThread(self._stop)
        self._thread.join(1.0)

    def _stop(self) -> None:
        self._link.close()
        self._reactor.stop()
