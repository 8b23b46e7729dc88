"""The questions of a run: a wire file for dnsperf, and samples of which the right answers are known."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from attrs import frozen

from benchmarks import site
from benchmarks.wirefile import AAAA, A, Question, write

#: Queries in a file of hot questions; dnsperf begins again at its end.
HOT = 100_000

#: Distinct client subnets in it: 11.0.0.0/24 and on.
SUBNETS = 60_000

#: Queries in a file of misses, more than any server forwards in the time of a run: each name is asked once.
MISSES = 300_000

#: Queries in a file for runs with a connection each.
CONNECTIONS = {"tcp": 8000, "tls": 1500}

#: One query in so many carries tags, in gray files.
TAGGED = 100

SAMPLES = 20

#: Rounds for which there are names in the signed zone.
ROUNDS = 3


@frozen
class Sample:
    """A question and the sets of addresses of which one must be the answer's.

    *scope*: the ECS scope the answer must carry, None = whatever it is.
    """

    question: Question
    allowed: tuple[frozenset[str], ...]
    scope: int | None = None


@frozen
class Questions:
    file: Path
    samples: tuple[Sample, ...]


#: Makes the questions for one round: a folder to write into, the round's number, the most queries it may have.
Source = Callable[[Path, int, int], Questions]


def plain(folder: Path, _round: int, count: int) -> Questions:
    """Hosts of the plain zone, A and AAAA, with ECS that makes no difference."""

    def samples() -> Iterator[Sample]:
        for number in range(SAMPLES):
            rdtype = AAAA if number % 4 == 3 else A
            address = site.host_addresses(number)[rdtype == AAAA]
            yield Sample(Question(site.host(number), rdtype, subnet(number)), (frozenset((address,)),))

    def questions() -> Iterator[Question]:
        dice = random.Random(1)
        for number in range(count):
            yield Question(site.host(dice.randrange(site.HOSTS)), _rdtype(dice), subnet(number))

    return Questions(_file(folder / f"plain-{count}", questions), tuple(samples()))


def gray(folder: Path, _round: int, count: int) -> Questions:
    """Gray services asked by many subnets, one query in a hundred with tags."""
    return _gray(folder / f"gray-{count}", count, subnet, rules=0)


def ruled(rules: int) -> Source:
    """The same for a zone with *rules* address rules; every other subnet has one among the first 100,000."""

    def source(folder: Path, _round: int, count: int) -> Questions:
        return _gray(folder / f"ruled-{count}", count, _ruled_subnet, rules=rules)

    return source


def misses(folder: Path, round_: int, count: int) -> Questions:
    """Names that were not queried before, in this round or another."""
    samples = tuple(
        Sample(Question(f"s{number}r{round_}.{site.MISS}"), (frozenset((site.MISS_ADDRESS,)),))
        for number in range(SAMPLES)
    )

    def questions() -> Iterator[Question]:
        for number in range(count):
            yield Question(f"n{number}r{round_}.{site.MISS}", A, subnet(number))

    return Questions(_file(folder / f"misses-{count}-{round_}", questions), samples)


def signed(folder: Path, round_: int, _count: int) -> Questions:
    """Names of the signed zone that were not queried before, in this round or another, as far as there are any."""
    numbers = range(round_ * (site.SIGNED_HOSTS // ROUNDS), (round_ + 1) * (site.SIGNED_HOSTS // ROUNDS))
    return _signed(folder / f"signed-{round_}", numbers)


def signed_hot(folder: Path, _round: int, count: int) -> Questions:
    """Few names of the signed zone, many times."""
    return _signed(folder / "signed-hot", [number % site.HOSTS for number in range(count)])


def _signed(path: Path, numbers: Sequence[int]) -> Questions:
    addresses = (frozenset((site.MISS_ADDRESS,)),)
    samples = tuple(Sample(Question(site.signed_host(number)), addresses) for number in numbers[-SAMPLES:])
    rest = numbers[:-SAMPLES]
    return Questions(_file(path, lambda: (Question(site.signed_host(number), A) for number in rest)), samples)


def subnet(number: int) -> tuple[int, int, int]:
    """A /24, another one for each *number* below SUBNETS."""
    number %= SUBNETS
    return 11, number >> 8, number & 255


def _ruled_subnet(number: int) -> tuple[int, int, int]:
    return site.rule_subnet(number) if number % 2 else subnet(number)


def _gray(path: Path, count: int, client: Callable[[int], tuple[int, int, int]], rules: int) -> Questions:
    def questions() -> Iterator[Question]:
        dice = random.Random(2)
        for number in range(count):
            tags = "" if dice.randrange(TAGGED) else dice.choice((f"client={site.TESTER}", "client=other,region=north"))
            yield Question(site.service(dice.randrange(site.SERVICES)), _rdtype(dice), client(number), tags)

    return Questions(_file(path, questions), tuple(_gray_samples(client, rules)))


def _gray_samples(client: Callable[[int], tuple[int, int, int]], rules: int) -> Iterator[Sample]:
    """Clients that a rule or whitelist sends to the canary, and clients that the percentage decides about."""
    certain = [site.rule_subnet(number) for number in range(min(rules, 5))] + [(*site.WHITELISTED, 7)]
    for number, where in enumerate(itertools.chain(certain, map(client, range(SAMPLES)))):
        versions = ("canary",) if where in certain else ("stable", "canary")
        yield _gray_sample(number, versions, where)
    yield _gray_sample(0, ("canary",), subnet(0), f"client={site.TESTER}")


def _gray_sample(number: int, versions: tuple[str, ...], where: tuple[int, int, int], tags: str = "") -> Sample:
    allowed = tuple(frozenset((site.version_addresses(number, version)[0],)) for version in versions)
    return Sample(Question(site.service(number), A, where, tags), allowed, scope=24)


def _rdtype(dice: random.Random) -> int:
    return A if dice.randrange(5) else AAAA


def _file(path: Path, questions: Callable[[], Iterator[Question]]) -> Path:
    return path if path.exists() else write(path, questions())
