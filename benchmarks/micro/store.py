"""Resident octets of a cached answer: in the raw cache alone, and held by both caches at once.

    python benchmarks/micro/store.py [--count 50000] [--raw]

Answers are scrubbed from replies as an upstream writes them: two addresses, names of some thirty octets.
"""

from __future__ import annotations

import argparse
import gc

from graydns.model.answer import Answer
from graydns.model.client import Client
from graydns.model.decision import Cohort, Decision
from graydns.model.query import Edns, Query
from graydns.resolve.cache.cache_keys import CacheKeyFactory
from graydns.resolve.cache.store import AnswerStore
from graydns.upstream.reply_parser import parse_reply
from graydns.upstream.scrub import scrub_reply
from graydns.upstream.server_groups import ForwardTable, UpstreamGroup, UpstreamServer
from graydns.upstream.upstream_request import RequestForm, make_request

GROUP = UpstreamGroup("bench", (UpstreamServer("192.0.2.53"),))
DECISION = Decision(Cohort("default"))
RECORDS = bytes.fromhex("c00c000100010000012c0004c0000201c00c000100010000012c0004c0000202")


def resident() -> int:
    """Octets of this process in memory."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096


def question(number: int) -> Query:
    """A query for a name that no other number has."""
    label = f"host-{number:08}".encode()
    qname = bytes((len(label),)) + label + b"\x06region\7example\3com\0"
    return Query(0, b"", qname + b"\0\1\0\1", qname, 1, 1, Client(b"\x7f\0\0\1"), edns=Edns(1232), decision=DECISION)


def answer(query: Query, now: float) -> Answer:
    """The Answer from an ordinary reply."""
    request = make_request(query, GROUP)
    data = b"\0\0\x81\x80\0\1\0\2\0\0\0\0" + query.question + RECORDS
    return scrub_reply(parse_reply(data, request), request, RequestForm.FULL, now)


def main() -> None:
    """Fill an AnswerStore and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--raw", action="store_true", help="the raw cache alone")
    options = parser.parse_args()
    keys = CacheKeyFactory(ForwardTable({b"\0": GROUP}).choose_group, lambda query: "default")
    store = AnswerStore(lambda partition: 1 << 40, lambda origin: True)
    gc.collect()
    before = resident()
    for number in range(options.count):
        query = question(number)
        kept = store.store(keys.make_raw_key(query), answer(query, number / 7), 0.0)
        if not options.raw:
            store.store(keys.make_cohort_key(query), kept, 0.0)
    resident_each = (resident() - before) / options.count
    counted_each = store.stats()["default"].octets / options.count
    print(f"{resident_each:.0f} octets resident, {counted_each:.0f} counted per answer")


if __name__ == "__main__":
    main()
