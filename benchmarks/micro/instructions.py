"""User-space instructions of one hot answer, one gray hot answer and one forwarded miss, counted by valgrind.

    python -m benchmarks.micro.instructions [hot gray miss] [--count 2000]

Unlike times, these figures hardly depend on the machine and not on what else it does. Each figure is the difference
between a run with many queries and one with few, so what starting the server costs does not count. The queries enter
at ``Front.answer``; the upstream of a miss is a loopback responder in another process. Needs valgrind.
"""

from __future__ import annotations

import argparse
import gc
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import dns.edns
import dns.message
from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from benchmarks.micro.miss import respond
from graydns.assembly import make_graydns_service
from graydns.model.query import Query
from graydns.model.transport import UDP
from graydns.runtime.garbage import THRESHOLDS

reactor: Any = default_reactor

WORK = ("hot", "gray", "miss")
WARM_UP = 200
CONFIG = """\
listen: ["udp://127.0.0.1:5300"]
data: {data}
zones: {zones}
http: null
admin: null
upstreams: {{default: {{servers: ["udp://127.0.0.1:{port}"], deadline: 10s}}}}
forward: {{".": default}}
"""


def wire(name: str, subnet: int | None = None) -> bytes:
    """A query for the A records of *name*, perhaps for the client subnet 198.18.*subnet*.0/24 upwards."""
    options: list[dns.edns.Option] = []
    if subnet is not None:
        options = [dns.edns.ECSOption(f"198.{18 + subnet // 256 % 2}.{subnet % 256}.0", 24)]
    return dns.message.make_query(name, "A", use_edns=0, payload=1232, options=options, id=subnet or 7).to_wire()


async def ask(front: Any, peer: Any, message: bytes) -> bytes:
    """The reply to *message*, hit or miss."""
    reply = front.answer(message, peer)
    if isinstance(reply, Query):
        reply = await front.resolve(reply, peer)
    assert reply[3] & 15 == 0, "an rcode other than NOERROR"
    return bytes(reply)


async def work(front: Any, kind: str, count: int) -> None:
    """Ask *count* queries of this kind, after a warm-up."""
    peer = front.peer("127.0.0.1", UDP)
    if kind == "miss":
        message = wire("n0000000.www.example.com")
        for number in range(count):
            await ask(front, peer, message.replace(b"0000000", b"%07d" % number))
        return
    messages = [wire("www.shop.test") if kind == "hot" else wire("api.shop.test", at) for at in range(WARM_UP)]
    for message in messages:
        await ask(front, peer, message)
    for _ in range(count // WARM_UP):
        for message in messages:
            front.answer(message, peer)


def serve(kind: str, count: int, port: int) -> None:
    """Do the work in this process."""
    with tempfile.TemporaryDirectory() as name:
        config = Path(name) / "graydns.yaml"
        config.write_text(CONFIG.format(data=name, zones=Path("zones").resolve(), port=port))
        front = make_graydns_service(config, reactor).core.state.server.front
        gc.collect()
        gc.freeze()
        gc.set_threshold(*THRESHOLDS)  # as in the server

        def begin() -> None:
            running = Deferred.fromCoroutine(work(front, kind, count)).addErrback(Failure.printTraceback)
            running.addBoth(lambda _: reactor.stop())

        reactor.callWhenRunning(begin)
        reactor.run()


def count_instructions(kind: str, count: int, port: int) -> int:
    """Instructions of a process that does the work."""
    valgrind = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    command = [*valgrind, sys.executable, "-m", __spec__.name, kind, "--count", str(count), "--serve", str(port)]
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found = re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)
    if found is None or "Traceback" in done.stdout + done.stderr:
        raise SystemExit(done.stdout + done.stderr)
    return int(found[1].replace(",", ""))


def main() -> None:
    """Count and print, a line for each kind of work."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", nargs="*", default=[])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--responder", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.responder:
        respond()
    if options.serve is not None:
        serve(options.work[0], options.count, options.serve)
        return
    responder = subprocess.Popen(
        [sys.executable, "-m", __spec__.name, "--responder"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert responder.stdout is not None
        port = int(responder.stdout.readline())
        for kind in options.work or WORK:
            few, many = (count_instructions(kind, count, port) for count in (WARM_UP, WARM_UP + options.count))
            print(f"{kind}: {(many - few) / options.count:,.0f} instructions", flush=True)
    finally:
        responder.kill()


if __name__ == "__main__":
    main()
