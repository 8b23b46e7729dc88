"""What a door costs alone: CPU microseconds per query of a server process whose front is one dictionary.

Usage: ``python benchmarks/micro/doors.py [udp|tcp|tls ...]``. Needs dnsperf; everything stays on loopback.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import dns.message
from attrs import frozen
from twisted.internet import reactor as default_reactor

from graydns.listen.context import TlsContext
from graydns.listen.demo import demo_certificate
from graydns.listen.door import Door, DoorLimits
from graydns.listen.service import Doors
from graydns.model.query import Query

SECONDS = 5
NAMES = 1000
MODES = {"udp": "udp", "tcp": "tcp", "tls": "dot"}


@frozen
class Asker:
    source: bytes = b"\x7f\0\0\1"


class DictionaryFront:
    """Answers from a dictionary whose key is everything after the id."""

    def __init__(self) -> None:
        self._peer = Asker()
        self._answers = {}
        for number in range(NAMES):
            query = dns.message.make_query(f"host{number}.shop.test", "A", use_edns=False)
            reply = dns.message.from_text(
                f"id {query.id}\nopcode QUERY\nflags QR AA RD\n;QUESTION\nhost{number}.shop.test. IN A\n"
                f";ANSWER\nhost{number}.shop.test. 60 IN A 192.0.2.1\n"
            )
            self._answers[query.to_wire()[2:]] = reply.to_wire()[2:]

    def peer(self, address: str, transport: str, identity: str | None = None, tenant: str | None = None) -> Asker:
        return self._peer

    def answer(self, wire: bytes, peer: Asker) -> bytes | Query | None:
        return wire[:2] + self._answers[wire[2:]]

    async def resolve(self, query: Query, peer: Asker) -> bytes | None:
        return None


def serve(transport: str, folder: Path) -> None:
    """Serve until standard input ends; print the port first, then the CPU seconds on every line of input."""
    reactor: Any = default_reactor
    demo_certificate(folder / "crt.pem", folder / "key.pem")
    context = TlsContext(folder / "crt.pem", folder / "key.pem")
    doors = Doors([Door(transport, "127.0.0.1", 0)], DictionaryFront(), DoorLimits(), reactor, context)
    doors.startService()
    print(doors.listening[0].port, flush=True)

    def report() -> None:
        if not sys.stdin.readline():
            reactor.stop()
            return
        usage = resource.getrusage(resource.RUSAGE_SELF)
        print(usage.ru_utime, usage.ru_stime, flush=True)

    class Stdin:
        def fileno(self) -> int:
            return sys.stdin.fileno()

        def doRead(self) -> None:
            report()

        def logPrefix(self) -> str:
            return "stdin"

        def connectionLost(self, reason: object) -> None:
            reactor.stop()

    if profile := os.environ.get("PROFILE"):
        import cProfile

        reactor.addReader(Stdin())
        profiler = cProfile.Profile()
        profiler.runcall(reactor.run)
        profiler.dump_stats(profile)
        return
    reactor.addReader(Stdin())
    reactor.run()


def measure(transport: str, folder: Path) -> str:
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve", transport, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin and server.stdout
    port = server.stdout.readline().strip()

    def cpu() -> complex:
        assert server.stdin and server.stdout
        server.stdin.write("\n")
        server.stdin.flush()
        user, system = server.stdout.readline().split()
        return complex(float(user), float(system))

    before, began = cpu(), time.monotonic()
    load = ["dnsperf", "-s", "127.0.0.1", "-p", port, "-d", str(folder / "queries"), "-m", MODES[transport]]
    load += ["-l", str(SECONDS), "-c", os.environ.get("CLIENTS", "4"), "-q", os.environ.get("OUTSTANDING", "400")]
    text = subprocess.run(load, capture_output=True, text=True, check=True).stdout
    spent = cpu() - before
    done = next(int(line.split()[2]) for line in text.splitlines() if "Queries completed" in line)
    server.stdin.close()
    server.wait()
    rate = done / (time.monotonic() - began)
    return f"{transport}: {(spent.real + spent.imag) / done * 1e6:.2f} us CPU a query ({spent.real / done * 1e6:.2f} outside the kernel), {done} answered, {rate:.0f}/s"


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], Path(sys.argv[3]))
        return
    if shutil.which("dnsperf") is None:
        sys.exit("dnsperf is needed")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "queries").write_text("".join(f"host{number}.shop.test A\n" for number in range(NAMES)))
        for transport in sys.argv[1:] or list(MODES):
            print(measure(transport, folder), flush=True)


if __name__ == "__main__":
    main()
