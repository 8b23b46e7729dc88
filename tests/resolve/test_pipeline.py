"""The pipeline: one chain for all queries, whose state outlives it."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from graydns.model.answer import Answer
from graydns.model.client import Client
from graydns.model.query import Query
from graydns.resolve.pipeline import build_pipeline
from graydns.resolve.stores import Stores
from graydns.snapshot.snapshot import Snapshot
from graydns.sources.snapshot_loader import load_snapshot
from graydns.upstream.server_groups import UpstreamGroup
from tests.resolve.chains import make_answer
from tests.upstream.queries import make_query


class Silent:
    """Discards anomalies."""

    def note(self, source: bytes, kind: str, detail: str = "") -> None:
        """Ignore it."""


class HeldClient:
    """An upstream client whose queries wait until the test answers them."""

    def __init__(self) -> None:
        self.asked: list[tuple[Query, Deferred[Answer]]] = []

    def ask(self, query: Query, group: UpstreamGroup) -> Deferred[Answer]:
        """As ``UpstreamClient``."""
        waiting: Deferred[Answer] = Deferred()
        self.asked.append((query, waiting))
        return waiting


class RecordedTrace:
    """A trace that lists its stages, the innermost first."""

    id = "0"

    def __init__(self) -> None:
        self.stages: list[str] = []

    def passed(self, stage: str, began: float, ended: float) -> None:
        """As ``QueryTrace``."""
        self.stages.append(stage)

    def end(self, query: Query, answer: Answer) -> None:
        """As ``QueryTrace``."""


def load(folder: Path, text: str = "") -> Snapshot:
    path = folder / "graydns.yaml"
    path.write_text(
        f"zones: null\nconsul: null\nupstreams: {{default: {{servers: ['udp://127.0.0.1:5399']}}}}\n{text}\n"
    )
    return load_snapshot(path)[0]


def make_stores(snapshot: Snapshot) -> tuple[Stores, HeldClient]:
    stores, client = Stores(Clock(), Silent(), lambda: snapshot), HeldClient()
    stores.client = client  # type: ignore[assignment]
    return stores, client


def ask(stores: Stores, snapshot: Snapshot, query: Query) -> list[Answer]:
    """Send *query* through a new pipeline: a list that gets its answer."""
    answers: list[Answer] = []
    entrance = build_pipeline(snapshot, stores).entrance
    Deferred.fromCoroutine(entrance.resolve(query)).addCallback(answers.append)
    return answers


def forwarded_query() -> Query:
    query = make_query()
    client: Client = query.client._replace(may_forward=True)
    return query._replace(client=client, recursion_desired=True)


def test_a_traced_query_joins_the_others(tmp_path: Path) -> None:
    """It coalesces with a query without a trace; the link where it joined is the last of its stages."""
    snapshot = load(tmp_path, "dnssec: {validate: false}")
    stores, client = make_stores(snapshot)
    trace = RecordedTrace()
    first = ask(stores, snapshot, forwarded_query())
    second = ask(stores, snapshot, forwarded_query()._replace(trace=trace))
    ((query, waiting),) = client.asked
    waiting.callback(make_answer(query))
    assert first
    assert second == first
    assert trace.stages == ["Coalesce", "Limit", "Cache", "Outward", "Route"]


def test_queries_of_two_pipelines_coalesce(tmp_path: Path) -> None:
    """A reload that changes nothing about upstreams and DNSSEC makes no second query to the upstream."""
    snapshot = load(tmp_path)
    stores, client = make_stores(snapshot)
    ask(stores, snapshot, forwarded_query())
    ask(stores, evolve(snapshot, number=2), forwarded_query())
    assert len(client.asked) == 1


def test_a_query_does_not_join_a_flight_of_other_dnssec_settings(tmp_path: Path) -> None:
    """After a reload that turns validation on, an equal query in flight is not joined."""
    snapshot = load(tmp_path)
    stores, client = make_stores(snapshot)
    ask(stores, snapshot, forwarded_query())
    ask(stores, load(tmp_path, "dnssec: {validate: true}"), forwarded_query())
    assert len(client.asked) == 2
