"""Whether connections that are held open keep other clients of their network out.

``python -m benchmarks.slow_clients [--connections 100] [--rate 50] [--seconds 8]`` opens connections to a graydns and
leaves them as they are, in five ways, and new ones in place of those that the server ends, at a limited rate. All the
time a good client of the same network connects, asks and waits for its answer, again and again. Prints how long it took
that client, and how often it got none.
"""

from __future__ import annotations

import argparse
import selectors
import socket
import ssl
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import dns.message
from attrs import define, field

from tools.ports import free_ports
from tools.process import start
from tools.programs import TWISTD

CONFIG = """\
listen: ["udp://127.0.0.1:{dns}", "tcp://127.0.0.1:{dns}", "tls://127.0.0.1:{tls}"]
tls: {{certificate: c.pem, key: k.pem}}
admin: null
http: tcp://127.0.0.1:{http}
"""

QUERY = dns.message.make_query("version.bind", "TXT", "CH").to_wire()
FRAMED = len(QUERY).to_bytes(2, "big") + QUERY
HTTP_REQUEST = b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n"

#: Seconds after which the good client gives up.
PATIENCE = 5.0


def make_client_hello() -> bytes:
    """The first message of a TLS handshake."""
    out = ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), out).do_handshake()
    return out.read()


@define
class Crowd:
    """Keeps *count* connections to *port* open, on which it sends *first*, and *trickle* each second."""

    port: int
    count: int
    rate: float
    first: bytes
    trickle: bytes = b""
    opened: int = 0
    ended: threading.Event = field(factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Crowd:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        selector = selectors.DefaultSelector()
        allowed, before, trickled = float(self.count), time.monotonic(), time.monotonic()
        while not self.ended.is_set():
            now = time.monotonic()
            allowed, before = min(self.count, allowed + self.rate * (now - before)), now
            while len(selector.get_map()) < self.count and allowed >= 1:
                allowed -= 1
                with suppress(OSError):
                    client = socket.create_connection(("127.0.0.1", self.port))
                    client.setblocking(False)
                    client.send(self.first)
                    selector.register(client, selectors.EVENT_READ)
                    self.opened += 1
            if self.trickle and now - trickled > 1:
                trickled = now
                for key in selector.get_map().values():
                    with suppress(OSError):
                        key.fileobj.send(self.trickle)  # type: ignore[union-attr]
            for key, _ in selector.select(0.02):
                try:
                    over = not key.fileobj.recv(4096)  # type: ignore[union-attr]
                except OSError:
                    over = True
                if over:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()  # type: ignore[union-attr]
        for key in tuple(selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]


def ask_tcp(port: int) -> None:
    """One query over a connection of its own. Raises OSError without an answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        client.sendall(FRAMED)
        if not client.recv(4096):
            raise OSError("closed")


def ask_tls(port: int) -> None:
    """The same over TLS."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain,
        context.wrap_socket(plain) as client,
    ):
        client.sendall(FRAMED)
        if not client.recv(4096):
            raise OSError("closed")


def ask_http(port: int) -> None:
    """A health check."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        client.sendall(HTTP_REQUEST)
        if b" 200 " not in client.recv(4096):
            raise OSError("closed")


def measure(ask: Callable[[int], None], port: int, seconds: float) -> tuple[list[float], int]:
    """Seconds that each try took that had an answer, and how many had none."""
    took, lost, end = [], 0, time.monotonic() + seconds
    while (began := time.monotonic()) < end:
        try:
            ask(port)
        except OSError:
            lost += 1
        else:
            took.append(time.monotonic() - began)
        time.sleep(0.01)
    return took, lost


def main() -> None:
    """Measure, without a crowd and with each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=100, help="held open at a time")
    parser.add_argument("--rate", type=float, default=50.0, help="new ones a second, after the first")
    parser.add_argument("--seconds", type=float, default=8.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "zones").mkdir()
        dns_port, tls, http = free_ports(3)
        (folder / "graydns.yaml").write_text(CONFIG.format(dns=dns_port, tls=tls, http=http))
        server = start([*TWISTD, "graydns", "--config", "graydns.yaml"], folder)
        try:
            server.wait_until(lambda: not measure(ask_http, http, 0.01)[1])
            ways = {
                "half a message, octet by octet": (dns_port, b"\0\xff\0", b"\0", ask_tcp),
                "connections without a query": (dns_port, b"", b"", ask_tcp),
                "half a TLS handshake": (tls, make_client_hello(), b"", ask_tls),
                "silent TLS connections": (tls, b"", b"", ask_tls),
                "slow HTTP requests": (http, b"GET /live HTTP/1.1\r\n", b"X: y\r\n", ask_http),
            }
            for way, (port, first, trickle, ask) in ways.items():
                quiet, _ = measure(ask, port, 2.0)
                with Crowd(port, options.connections, options.rate, first, trickle) as crowd:
                    time.sleep(1.0)
                    took, lost = measure(ask, port, options.seconds)
                longest = statistics.quantiles(took, n=100)[98] if len(took) > 1 else float("inf")
                before = statistics.quantiles(quiet, n=100)[98]
                print(
                    f"{way}: p99 {1000 * longest:.1f} ms, {1000 * before:.1f} alone; {len(took)} answered, {lost} not; "
                    f"{crowd.opened} held connections opened",
                    flush=True,
                )
        finally:
            server.stop()


if __name__ == "__main__":
    main()
