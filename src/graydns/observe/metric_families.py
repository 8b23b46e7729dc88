"""Metric families in pieces, so that thousands of series never keep a query waiting.

A collector yields a large family as several Metrics of one name, each with at most SAMPLES_PER_PIECE samples; a Metric
without samples is a pause. :func:`render` joins them to one text.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

#: Samples built and written in one go: about a millisecond.
SAMPLES_PER_PIECE = 50

#: Label values and the number.
MetricRow = tuple[Sequence[str], float]


class _SingleMetricRegistry:
    """A registry of one Metric."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterable[Metric]:
        """The metric."""
        return (self._metric,)


class _FamilyClass(Protocol):
    """CounterMetricFamily or GaugeMetricFamily."""

    def __call__(
        self, name: str, documentation: str, *, labels: Sequence[str]
    ) -> CounterMetricFamily | GaugeMetricFamily:
        """An empty family."""


def make_counter_family(
    name: str, help_text: str, labels: Sequence[str], rows: Iterable[MetricRow]
) -> Iterator[Metric]:
    """A counter family, in pieces."""
    return _make_pieces(CounterMetricFamily, name, help_text, labels, rows, SAMPLES_PER_PIECE)


def make_gauge_family(
    name: str, help_text: str, labels: Sequence[str], rows: Iterable[MetricRow], piece: int = SAMPLES_PER_PIECE
) -> Iterator[Metric]:
    """A gauge family, in pieces."""
    return _make_pieces(GaugeMetricFamily, name, help_text, labels, rows, piece)


def _make_pieces(
    make: _FamilyClass, name: str, help_text: str, labels: Sequence[str], rows: Iterable[MetricRow], piece: int
) -> Iterator[Metric]:
    left = iter(rows)
    while True:
        family = make(name, help_text, labels=labels)
        for values, number in islice(left, piece):
            family.add_metric(values, number)
        yield family
        if len(family.samples) < piece:
            return


def render(registry: CollectorRegistry) -> Generator[None, None, bytes]:
    """All metrics in the Prometheus text format 0.0.4, a piece at each step."""
    parts: list[bytes] = []
    before = ""
    for metric in registry.collect():
        text = generate_latest(_SingleMetricRegistry(metric))
        # HELP and TYPE, its first two lines, are written once for a family.
        parts.append(text if metric.name != before else text.split(b"\n", 2)[2])
        before = metric.name
        yield
    return b"".join(parts)
