"""The metrics of queries and answers: what came in, what was said, who got which version, how long it took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from attrs import field, frozen
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from graydns.fast.ledger import Ledger
from graydns.listen.service import Doors
from graydns.observe.families import PIECE, Row, counters, gauges
from graydns.observe.latency import Latency
from graydns.observe.render import show_rcode

#: Sketches read in one go.
SKETCHES = 8

_PATHS = ("hot", "parsed", "pipeline")


@frozen(eq=False)
class AnswerMetrics:
    """A prometheus-client collector."""

    ledger: Ledger = field(repr=False)
    latency: Latency = field(repr=False)
    doors: Doors = field(repr=False)

    def collect(self) -> Iterator[Metric]:
        """Read all counters."""
        by_door = (((door,), count) for door, count in self.doors.received.items())
        yield from counters("graydns_queries", "Messages that came in, by door.", ("door",), by_door)
        yield from counters("graydns_unanswered", "Messages that deserve no answer.", (), [((), self.ledger.silent)])
        yield from self._answers()
        yield from self._decisions()
        yield self._durations()

    def _answers(self) -> Iterator[Metric]:
        """Sums over all groups, with a pause after every PIECE of them."""
        name, text = "graydns_answers", "Answers, by tenant and rcode."
        by_rcode: Counter[tuple[str, int]] = Counter()
        paths = [0, 0, 0]
        for number, tally in enumerate(self.ledger.tallies):
            by_rcode[tally.group.tenant, tally.rcode] += tally.total
            for at, count in enumerate((tally.hot, tally.parsed, tally.piped)):
                paths[at] += count
            if number % PIECE == 0:
                yield from counters(name, text, ("tenant", "rcode"), ())
        rows = (((tenant, show_rcode(rcode)), count) for (tenant, rcode), count in by_rcode.items())
        yield from counters(name, text, ("tenant", "rcode"), rows)
        found = (((path,), count) for path, count in zip(_PATHS, paths, strict=True))
        yield from counters("graydns_answers_by_path", "Answers, by the way they were found.", ("path",), found)

    def _decisions(self) -> Iterator[Metric]:
        """Two families, from one look at the groups with a pause after every PIECE of them."""
        name, text, labels = "graydns_decisions", "Answers for services, by version.", ("tenant", "service", "version")
        versions: list[Row] = []
        rules: list[Row] = []
        for number, (group, tallies) in enumerate(self.ledger.tallies.groups()):
            total = sum(tally.total for tally in tallies)
            if group.is_version:
                versions.append((group, total))
            elif group.service:
                rules.append((group[:2], total))
            if number % PIECE == 0:
                yield from counters(name, text, labels, ())
        yield from counters(name, text, labels, versions)
        text = "Answers that a rule gave, blocked or sent to an upstream."
        yield from counters("graydns_rule_decisions", text, ("tenant", "rule"), rules)
        text = "Distinct clients of a version in the last 5 to 10 minutes, to about 2 %."
        yield from gauges("graydns_version_clients", text, labels, self._clients(), piece=SKETCHES)

    def _clients(self) -> Iterator[Row]:
        for group, clients in tuple(self.ledger.tallies.clients.items()):
            if group.is_version:
                yield group, clients.count()

    def _durations(self) -> Metric:
        text = "Time from the pipeline's entry to its answer, by the stage that had it."
        family = HistogramMetricFamily("graydns_pipeline_seconds", text, labels=("stage",))
        for stage, histogram in self.latency.stages.items():
            family.add_metric((stage,), tuple(histogram.cumulative()), histogram.total)
        return family
