"""Durations are counted under the stage that had the answer."""

from __future__ import annotations

import pytest

from graydns.model.answer import Answer, Ede
from graydns.model.client import Client
from graydns.model.decision import BlockAction, Cohort, Decision, DecisionKind
from graydns.model.query import Query
from graydns.observe.answer_metrics import LATENCY_BOUNDS_SECONDS, LatencyHistogram, LatencyObserver, classify_stage

QUERY = Query(1, b"", b"\0\0\1\0\1", b"\0", 1, 1, Client(b"\x7f\0\0\1"))
RULED = QUERY._replace(
    decision=Decision(Cohort("t", "ads", "rule:ads"), DecisionKind.BLOCK, block=BlockAction.NXDOMAIN)
)


@pytest.mark.parametrize(
    ("query", "answer", "stage"),
    [
        (QUERY, Answer(), "authority"),
        (QUERY, Answer(rcode=3), "authority"),
        (RULED, Answer(rcode=3), "rule"),
        (QUERY, Answer(forwarded=True, stored_at=99.0), "cache"),
        (QUERY, Answer(forwarded=True, stored_at=100.5), "upstream"),
        (QUERY, Answer(forwarded=True), "upstream"),
        (QUERY, Answer(forwarded=True, edes=(Ede(3),)), "stale"),
        (QUERY, Answer(rcode=3, forwarded=True, edes=(Ede(19),)), "stale"),
        (QUERY, Answer(rcode=5), "refused"),
        (QUERY, Answer(rcode=2), "failed"),
    ],
)
def test_the_stage_shows_in_the_answer(query: Query, answer: Answer, stage: str) -> None:
    """Where an answer came from can be told without asking the links."""
    assert classify_stage(query, answer, began=100.0) == stage


def test_buckets_are_cumulative() -> None:
    """Each bound has all durations up to and with it; the last has all."""
    histogram = LatencyHistogram()
    for seconds in (0.0, 0.001, 0.0011, 99.0):
        histogram.add(seconds)
    counts = dict(histogram.cumulative())
    assert counts["0.001"] == 2
    assert counts["0.0025"] == 3
    assert counts[repr(LATENCY_BOUNDS_SECONDS[-1])] == 3
    assert counts["+Inf"] == 4
    assert histogram.total == pytest.approx(99.0021)


def test_answers_go_to_their_stage() -> None:
    """What the pipeline reports is in one histogram."""
    latency = LatencyObserver(lambda: 100.0)
    latency.answered(QUERY, Answer(forwarded=True, stored_at=99.9), 0.05)
    latency.answered(QUERY, Answer(forwarded=True, stored_at=99.9), 0.5)
    assert sum(latency.stages["cache"].buckets) == 1
    assert sum(latency.stages["upstream"].buckets) == 1
