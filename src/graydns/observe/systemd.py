"""systemd: state notifications (sd_notify(3)) and the watchdog.

The watchdog is notified only after a query to the server's own UDP listener was answered, so that a server whose
reactor runs but which answers nothing is restarted.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from attrs import frozen
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from graydns.listen.listener import Listener
from graydns.runtime.twisted_types import Service

#: The probe: the root's NS, without RD, which is answered without an upstream.
_PROBE_QUERY = b"\0\0\0\1\0\0\0\0\0\0\0\0\2\0\1"


@frozen
class SystemdNotifier:
    """Writes to the socket *address* of the service manager, "" = there is none.

    An address that begins with ``@`` is in Linux's abstract namespace. *watchdog*: seconds within which it
    expects a notification, 0 = none.
    """

    address: str = ""
    watchdog: float = 0.0

    def send(self, *states: str) -> None:
        """Send *states* if there is a service manager; errors are ignored, as they must not stop the server."""
        if not self.address:
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            sender.connect(address)
            sender.sendall("\n".join(states).encode())


def read_notifier(environment: Mapping[str, str], pid: int) -> SystemdNotifier:
    """The notifier by NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID for the process *pid* (sd_watchdog_enabled(3))."""
    wanted = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
    microseconds = environment.get("WATCHDOG_USEC", "")
    watchdog = int(microseconds) / 1e6 if wanted and microseconds.isdigit() else 0.0
    return SystemdNotifier(environment.get("NOTIFY_SOCKET", ""), watchdog)


class SystemdWatchdog(Service):
    """Queries the server's own listener several times within the watchdog's time; notifies systemd after each answer.

    *listeners*: where the server listens; without UDP among them systemd is notified without a query.
    *reactor*: IReactorTime and IReactorUDP.
    """

    name = "watchdog"
    _log = Logger()

    def __init__(self, notifier: SystemdNotifier, listeners: Callable[[], tuple[Listener, ...]], reactor: Any) -> None:
        self._notifier = notifier
        self._listeners = listeners
        self._reactor = reactor
        self._probe = WatchdogProbe(lambda: notifier.send("WATCHDOG=1"))
        self._port: Any = None
        self._loop = LoopingCall(self._send_probe)
        self._loop.clock = reactor

    def startService(self) -> None:
        """Start, if there is a service manager with a watchdog."""
        super().startService()
        if self._notifier.address and self._notifier.watchdog:
            self._loop.start(self._notifier.watchdog / 4)

    def stopService(self) -> Any:
        """Stop."""
        super().stopService()
        if self._loop.running:
            self._loop.stop()
        if self._port is None:
            return None
        port, self._port = self._port, None
        return port.stopListening()

    def _send_probe(self) -> None:
        listener = next((each for each in self._listeners() if each.transport.is_datagram), None)
        if listener is None:
            self._notifier.send("WATCHDOG=1")
            return
        try:
            if self._port is None:
                self._port = self._reactor.listenUDP(0, self._probe, "::" if ":" in listener.host else "0.0.0.0")
            self._probe.send_query(listener.host, listener.port)
        except OSError as error:
            self._log.warn("the watchdog's query could not be sent: {error}", error=error)


class WatchdogProbe(DatagramProtocol):
    """Sends queries, and calls *answered* when the reply to the last one comes."""

    transport: Any
    noisy = False

    def __init__(self, answered: Callable[[], None]) -> None:
        self._answered = answered
        self._expected: tuple[bytes, str, int] | None = None

    def send_query(self, host: str, port: int) -> None:
        """Send a query."""
        number = secrets.token_bytes(2)
        self._expected = (number, host.partition("%")[0], port)
        self.transport.write(number + _PROBE_QUERY, (host, port))

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Check whether it is the reply."""
        came = (datagram[:2], addr[0].partition("%")[0], addr[1])
        if came == self._expected and len(datagram) >= 12 and datagram[2] & 0x80:
            self._expected = None
            self._answered()
