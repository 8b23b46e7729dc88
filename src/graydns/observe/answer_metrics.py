"""Metrics of queries and answers: messages received, answers by rcode, path and version, time in the pipeline, and
the results of DNSSEC validation.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator

from attrs import define, field, frozen
from dns.edns import EDECode
from dns.rdatatype import RdataType
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from graydns.fast.answer_log import OTHER_GROUP, AnswerLog
from graydns.listen.listeners import Listeners
from graydns.model.answer import Answer
from graydns.model.decision import DecisionKind
from graydns.model.dns_parameters import REFUSED, SERVFAIL, format_rcode
from graydns.model.query import Query
from graydns.observe.metric_families import SAMPLES_PER_PIECE, MetricRow, make_counter_family, make_gauge_family
from graydns.resolve.validation_state import ValidationState

#: Tenants that have series of their own.
MAX_VALIDATION_TENANT_SERIES = 1000


@define(eq=False)
class ValidationCounts:
    """Implements ``model.query.QueryObserver``. *counts*: validated answers, by tenant and security status."""

    counts: Counter[tuple[str, str]] = field(init=False, factory=Counter)
    _tenants: set[str] = field(init=False, factory=set, repr=False)

    def answered(self, query: Query, answer: Answer, seconds: float) -> None:
        """One answer left the pipeline."""
        if answer.proof is None:
            return
        tenant = query.client.tenant
        if tenant not in self._tenants:
            if len(self._tenants) < MAX_VALIDATION_TENANT_SERIES:
                self._tenants.add(tenant)
            else:
                tenant = OTHER_GROUP
        self.counts[tenant, answer.proof.security.value] += 1


@frozen(eq=False)
class ValidationMetrics:
    """A prometheus-client collector."""

    answers: ValidationCounts = field(repr=False)
    validation: ValidationState = field(repr=False)

    def collect(self) -> Iterator[Metric]:
        """Read all counters."""
        validation, workers = self.validation, self.validation.worker_pool
        text = "Validated answers of the pipeline, by security status."
        yield from make_counter_family(
            "graydns_validated_answers", text, ("tenant", "security"), sorted(self.answers.counts.items())
        )
        asked: list[MetricRow] = [
            ((RdataType.to_text(rdtype),), count) for rdtype, count in validation.key_queries.items()
        ]
        yield from make_counter_family(
            "graydns_dnssec_questions", "DS and DNSKEY queries of the validator, by type.", ("type",), asked
        )
        known = [((), validation.zone_count)]
        yield from make_gauge_family("graydns_dnssec_zones", "Names whose zones the validator has cached.", (), known)
        bogus = [((), validation.bogus_answers.size)]
        yield from make_gauge_family("graydns_dnssec_bogus", "Questions in the cache of bogus answers.", (), bogus)
        negatives = [((), len(validation.negative_anchors))]
        text = "Negative trust anchors set by operators."
        yield from make_gauge_family("graydns_dnssec_negative_trust_anchors", text, (), negatives)
        work: list[MetricRow] = [(("taken",), workers.accepted), (("refused",), workers.refused)]
        text = "Expensive validations, by whether the worker threads accepted them."
        yield from make_counter_family("graydns_dnssec_work", text, ("result",), work)
        waiting = [((), workers.pending)]
        yield from make_gauge_family(
            "graydns_dnssec_work_waiting", "Expensive validations that are pending.", (), waiting
        )


#: Upper bounds of the histogram's buckets, in seconds.
LATENCY_BOUNDS_SECONDS = (
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
)  # fmt: skip

STAGE_AUTHORITY, STAGE_RULE, STAGE_CACHE, STAGE_STALE, STAGE_UPSTREAM, STAGE_REFUSED, STAGE_FAILED = (
    "authority", "rule", "cache", "stale", "upstream", "refused", "failed",
)  # fmt: skip
STAGES = (STAGE_AUTHORITY, STAGE_RULE, STAGE_CACHE, STAGE_STALE, STAGE_UPSTREAM, STAGE_REFUSED, STAGE_FAILED)

_STALE_EDE_CODES = (EDECode.STALE_ANSWER, EDECode.STALE_NXDOMAIN_ANSWER)


def classify_stage(query: Query, answer: Answer, began: float) -> str:
    """The stage that *answer* came from, for a query received at *began* (monotonic seconds)."""
    if answer.edes and any(ede.code in _STALE_EDE_CODES for ede in answer.edes):
        return STAGE_STALE
    if answer.forwarded:
        return STAGE_CACHE if answer.stored_at is not None and answer.stored_at < began else STAGE_UPSTREAM
    if query.decision is not None and query.decision.kind in (DecisionKind.BLOCK, DecisionKind.RECORDS):
        return STAGE_RULE
    return {SERVFAIL: STAGE_FAILED, REFUSED: STAGE_REFUSED}.get(answer.rcode, STAGE_AUTHORITY)


class LatencyHistogram:
    """Durations of one stage. *buckets*: numbers of durations up to each bound and above the one before; the last one:
    above all bounds. *total*: sum in seconds."""

    __slots__ = ("buckets", "total")

    def __init__(self) -> None:
        self.buckets = [0] * (len(LATENCY_BOUNDS_SECONDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self.buckets[bisect_left(LATENCY_BOUNDS_SECONDS, seconds)] += 1
        self.total += seconds

    def cumulative(self) -> Iterator[tuple[str, float]]:
        """Bounds as Prometheus writes them, with the number of durations up to each."""
        count = 0
        for bound, bucket in zip((*map(repr, LATENCY_BOUNDS_SECONDS), "+Inf"), self.buckets, strict=True):
            count += bucket
            yield bound, count


@define(eq=False)
class LatencyObserver:
    """Implements ``model.query.QueryObserver``. *clock*: monotonic seconds."""

    clock: Callable[[], float] = field(repr=False)
    stages: dict[str, LatencyHistogram] = field(
        init=False, factory=lambda: {stage: LatencyHistogram() for stage in STAGES}
    )

    def answered(self, query: Query, answer: Answer, seconds: float) -> None:
        """One answer leaves the pipeline."""
        self.stages[classify_stage(query, answer, self.clock() - seconds)].add(seconds)


#: Sketches that are estimated in one step.
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
        by_transport = (((transport,), count) for transport, count in self.listeners.received.items())
        yield from make_counter_family("graydns_queries", "Messages received, by transport.", ("door",), by_transport)
        yield from make_counter_family(
            "graydns_unanswered", "Messages that get no reply.", (), [((), self.answer_log.unanswered)]
        )
        yield from self._answers()
        yield from self._decisions()
        yield self._durations()

    def _answers(self) -> Iterator[Metric]:
        """Sums over all groups, with a pause after every SAMPLES_PER_PIECE of them."""
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
            "graydns_answers_by_path", "Answers, by path: hot, parsed or pipeline.", ("path",), found
        )

    def _decisions(self) -> Iterator[Metric]:
        """Two families in one pass over the groups, with a pause after every SAMPLES_PER_PIECE of them."""
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
        text = "Answers given, blocked or sent to an upstream by a rule."
        yield from make_counter_family("graydns_rule_decisions", text, ("tenant", "rule"), rules)
        text = "Distinct clients of a version in the last 5 to 10 minutes, to about 2 %."
        yield from make_gauge_family("graydns_version_clients", text, labels, self._clients(), piece=SKETCHES_PER_PIECE)

    def _clients(self) -> Iterator[MetricRow]:
        for group, clients in tuple(self.answer_log.tallies.clients.items()):
            if group.is_version:
                yield group, clients.count()

    def _durations(self) -> Metric:
        text = "Time in the pipeline, by the stage that had the answer."
        family = HistogramMetricFamily("graydns_pipeline_seconds", text, labels=("stage",))
        for stage, histogram in self.latency.stages.items():
            family.add_metric((stage,), tuple(histogram.cumulative()), histogram.total)
        return family
