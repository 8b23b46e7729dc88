"""CPU microseconds of one forwarded miss: Cache → Coalesce → RawCache → Coalesce → Forward → UDP and back.

    python benchmarks/micro/miss.py [--count 20000] [--window 32] [--profile]

The upstream is a loopback responder in another process, so that only our own work counts. Every question is new.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import socket
import statistics
import subprocess
import sys
import time
from functools import partial
from typing import Any

from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from graydns.model.client import Client
from graydns.model.query import Edns, Query
from graydns.resolve.cache.answer_cache import AnswerCache, StalePolicy
from graydns.resolve.cache.cache_keys import CacheKeyFactory
from graydns.resolve.cache.raw_cache import FailureCache, RawCache
from graydns.resolve.cache.store import AnswerStore
from graydns.resolve.link import stack_links
from graydns.resolve.links.coalesce import QueryCoalescer
from graydns.resolve.links.forwarder import Forwarder
from graydns.runtime.garbage import THRESHOLDS
from graydns.upstream.server_groups import ForwardTable, UpstreamGroup, UpstreamServer
from graydns.upstream.upstream_client import UpstreamClient

reactor: Any = default_reactor

#: One A record of 300 seconds, its owner a pointer to the question.
RECORD = bytes.fromhex("c00c000100010000012c0004c0000201")
#: Questions in a round of measuring.
ROUND = 500

OPT = bytes.fromhex("00002904d0000000000000")


class Silent:
    """Anomalies that are not recorded."""

    def note(self, source: bytes, kind: str, detail: str = "") -> None:
        """Ignore it."""


def respond() -> None:
    """Answer every query on a fresh loopback port, printed first, with one address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        print(server.getsockname()[1], flush=True)
        server.setblocking(False)  # it spins: to wake a sleeping process costs the sender more than a send does
        while True:
            try:
                query, sender = server.recvfrom(4096)
            except BlockingIOError:
                continue
            question = query[12 : len(query) - len(OPT)]
            server.sendto(query[:2] + b"\x81\x80\0\1\0\1\0\0\0\1" + question + RECORD + OPT, sender)


def build(port: int) -> AnswerCache:
    """The forwarding chain, with one loopback server behind it."""
    group = UpstreamGroup("bench", (UpstreamServer("127.0.0.1", port),), deadline=2.0)
    keys = CacheKeyFactory(ForwardTable({b"\0": group}).choose_group, lambda query: "default")
    store = AnswerStore(lambda partition: 64 << 20, lambda origin: origin is group)
    clock = time.monotonic
    client = UpstreamClient(reactor, clock, Silent())
    chain = stack_links(
        partial(
            AnswerCache,
            key=keys.make_cohort_key,
            store=store,
            stale=StalePolicy(),
            clock=clock,
            wall=time.time,
            call_later=reactor.callLater,
        ),
        partial(QueryCoalescer, key=keys.make_cohort_key),
        partial(RawCache, key=keys.make_raw_key, store=store, failure_cache=FailureCache(), clock=clock),
        partial(QueryCoalescer, key=keys.make_raw_key),
        last=Forwarder(client=client, choose_group=keys.choose_group),
    )
    assert isinstance(chain, AnswerCache)
    return chain


def question(number: int) -> Query:
    """A query for a name that no other number has."""
    label = f"n{number:07}".encode()
    qname = bytes((len(label),)) + label + b"\3www\7example\3com\0"
    client = Client(b"\x7f\0\0\1", may_forward=True)
    return Query(0, b"", qname + b"\0\1\0\1", qname, 1, 1, client, True, edns=Edns(1232))


async def run(chain: AnswerCache, options: argparse.Namespace) -> list[float]:
    """CPU seconds of this process for a question, measured over and over."""
    return [await ask(chain, turn * ROUND, options.window) for turn in range(options.count // ROUND)]


async def ask(chain: AnswerCache, first: int, window: int) -> float:
    """Ask ROUND questions, *window* at a time; CPU seconds for each."""
    numbers = iter(range(first, first + ROUND))

    async def worker() -> None:
        for number in numbers:
            await Deferred.fromCoroutine(chain.resolve(question(number)))

    began = time.process_time()
    workers = [Deferred.fromCoroutine(worker()) for _ in range(window)]
    for each in workers:
        await each
    return (time.process_time() - began) / ROUND


def main() -> None:
    """Run the benchmark and print its result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--window", type=int, default=32)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--responder", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.responder:
        respond()
    gc.set_threshold(*THRESHOLDS)  # as in the server
    responder = subprocess.Popen([sys.executable, __file__, "--responder"], stdout=subprocess.PIPE, text=True)
    try:
        assert responder.stdout is not None
        chain = build(int(responder.stdout.readline()))
        measure(chain, options)
    finally:
        responder.kill()


def report(rounds: list[float]) -> None:
    """Print the best round, which other work on the machine disturbed least, and the one in the middle."""
    best, middle = min(rounds) * 1e6, statistics.median(rounds) * 1e6
    print(f"{best:.1f} µs CPU per forwarded miss at best, {middle:.1f} µs in the middle of {len(rounds)} rounds")


def measure(chain: AnswerCache, options: argparse.Namespace) -> None:
    """Drive the reactor through one run."""
    profile = cProfile.Profile() if options.profile else None

    def begin() -> None:
        running = Deferred.fromCoroutine(run(chain, options)).addCallbacks(report, Failure.printTraceback)
        running.addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(begin)
    if profile is None:
        reactor.run()
    else:
        profile.runcall(reactor.run)
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)


if __name__ == "__main__":
    main()
