"""How long the garbage collector stops a server whose cache fills up to a million answers.

    python -m benchmarks.micro.garbage [--count 1000000] [--leak]

A turn of the reactor comes after each 50 answers. Prints the longest collections of each generation, and how long one
of everything takes at the end. ``--leak``: each answer also leaves a reference cycle.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections import defaultdict
from typing import Any

from twisted.internet.task import Clock

from benchmarks.micro.store import GROUP, answer, question, resident
from graydns.resolve.cache.cache_keys import CacheKeyFactory
from graydns.resolve.cache.store import AnswerStore
from graydns.runtime.garbage import OldestGenerationCollector
from graydns.upstream.server_groups import ForwardTable

ANSWERS_PER_TURN = 50


def main() -> None:
    """Fill a cache and print what the collector took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--leak", action="store_true")
    options = parser.parse_args()
    keys = CacheKeyFactory(ForwardTable({b"\0": GROUP}).choose_group, lambda query: "default")
    store = AnswerStore(lambda partition: 1 << 40, lambda origin: True)
    clock = Clock()
    collector = OldestGenerationCollector(clock)
    times: dict[int, list[float]] = defaultdict(list)
    began, freed = 0.0, 0

    def measure(phase: str, info: dict[str, Any]) -> None:
        nonlocal began, freed
        if phase == "start":
            began = time.perf_counter()
        else:
            times[info["generation"]].append(time.perf_counter() - began)
            freed += info["collected"]

    before = resident()
    collector.start()
    gc.callbacks.append(measure)
    for number in range(options.count):
        query = question(number)
        store.store(keys.make_raw_key(query), answer(query, 0.0), 0.0)
        if options.leak:
            cycle: list[Any] = []
            cycle.append(cycle)
        if number % ANSWERS_PER_TURN == 0:
            clock.advance(0)
    gc.callbacks.remove(measure)
    collector.stop()
    print(f"{options.count:,} answers, {(resident() - before) / 1e6:.0f} MB, {freed:,} objects freed")
    for generation, seconds in sorted(times.items()):
        longest = ", ".join(f"{1000 * each:.1f}" for each in sorted(seconds)[-3:])
        print(f"generation {generation}: {len(seconds):,} collections, {sum(seconds):.2f} s, longest {longest} ms")
    gc.unfreeze()
    start = time.perf_counter()
    gc.collect()
    print(f"all of it at once: {1000 * (time.perf_counter() - start):.0f} ms")


if __name__ == "__main__":
    main()
