"""Security: what pipeline answers turned out to be worth, counted, and the metrics of what validates them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from attrs import define, field, frozen
from dns.rdatatype import RdataType
from prometheus_client.metrics_core import Metric

from graydns.fast.answer_log import OTHER_GROUP
from graydns.model.answer import Answer
from graydns.model.query import Query
from graydns.observe.metric_families import MetricRow, make_counter_family, make_gauge_family
from graydns.resolve.validation_state import ValidationState

#: Tenants that have series of their own.
MAX_VALIDATION_TENANT_SERIES = 1000


@define(eq=False)
class ValidationCounts:
    """Implements ``model.observe.QueryObserver``. *counts*: answers that were validated, by tenant and worth."""

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
        text = "Answers that left the pipeline and had been validated, by what that found."
        yield from make_counter_family(
            "graydns_validated_answers", text, ("tenant", "security"), sorted(self.answers.counts.items())
        )
        asked: list[MetricRow] = [
            ((RdataType.to_text(rdtype),), count) for rdtype, count in validation.key_queries.items()
        ]
        yield from make_counter_family(
            "graydns_dnssec_questions", "Questions of the validator, by type.", ("type",), asked
        )
        known = [((), validation.zone_count)]
        yield from make_gauge_family("graydns_dnssec_zones", "Names whose zones the validator remembers.", (), known)
        bogus = [((), validation.bogus_answers.size)]
        yield from make_gauge_family(
            "graydns_dnssec_bogus", "Questions that are remembered, as their answers were bogus.", (), bogus
        )
        negatives = [((), len(validation.negative_anchors))]
        text = "Negative trust anchors that operators set."
        yield from make_gauge_family("graydns_dnssec_negative_trust_anchors", text, (), negatives)
        work: list[MetricRow] = [(("taken",), workers.accepted), (("refused",), workers.refused)]
        text = "Work of the validator that was long, by whether threads had room for it."
        yield from make_counter_family("graydns_dnssec_work", text, ("result",), work)
        waiting = [((), workers.pending)]
        yield from make_gauge_family("graydns_dnssec_work_waiting", "Such work that is not done yet.", (), waiting)
