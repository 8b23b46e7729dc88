"""The metrics say what was answered, and docs/observing.md lists all of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.task import Clock

from graydns.audit.audit_service import AuditFigures
from graydns.fast.answer_log import MAX_COUNTER_GROUPS, OTHER_GROUP
from graydns.fast.tail_shape import MAX_TAGGED_TAIL_BYTES
from graydns.listen.connections import ListenerLimits
from graydns.listen.listeners import Listeners
from graydns.model.catalog import CatalogFeedFigures
from graydns.model.decision import Cohort, Decision, DecisionKind
from graydns.observe.metric_families import SAMPLES_PER_PIECE, render
from graydns.observe.observability import ObservabilityService
from graydns.observe.server_metrics import MAX_QUOTA_TENANT_SERIES, PolicyFigures
from graydns.runtime.token_bucket import TenantQuota
from graydns.server import DnsServer
from tests.observe.watching import ROOT, ask, demo, wire


@pytest.fixture
def server(tmp_path: Path) -> DnsServer:
    """The demo's."""
    return demo(tmp_path)


@pytest.fixture
def observatory(server: DnsServer) -> ObservabilityService:
    """What observes it."""
    listeners = Listeners([], server.front, ListenerLimits(), Clock())  # type: ignore[arg-type]  # nothing is opened
    figures = PolicyFigures(7, {"lower": 2})
    feed = CatalogFeedFigures(
        known=9, watches=5, shared=4, age=1.5, stale=3, doubted=1, unread=6, errors=2, last_error="500"
    )
    reloads = {"ok": 3, "refused": 1}
    audit = AuditFigures(40, {"disk": 1, "queue": 2}, 3, 4)
    return ObservabilityService(
        server,
        listeners,
        Clock(),
        http=None,
        reloads=lambda: reloads,
        audit=lambda: audit,
        policies=lambda: figures,
        catalog=lambda: feed,
    )


def text(registry: CollectorRegistry) -> str:
    """All metrics, rendered in one go."""
    steps = render(registry)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            rendered: bytes = end.value
            return rendered.decode()


