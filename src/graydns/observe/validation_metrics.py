"""Metrics of DNSSEC validation: results of pipeline answers, and the state of the validator."""

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
