"""Latency of valid queries beside queries for bogus names.

``python -m benchmarks.bogus [--rate 2000] [--seconds 20] [--rounds 3]`` serves a validating graydns in front of a
signed hierarchy, and queries it at that rate for names that it has answered before (9 of 10) and for new ones in a
zone whose keys it knows. Then the same with 1 and with 20 per cent of new names in a zone whose signatures do
not verify, so that no failure is remembered for any of them. It prints the latency of the valid queries.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator

import dns.message

from benchmarks.paced_queries import Kind, Paced, ask_paced
from benchmarks.reload import used
from benchmarks.validating import Validating, validating
from tools.signed.hierarchy import specs_of

#: Shares of bogus names.
SHARES = (0.0, 0.01, 0.2)

#: Of the good names, those that are in the hot table.
HOT = 0.9

HOT_NAMES = ("www.p256.test", "mail.p256.test", "p256.test", "caa.p256.test", "www.salted.test")

NOERROR, SERVFAIL = 0, 2

#: Numbers names, none of them twice.
_number = itertools.count()


def query(name: str) -> bytes:
    """For its signed address."""
    return dns.message.make_query(name, "A", want_dnssec=True, payload=1232).to_wire()


def new(*zones: str) -> Kind:
    """Questions for names below *zones* in turns, each a new one."""
    marked = [query(f"n00000000.{zone}") for zone in zones]
    return lambda: marked[(number := next(_number)) % len(marked)].replace(b"n00000000", b"n%08d" % number)


def again(*names: str) -> Kind:
    """Questions for *names* in turns."""
    return itertools.cycle([query(name) for name in names]).__next__


def kinds(bogus: float) -> dict[str, tuple[float, Kind]]:
    """The kinds of queries and their shares; *bogus*: the share of names, wildcards and denials with bad signatures."""
    return {
        "hot": ((1 - bogus) * HOT, again(*HOT_NAMES)),
        "new": ((1 - bogus) * (1 - HOT), new("wild.p256.test")),
        "bogus": (bogus, new("altered.test", "wild.altered.test")),
    }


def rounds(server: Validating, rate: float, seconds: float, count: int) -> Iterator[str]:
    """Lines of a report; the shares come in turns, so that a machine that is slower for a while is so for all."""
    ask_paced(server.port, kinds(0.1), rate / 10, 5)
    for number in range(count):
        for share in SHARES:
            before = used(server.process)
            paced = ask_paced(server.port, kinds(share), rate, seconds)
            busy = (used(server.process) - before) / seconds
            yield f"round {number + 1}, {share:4.0%} bogus: {format_delays(paced)}; graydns busy {busy:.0%}"


def format_delays(paced: Paced) -> str:
    """A line with latencies, losses and wrong rcodes."""
    good = sorted([*paced.seconds["hot"], *paced.seconds["new"]])
    parts = [f"valid queries {format_spread(good)}", f"of them new names {format_spread(sorted(paced.seconds['new']))}"]
    if paced.sent["bogus"]:
        parts.append(f"bogus {format_spread(sorted(paced.seconds['bogus']))}")
    parts.append(f"sent late by {paced.late * 1000:.1f} ms at most")
    wrong = sum(paced.rcodes[kind][rcode] for kind in ("hot", "new") for rcode in paced.rcodes[kind] if rcode)
    passed = sum(count for rcode, count in paced.rcodes["bogus"].items() if rcode != SERVFAIL)
    lost = sum(map(paced.lost, paced.sent))
    parts.append(f"{lost} lost, {wrong} valid ones refused, {passed} bogus ones not")
    return "; ".join(parts)


def format_spread(taken: list[float]) -> str:
    """Percentiles of *taken* (sorted seconds)."""
    if not taken:
        return "none"
    half, most, worst = (taken[round((len(taken) - 1) * part)] * 1000 for part in (0.5, 0.99, 1))
    return f"p50 {half:.1f} p99 {most:.1f} max {worst:.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=2000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with validating(specs_of("p256.test.", "salted.test.", "altered.test.")) as server:
        for line in rounds(server, options.rate, options.seconds, options.rounds):
            print(line, flush=True)


if __name__ == "__main__":
    main()