def values(observatory: ObservabilityService) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample."""
    families = text_string_to_metric_families(text(observatory.registry))
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def of(observatory: ObservabilityService, name: str, **labels: str) -> float:
    """One sample."""
    return values(observatory)[name, tuple(sorted(labels.items()))]


def test_every_answer_is_counted_once(server: DnsServer, observatory: ObservabilityService) -> None:
    """By rcode and by path, whichever way an answer took, the sum is the number of answers."""
    for _ in range(3):
        ask(server, wire("www.shop.test"))
    for _ in range(2):
        ask(server, wire("nope.shop.test"))
    ask(server, wire("www.shop.test", client="x" * MAX_TAGGED_TAIL_BYTES))
    ask(server, wire("elsewhere.example"))
    ask(server, wire("www.shop.test")[:14])
    ask(server, b"\0" * 4)
    counts = values(observatory)
    answers = {labels: count for (name, labels), count in counts.items() if name == "graydns_answers_total"}
    assert answers == {
        (("rcode", "NOERROR"), ("tenant", "t-demo")): 4,
        (("rcode", "NXDOMAIN"), ("tenant", "t-demo")): 2,
        (("rcode", "REFUSED"), ("tenant", "default")): 1,
        (("rcode", "FORMERR"), ("tenant", "default")): 1,
    }
    paths = {labels[0][1]: count for (name, labels), count in counts.items() if name == "graydns_answers_by_path_total"}
    assert paths == {"hot": 3, "parsed": 2, "pipeline": 3}
    assert counts["graydns_unanswered_total", ()] == 1


def test_decisions_are_told_by_version(server: DnsServer, observatory: ObservabilityService) -> None:
    """The share that was really served shows, by queries and by distinct clients."""
    subnets = [f"10.{number // 256}.{number % 256}.0/24" for number in range(1500)]
    canary = 0
    for subnet in subnets * 2:
        canary += b"\xc0\0\2\x14" in ask(server, wire("api.shop.test", subnet=subnet))
    version = {"tenant": "t-demo", "service": "api.shop.test", "version": "canary"}
    stable = version | {"version": "stable"}
    assert of(observatory, "graydns_decisions_total", **version) == canary
    assert of(observatory, "graydns_decisions_total", **stable) == 3000 - canary
    clients = of(observatory, "graydns_version_clients", **version)
    assert abs(clients - canary / 2) <= 0.1 * canary / 2
    everybody = clients + of(observatory, "graydns_version_clients", **stable)
    assert abs(everybody - 1500) <= 150


def test_rules_are_counted_apart(server: DnsServer, observatory: ObservabilityService) -> None:
    """What a rule answers is no version."""
    ask(server, wire("x.ads.shop.test"))
    assert of(observatory, "graydns_rule_decisions_total", tenant="t-demo", rule="ads") == 1


def test_time_in_the_pipeline_is_told_by_stage(server: DnsServer, observatory: ObservabilityService) -> None:
    """Every pipeline answer is in one histogram."""
    for name in ("www.shop.test", "x.ads.shop.test", "elsewhere.example"):
        ask(server, wire(name))
    for stage in ("authority", "rule", "refused"):
        assert of(observatory, "graydns_pipeline_seconds_count", stage=stage) == 1
        assert of(observatory, "graydns_pipeline_seconds_bucket", stage=stage, le="+Inf") == 1
    assert of(observatory, "graydns_pipeline_seconds_count", stage="upstream") == 0


def test_counters_outlive_a_swap(server: DnsServer, observatory: ObservabilityService) -> None:
    """A new snapshot empties the hot table, and no counter."""
    for _ in range(5):
        ask(server, wire("www.shop.test"))
    server.swap(server.snapshot)
    ask(server, wire("www.shop.test"))
    assert of(observatory, "graydns_answers_total", tenant="t-demo", rcode="NOERROR") == 6


def test_reloads_and_the_running_snapshot_show(server: DnsServer, observatory: ObservabilityService) -> None:
    """What the administration counts is there, too."""
    assert of(observatory, "graydns_reloads_total", result="refused") == 1
    assert of(observatory, "graydns_snapshot_number") == server.snapshot.number
    assert of(observatory, "graydns_upstream_suspect", upstream="none", server="udp://127.0.0.1:9") == 0
    assert of(observatory, "graydns_ready") == 0


def test_refusals_by_quotas_show_by_tenant(server: DnsServer, observatory: ObservabilityService) -> None:
    """Of many tenants the first have series of their own, all others one together."""
    for number in range(MAX_QUOTA_TENANT_SERIES + 3):
        quota = server.quotas[f"t{number}"] = TenantQuota()
        quota.refused = number
    assert of(observatory, "graydns_quota_refusals_total", tenant="t7") == 7
    assert of(observatory, "graydns_quota_refusals_total", tenant=OTHER_GROUP) == 3 * MAX_QUOTA_TENANT_SERIES + 3
    whole = text(observatory.registry)
    assert len(re.findall(r"^graydns_quota_refusals_total\{", whole, re.MULTILINE)) == MAX_QUOTA_TENANT_SERIES + 1


def test_thousands_of_series_come_in_pieces(server: DnsServer, observatory: ObservabilityService) -> None:
    """No step builds more than a piece, and the whole has each family's head once and every series."""
    for number in range(2 * MAX_COUNTER_GROUPS):
        decision = Decision(Cohort("t", f"s{number}", "v"), DecisionKind.VERSION)
        server.front.answer_log.tallies.counter_for(0, decision, "t").piped += 1
    assert all(
        len(metric.samples) <= SAMPLES_PER_PIECE or metric.type == "histogram"
        for metric in observatory.registry.collect()
    )
    whole = text(observatory.registry)
    assert whole.count("# TYPE graydns_decisions_total counter\n") == 1
    assert len(re.findall(r"^graydns_decisions_total\{", whole, re.MULTILINE)) == MAX_COUNTER_GROUPS + 1
    assert len(list(text_string_to_metric_families(whole))) == whole.count("# TYPE")


def test_the_feed_has_its_figures(observatory: ObservabilityService) -> None:
    """Each under its name."""
    wanted = {
        "known": 9,
        "watches": 5,
        "shared": 4,
        "age_seconds": 1.5,
        "stale": 3,
        "doubted": 1,
        "unread": 6,
        "errors_total": 2,
    }
    assert {name: of(observatory, f"graydns_consul_{name}") for name in wanted} == wanted


def test_docs_list_every_metric(observatory: ObservabilityService) -> None:
    """docs/observing.md has a row for each metric with its labels, and for no other."""
    documented = dict(
        re.findall(r"^\| `(graydns_\w+)` \|([^|]*)\|", (ROOT / "docs/observing.md").read_text(), re.MULTILINE)
    )
    ours = set(re.findall(r"^# TYPE (graydns_\w+) ", text(observatory.registry), re.MULTILINE))
    assert set(documented) == ours
    for name, labels in values(observatory):
        family = re.sub(r"(?<=graydns_pipeline_seconds)_(bucket|sum|count)$", "", name)
        if family in documented:
            named = set(re.findall(r"`(\w+)`", documented[family]))
            assert named == {label for label, _ in labels} - {"le"}, name
