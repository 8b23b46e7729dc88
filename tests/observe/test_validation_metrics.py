"""What answers turned out to be worth is counted, for so many tenants and no more."""

from __future__ import annotations

from graydns.fast.answer_log import OTHER_GROUP
from graydns.model.answer import Answer
from graydns.model.client import Client
from graydns.model.dnssec_values import Security, ValidationStatus
from graydns.model.query import Query
from graydns.observe.answer_metrics import MAX_VALIDATION_TENANT_SERIES, ValidationCounts


def query(tenant: str) -> Query:
    return Query(0, b"", b"", b"\0", 1, 1, Client(bytes(4), tenant=tenant))


def test_only_what_was_validated_counts() -> None:
    """An answer that nobody looked at is not indeterminate."""
    counts = ValidationCounts()
    for answer in (
        Answer(),
        Answer(proof=ValidationStatus(Security.INDETERMINATE)),
        Answer(proof=ValidationStatus(Security.SECURE)),
    ):
        counts.answered(query("one"), answer, 0.0)
    assert counts.counts == {("one", "indeterminate"): 1, ("one", "secure"): 1}


def test_tenants_past_the_bound_are_counted_together() -> None:
    """Those that came first keep their series."""
    counts = ValidationCounts()
    for number in (*range(MAX_VALIDATION_TENANT_SERIES + 5), 0):
        counts.answered(query(f"t{number}"), Answer(proof=ValidationStatus(Security.BOGUS)), 0.0)
    assert len(counts.counts) == MAX_VALIDATION_TENANT_SERIES + 1
    assert counts.counts[OTHER_GROUP, "bogus"] == 5
    assert counts.counts["t0", "bogus"] == 2
