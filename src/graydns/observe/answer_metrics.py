"""Latency: how long pipeline queries took, by the stage that had their answer.

The metrics of queries and answers: what came in, what was said, who got which version, how long it took.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator

from attrs import define, field, frozen
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from graydns.fast.answer_log import AnswerLog
from graydns.listen.listeners import Listeners
from graydns.model.answer import Answer
from graydns.model.decision import DecisionKind
from graydns.model.dns_parameters import format_rcode
from graydns.model.query import Query
from graydns.observe.metric_families import SAMPLES_PER_PIECE, MetricRow, make_counter_family, make_gauge_family

#: Upper bounds of the histogram's buckets, in seconds.
LATENCY_BOUNDS_SECONDS = (
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
)  # fmt: skip

STAGE_AUTHORITY, STAGE_RULE, STAGE_CACHE, STAGE_STALE, STAGE_UPSTREAM, STAGE_REFUSED, STAGE_FAILED = (
    "authority", "rule", "cache", "stale", "upstream", "refused", "failed",
)  # fmt: skip
STAGES = (STAGE_AUTHORITY, STAGE_RULE, STAGE_CACHE, STAGE_STALE, STAGE_UPSTREAM, STAGE_REFUSED, STAGE_FAILED)

_STALE_EDE_CODES = (3, 19)  # RFC 8914: Stale Answer, Stale NXDOMAIN Answer
_RCODE_SERVFAIL, _RCODE_REFUSED = 2, 5


def classify_stage(query: Query, answer: Answer, began: float) -> str:
    """Which stage had *answer* to a query that came at *began* (monotonic seconds)."""
    if answer.edes and any(ede.code in _STALE_EDE_CODES for ede in answer.edes):
        return STAGE_STALE
    if answer.forwarded:
        return STAGE_CACHE if answer.stored_at is not None and answer.stored_at < began else STAGE_UPSTREAM
    if query.decision is not None and query.decision.kind in (DecisionKind.BLOCK, DecisionKind.RECORDS):
        return STAGE_RULE
    return {_RCODE_SERVFAIL: STAGE_FAILED, _RCODE_REFUSED: STAGE_REFUSED}.get(answer.rcode, STAGE_AUTHORITY)


class LatencyHistogram:
    """Durations of one stage. *buckets*: how many were at most as long as each bound and longer than the one before;
    the last one: longer than all. *total*: seconds in all."""

    __slots__ = ("buckets", "total")

    def __init__(self) -> None:
        self.buckets = [0] * (len(LATENCY_BOUNDS_SECONDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.buckets[bisect_left(LATENCY_BOUNDS_SECONDS, seconds)] += 1
        self.total += seconds

    def cumulative(self) -> Iterator[tuple[str, float]]:
        """Bounds as Prometheus writes them, and how many were no longer than each."""
        count = 0
        for bound, bucket in zip((*map(repr, LATENCY_BOUNDS_SECONDS), "+Inf"), self.buckets, strict=True):
            count += bucket
            yield bound, count


@define(eq=False)
class LatencyObserver:
    """Implements ``model.observe.QueryObserver``. *clock*: monotonic seconds."""

    clock: Callable[[], float] = field(repr=False)
    stages: dict[str, LatencyHistogram] = field(
        init=False, factory=lambda: {stage: LatencyHistogram() for stage in STAGES}
    )

    def answered(self, query: Query, answer: Answer, seconds: float) -> None:
        """One answer leaves the pipeline."""
        self.stages[classify_stage(query, answer, self.clock() - seconds)].add(seconds)


#: Sketches read in one go.
SKETCHES_PER_PIECE = 8

_ANSWER_PATHS = ("hot", "parsed", "pipeline")


@frozen(eq=False)
class AnswerMetrics:
    """A prometheus-client collector."""

    answer_log: AnswerLog = field(repr=False)
    latency: LatencyObserver = field(repr=False)
    listeners: Listeners = field(repr=False)

    def collect(self) -> Iterator[Metric]:
        """Read all counters."""
        by_door = (((door,), count) for door, count in self.listeners.received.items())
        yield from make_counter_family("graydns_queries", "Messages that came in, by door.", ("door",), by_door)
        yield from make_counter_family(
            "graydns_unanswered", "Messages that deserve no answer.", (), [((), self.answer_log.unanswered)]
        )
        yield from self._answers()
        yield from self._decisions()
        yield self._durations()

    def _answers(self) -> Iterator[Metric]:
        """Sums over all groups, with a pause after every PIECE of them."""
        name, text = "graydns_answers", "Answers, by tenant and rcode."
        by_rcode: Counter[tuple[str, int]] = Counter()
        paths = [0, 0, 0]
        for number, tally in enumerate(self.answer_log.tallies):
            by_rcode[tally.group.tenant, tally.rcode] += tally.total
            for at, count in enumerate((tally.hot, tally.parsed, tally.piped)):
                paths[at] += count
            if number % SAMPLES_PER_PIECE == 0:
                yield from make_counter_family(name, text, ("tenant", "rcode"), ())
        rows = (((tenant, format_rcode(rcode)), count) for (tenant, rcode), count in by_rcode.items())
        yield from make_counter_family(name, text, ("tenant", "rcode"), rows)
        found = (((path,), count) for path, count in zip(_ANSWER_PATHS, paths, strict=True))
        yield from make_counter_family(
            "graydns_answers_by_path", "Answers, by the way they were found.", ("path",), found
        )

    def _decisions(self) -> Iterator[Metric]:
        """Two families, from one look at the groups with a pause after every PIECE of them."""
        name, text, labels = "graydns_decisions", "Answers for services, by version.", ("tenant", "service", "version")
        versions: list[MetricRow] = []
        rules: list[MetricRow] = []
        for number, (group, tallies) in enumerate(self.answer_log.tallies.groups()):
            total = sum(tally.total for tally in tallies)
            if group.is_version:
                versions.append((group, total))
            elif group.service:
                rules.append((group[:2], total))
            if number % SAMPLES_PER_PIECE == 0:
                yield from make_counter_family(name, text, labels, ())
        yield from make_counter_family(name, text, labels, versions)
        text = "Answers that a rule gave, blocked or sent to an upstream."
        yield from make_counter_family("graydns_rule_decisions", text, ("tenant", "rule"), rules)
        text = "Distinct clients of a version in the last 5 to 10 minutes, to about 2 %."
        yield from make_gauge_family("graydns_version_clients", text, labels, self._clients(), piece=SKETCHES_PER_PIECE)

    def _clients(self) -> Iterator[MetricRow]:
        for group, clients in tuple(self.answer_log.tallies.clients.items()):
            if group.is_version:
                yield group, clients.count()

    def _durations(self) -> Metric:
        text = "Time from the pipeline's entry to its answer, by the stage that had it."
        family = HistogramMetricFamily("graydns_pipeline_seconds", text, labels=("stage",))
        for stage, histogram in self.latency.stages.items():
            family.add_metric((stage,), tuple(histogram.cumulative()), histogram.total)
        return family
