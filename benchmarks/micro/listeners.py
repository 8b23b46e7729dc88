"""The cost of a listener alone: CPU time per query of a server process whose frontend is one dictionary.

Usage: ``python -m benchmarks.micro.listeners [udp|tcp|tls ...]``; CLIENTS and OUTSTANDING in the environment are
dnsperf's -c and -q (4 and 400). Needs dnsperf; everything stays on loopback.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rrset
from attrs import frozen
from twisted.internet import reactor as default_reactor

from graydns.listen.connections import ListenerLimits
from graydns.listen.listener import Listener
from graydns.listen.listeners import Listeners
from graydns.listen.tls_context import TlsContext, write_demo_certificate
from graydns.model.query import Query
from graydns.model.transport import Transport, parse_transport
from tools import peers

SECONDS = 5
NAMES = [f"host{number}.shop.test" for number in range(1000)]
MODES = {"udp": "udp", "tcp": "tcp", "tls": "dot"}


@frozen
class AnyPeer:
    """The peer of every client."""

    source: bytes = b"\x7f\0\0\1"


class DictionaryFront:
    """Answers from a dictionary whose key is everything after the id."""

    def __init__(self) -> None:
        self._peer = AnyPeer()
        self._answers = {}
        for name in NAMES:
            query = dns.message.make_query(name, "A")
            reply = dns.message.make_response(query)
            reply.flags |= dns.flags.AA
            reply.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "A", "192.0.2.1"))
            self._answers[query.to_wire()[2:]] = reply.to_wire()[2:]

    def peer(
        self, address: str, transport: Transport, identity: str | None = None, tenant: str | None = None
    ) -> AnyPeer:
        """The same peer for all clients."""
        return self._peer

    def answer(self, wire: bytes, peer: AnyPeer) -> bytes | Query | None:
        """A hit, always."""
        return wire[:2] + self._answers[wire[2:]]

    async def resolve(self, query: Query, peer: AnyPeer) -> bytes | None:
        """Not called: there are no misses."""
        raise NotImplementedError


def serve(transport: str, folder: Path) -> None:
    """Serve until terminated; print the port."""
    reactor: Any = default_reactor
    certificate, key = folder / "dot.crt", folder / "dot.key"
    write_demo_certificate(certificate, key)
    listener = Listener(parse_transport(transport), "127.0.0.1", 0)
    listeners = Listeners([listener], DictionaryFront(), ListenerLimits(), reactor, TlsContext(certificate, key))
    listeners.startService()
    print(listeners.listening[0].port, flush=True)
    reactor.run()


def measure(transport: str, folder: Path) -> str:
    """Start a server, query it with dnsperf, and return a line with the cost."""
    command = [sys.executable, "-m", "benchmarks.micro.listeners", "--serve", transport, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        before = ticks(server.pid)
        load = [peers.find("dnsperf"), "-s", "127.0.0.1", "-p", port, "-d", str(folder / "queries")]
        load += ["-m", MODES[transport], "-l", str(SECONDS)]
        load += ["-c", os.environ.get("CLIENTS", "4"), "-q", os.environ.get("OUTSTANDING", "400")]
        said = subprocess.run(load, capture_output=True, text=True, check=True).stdout
        user, system = (
            (after - then) / os.sysconf("SC_CLK_TCK") * 1e6
            for after, then in zip(ticks(server.pid), before, strict=True)
        )
        server.terminate()
    done = next(int(line.split()[2]) for line in said.splitlines() if "Queries completed" in line)
    return (
        f"{transport}: {(user + system) / done:.2f} us of CPU a query, {user / done:.2f} of them outside the kernel "
        f"({done / SECONDS:.0f} answers a second)"
    )


def ticks(pid: int) -> tuple[int, int]:
    """Clock ticks a process has spent outside and inside the kernel (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]), int(fields[12])


def main() -> None:
    """Measure the transports that are named, or all."""
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], Path(sys.argv[3]))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "queries").write_text("".join(f"{name} A\n" for name in NAMES))
        for transport in sys.argv[1:] or MODES:
            print(measure(transport, folder), flush=True)


if __name__ == "__main__":
    main()
