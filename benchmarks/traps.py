"""The cost of answers that are built to be expensive.

``python -m benchmarks.traps [--questions 200]`` serves a validating graydns in front of zones that are built to be
expensive to validate, queries one new name after the other, and prints the processor time of each query, all threads
together, beside that of a query in an ordinary zone.
"""

from __future__ import annotations

import argparse
import socket
from collections.abc import Iterator
from statistics import median

from attrs import frozen

from benchmarks.bogus import new
from benchmarks.paced_queries import Kind
from benchmarks.reload import used
from benchmarks.validating import Validating, validating
from tools.signed.hierarchy import specs_of

ZONES = ("p256.test.", "salted.test.", "altered.test.", "keytrap.test.", "iterations-150.test.")

#: Labels that do not exist: each makes one more name that has to be hashed. 64 names may be.
DEEP, DEEPER = (".".join(["x"] * count) for count in (58, 100))

#: Questions between two looks at the processor time.
AT_ONCE = 10


@frozen
class Trap:
    """*label*: for people. *rcode*: the right one for its questions."""

    label: str
    rcode: int
    questions: Kind


def traps() -> list[Trap]:
    """With ordinary questions first."""
    return [
        Trap("ordinary: a wildcard's address", 0, new("wild.p256.test")),
        Trap("ordinary: no such name, by NSEC", 3, new("p256.test")),
        Trap("ordinary: no such name, by NSEC3", 3, new("salted.test")),
        Trap("a signature that does not verify", 2, new("wild.altered.test")),
        Trap("61 keys of one tag, 61 signatures: an address", 2, new("wild.keytrap.test")),
        Trap("61 keys of one tag, 61 signatures: no such name", 2, new("keytrap.test")),
        Trap("NSEC3 with 150 iterations: no such name", 3, new("iterations-150.test")),
        Trap("the same, of a name with 58 labels more", 3, new(f"{DEEP}.iterations-150.test")),
        Trap("the same, with 100 labels more: too many", 2, new(f"{DEEPER}.iterations-150.test")),
    ]


def report(server: Validating, count: int) -> Iterator[str]:
    """Its lines."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", server.port))
        client.settimeout(10)
        for trap in traps():
            _query(client, trap)  # the keys of the zone are verified once, not for each query
            spent = sorted(_spent(client, server, trap) for _ in range(count // AT_ONCE))
            yield f"{trap.label:<50} {median(spent):6.2f} ms, {spent[-1]:6.2f} at most"


def _spent(client: socket.socket, server: Validating, trap: Trap) -> float:
    """Milliseconds of one of AT_ONCE questions."""
    before = used(server.process)
    for _ in range(AT_ONCE):
        _query(client, trap)
    return (used(server.process) - before) / AT_ONCE * 1000


def _query(client: socket.socket, trap: Trap) -> None:
    client.send(trap.questions())
    rcode = client.recv(4096)[3] & 15
    if rcode != trap.rcode:
        raise SystemExit(f"{trap.label}: rcode {rcode}, not {trap.rcode}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--questions", type=int, default=200)
    options = parser.parse_args()
    with validating(specs_of(*ZONES)) as server:
        for line in report(server, options.questions):
            print(line, flush=True)


if __name__ == "__main__":
    main()
