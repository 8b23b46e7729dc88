"""Security: what pipeline answers turned out to be worth, counted, and the metrics of what validates them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from attrs import define, field, frozen
from dns.rdatatype import RdataType
from prometheus_client.metrics_core import Metric

from graydns.fast.tally import OTHER
from graydns.model.answer import Answer
from graydns.model.query import Query
from graydns.observe.families import Row, counters, gauges
from graydns.resolve.validation import Validation

#: Tenants that have series of their own.
MOST_TENANTS = 1000


@define(eq=False)
class SecurityCounts:
    """Implements ``model.observe.QueryObserver``. *counts*: answers that were validated, by tenant and worth."""

    counts: Counter[tuple[str, str]] = field(init=False, factory=Counter)
    _tenants: set[str] = field(init=False, factory=set, repr=False)

    def answered(self, query: Query, answer: Answer, seconds: float) -> None:
        """One answer left the pipeline."""
        if answer.proof is None:
            return
        tenant = query.client.tenant
        if tenant not in self._tenants:
            if len(self._tenants) < MOST_TENANTS:
                self._tenants.add(tenant)
            else:
                tenant = OTHER
        self.counts[tenant, answer.proof.security.value] += 1


@frozen(eq=False)
class SecurityMetrics:
    """A prometheus-client collector."""

    answers: SecurityCounts = field(repr=False)
    validation: Validation = field(repr=False)

    def collect(self) -> Iterator[Metric]:
        """Read all counters."""
        validation, workers = self.validation, self.validation.workers
        text = "Answers that left the pipeline and had been validated, by what that found."
        yield from counters(
            "graydns_validated_answers", text, ("tenant", "security"), sorted(self.answers.counts.items())
        )
        asked: list[Row] = [((RdataType.to_text(rdtype),), count) for rdtype, count in validation.asked.items()]
        yield from counters("graydns_dnssec_questions", "Questions of the validator, by type.", ("type",), asked)
        known = [((), validation.size)]
        yield from gauges("graydns_dnssec_zones", "Names whose zones the validator remembers.", (), known)
        bogus = [((), validation.bogus.size)]
        yield from gauges(
            "graydns_dnssec_bogus", "Questions that are remembered, as their answers were bogus.", (), bogus
        )
        negatives = [((), len(validation.negatives))]
        text = "Negative trust anchors that operators set."
        yield from gauges("graydns_dnssec_negative_trust_anchors", text, (), negatives)
        work: list[Row] = [(("taken",), workers.taken), (("refused",), workers.refused)]
        text = "Work of the validator that was long, by whether threads had room for it."
        yield from counters("graydns_dnssec_work", text, ("result",), work)
        waiting = [((), workers.waiting)]
        yield from gauges("graydns_dnssec_work_waiting", "Such work that is not done yet.", (), waiting)
