"""Asking a gray service every millisecond, in a thread of its own."""

from __future__ import annotations

import socket
import threading
import time

import dns.edns
import dns.message
from attrs import define, field

#: Seconds between an answer and the next query.
REST = 0.001


def query(subnet: str) -> bytes:
    """A query of a client in *subnet*."""
    options: list[dns.edns.Option] = [dns.edns.ECSOption(subnet, 24)]
    return dns.message.make_query("api.gray.test", "A", use_edns=0, options=options).to_wire()


@define
class Asking:
    """Asks at *port*, subnet after subnet, from when it is made until stop(). *answers*, *lost*: so many there were."""

    port: int
    answers: int = field(init=False, default=0)
    lost: int = field(init=False, default=0)
    _running: bool = field(init=False, default=True)
    _thread: threading.Thread = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def stop(self) -> None:
        """No more queries."""
        self._running = False
        self._thread.join()

    def took(self, reply: bytes, sent: float, now: float) -> None:
        """Be told of a *reply*, empty if it was lost, and when the query was *sent*. In the thread."""

    def rested(self, over: float) -> None:
        """Be told for how many seconds more than REST the thread was not let run. In the thread."""

    def _ask(self) -> None:
        wires = [query(f"172.16.{number}.0") for number in range(200)]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", self.port))
            client.settimeout(5)
            while self._running:
                sent = time.monotonic()
                client.send(wires[self.answers % len(wires)])
                try:
                    reply = client.recv(4096)
                    self.answers += 1
                except TimeoutError:
                    reply = b""
                    self.lost += 1
                now = time.monotonic()
                self.took(reply, sent, now)
                time.sleep(REST)
                self.rested(time.monotonic() - now - REST)
