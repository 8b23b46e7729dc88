"""``links:`` of graydns.yaml puts links of other packages into the pipeline."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from graydns.model.errors import ConfigError
from graydns.resolve import plugins
from graydns.resolve.pipeline import build_pipeline
from tests.resolve.test_pipeline import RecordedTrace, ask, forwarded_query, load, make_stores

USE = "tests.extending.domain_counter:make_counter"


def test_a_link_stands_where_the_file_says(tmp_path: Path) -> None:
    """A traced query passes it under its name, right before the link that ``before`` names."""
    snapshot = load(tmp_path, f"links: [{{use: '{USE}', before: cache}}]")
    stores, client = make_stores(snapshot)
    trace = RecordedTrace()
    query = forwarded_query()._replace(trace=trace)
    waiting = Deferred.fromCoroutine(build_pipeline(snapshot, stores).entrance.resolve(query))
    client.asked[0][1].errback(RuntimeError())
    waiting.addErrback(lambda _: None)
    assert trace.stages[-4:] == ["Cache", USE, "Outward", "Route"]


def test_state_of_a_link_survives_reloads(tmp_path: Path) -> None:
    snapshot = load(tmp_path, f"links: [{{use: '{USE}', before: cache}}]")
    stores, _ = make_stores(snapshot)
    for _ in range(2):
        ask(stores, snapshot, forwarded_query())
    (counts,) = stores.link_state.values()
    assert sum(counts.values()) == 2


def test_a_link_is_found_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = EntryPoints([EntryPoint("counter", USE, plugins.ENTRY_POINT_GROUP)])
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **parameters: points.select(**parameters))
    snapshot = load(tmp_path, "links: [{use: counter, before: route}]")
    stores, _ = make_stores(snapshot)
    ask(stores, snapshot, forwarded_query())
    assert list(stores.link_state) == ["counter"]
    with pytest.raises(ConfigError, match="did you mean 'counter'"):
        load(tmp_path, "links: [{use: countr, before: route}]")


@pytest.mark.parametrize(
    ("link", "where", "reason"),
    [
        ("{use: 'nowhere.at_all:x', before: cache}", "4:15", "cannot be imported"),
        ("{use: 'tests.extending.domain_counter:make_countr', before: cache}", "4:15", "did you mean 'make_counter'"),
        ("{use: 'tests.extending.domain_counter:not_a_factory', before: cache}", "4:15", "not callable"),
        ("{use: unknown, before: cache}", "4:15", "entry point"),
        (f"{{use: '{USE}', before: cach}}", "4:70", "did you mean 'cache'"),
    ],
)
def test_a_wrong_link_is_an_error_with_its_place(tmp_path: Path, link: str, where: str, reason: str) -> None:
    """The file does not load; the error names line, column and what is missing."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"links: [{link}]")
    assert f"graydns.yaml:{where}: links.0." in str(caught.value)
    assert reason in str(caught.value)
