"""Queries for a gray service every millisecond, from a thread of their own."""

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
class QueryLoop:
    """Queries *port*, one subnet after the other, from construction until stop(). *answers*, *lost*: counts."""

    port: int
    answers: int = field(init=False, default=0)
    lost: int = field(init=False, default=0)
    _running: bool = field(init=False, default=True)
    _thread: threading.Thread = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run_loop)
        self._thread.start()

    def stop(self) -> None:
        """Stop querying."""
        self._running = False
        self._thread.join()

    def on_reply(self, reply: bytes, sent: float, now: float) -> None:
        """Handle *reply*, empty if it was lost; *sent*, *now*: monotonic seconds. Called in the thread."""

    def on_pause(self, over: float) -> None:
        """Handle a pause that lasted *over* seconds longer than REST. Called in the thread."""

    def _run_loop(self) -> None:
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
                self.on_reply(reply, sent, now)
                time.sleep(REST)
                self.on_pause(time.monotonic() - now - REST)
