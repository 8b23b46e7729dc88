"""Latency: how long pipeline queries took, by the stage that had their answer."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator

from attrs import define, field

from graydns.model.answer import Answer
from graydns.model.decision import Kind
from graydns.model.query import Query

#: Upper bounds of the histogram's buckets, in seconds.
BOUNDS = (
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
)  # fmt: skip

AUTHORITY, RULE, CACHE, STALE, UPSTREAM, REFUSED, FAILED = (
    "authority", "rule", "cache", "stale", "upstream", "refused", "failed",
)  # fmt: skip
STAGES = (AUTHORITY, RULE, CACHE, STALE, UPSTREAM, REFUSED, FAILED)

_STALE_EDES = (3, 19)  # RFC 8914: Stale Answer, Stale NXDOMAIN Answer
_SERVFAIL, _REFUSED = 2, 5


def stage_of(query: Query, answer: Answer, began: float) -> str:
    """Which stage had *answer* to a query that came at *began* (monotonic seconds)."""
    if answer.edes and any(ede.code in _STALE_EDES for ede in answer.edes):
        return STALE
    if answer.forwarded:
        return CACHE if answer.stored is not None and answer.stored < began else UPSTREAM
    if query.decision is not None and query.decision.kind in (Kind.BLOCK, Kind.RECORDS):
        return RULE
    return {_SERVFAIL: FAILED, _REFUSED: REFUSED}.get(answer.rcode, AUTHORITY)


class Histogram:
    """Durations of one stage. *buckets*: how many were at most as long as each bound and longer than the one before;
    the last one: longer than all. *total*: seconds in all."""

    __slots__ = ("buckets", "total")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    def cumulative(self) -> Iterator[tuple[str, float]]:
        """Bounds as Prometheus writes them, and how many were no longer than each."""
        count = 0
        for bound, bucket in zip((*map(repr, BOUNDS), "+Inf"), self.buckets, strict=True):
            count += bucket
            yield bound, count


@define(eq=False)
class Latency:
    """Implements ``model.observe.QueryObserver``. *clock*: monotonic seconds."""

    clock: Callable[[], float] = field(repr=False)
    stages: dict[str, Histogram] = field(init=False, factory=lambda: {stage: Histogram() for stage in STAGES})

    def answered(self, query: Query, answer: Answer, seconds: float) -> None:
        """One answer leaves the pipeline."""
        self.stages[stage_of(query, answer, self.clock() - seconds)].add(seconds)
