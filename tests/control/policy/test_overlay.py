"""A revision over the files and below live changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from graydns.control.live_changes import LiveChanges, PercentChange, ServiceOverride
from graydns.control.policy.acceptance import AcceptanceState, PolicyRevision, evaluate_listing
from graydns.control.policy.overlay import overlay_rules, overlay_shares
from graydns.control.service_overrides import overlay_live_changes
from graydns.model.errors import ConfigError
from graydns.model.name import from_text
from graydns.runtime.steps import run_steps
from graydns.snapshot.compiler import SnapshotInputs, compile_snapshot
from graydns.snapshot.snapshot import Snapshot
from graydns.sources.snapshot_loader import read_configuration
from tests.control.policy.making import NOW, TERMS, published, strategy
from tests.control.running import Site

API = from_text("api.a.test")
EMPTY: dict[str, Any] = {"route": [], "weight": {}, "percent": {}, "whitelist": {}}


@pytest.fixture
def inputs(tmp_path: Path) -> SnapshotInputs:
    """A zone a.test of tenant one, with the service api.a.test, and b.test."""
    site = Site(tmp_path)
    site.write_main()
    site.write(percent="10")
    site.write(zone="b.test")
    reading = read_configuration(site.main)
    return reading.to_snapshot_inputs(reading.config)


def revision(**parts: Any) -> PolicyRevision:
    """A revision of *parts*, accepted."""
    state, made = evaluate_listing(AcceptanceState(), published(strategy(**{**EMPTY, **parts})), TERMS, NOW)
    assert made is not None, state.refused
    return made


def compiled(inputs: SnapshotInputs, before: Snapshot | None = None) -> Snapshot:
    return run_steps(compile_snapshot(1, inputs, before))


def share(snapshot: Snapshot, version: str = "canary") -> int:
    """Millionths of the clients of api.a.test that get *version*."""
    segments = snapshot.routers["one"].services[API].split.segments
    return sum(end - start for start, end, name in segments if name == version)


def test_shares(inputs: SnapshotInputs) -> None:
    """A percentage takes the place of the file's, and the endpoints stay the very same."""
    base = compiled(inputs)
    shared = overlay_shares(base, revision(percent={"api.a.test": {"canary": "40"}}))
    assert shared.faults == ()
    assert (share(base), share(shared.snapshot)) == (100_000, 400_000)
    before, after = (snapshot.routers["one"].services[API] for snapshot in (base, shared.snapshot))
    assert before.pools is after.pools
    assert shared.snapshot.file_by_zone[from_text("a.test")].services[API].percent == {"canary": 400_000}
    assert base.file_by_zone[from_text("a.test")].services[API].percent == {"canary": 100_000}


def test_weights_and_whitelists(inputs: SnapshotInputs) -> None:
    """Weights take the place of percentages, a whitelist that of the whole list; other services are untouched."""
    base = compiled(inputs)
    said = revision(
        weight={"api.a.test": {"stable": "1", "canary": "1"}}, whitelist={"api.a.test": {"canary": "client:x"}}
    )
    snapshot = overlay_shares(base, said).snapshot
    assert share(snapshot) == 500_000
    assert list(snapshot.routers["one"].services[API].whitelist_identities) == ["client:x"]
    other = from_text("api.b.test")
    assert snapshot.routers["one"].services[other] is base.routers["one"].services[other]


def test_nothing_said(inputs: SnapshotInputs) -> None:
    """A revision without shares changes nothing; one with no share for a service gives all their default."""
    base = compiled(inputs)
    assert overlay_shares(base, revision()).snapshot is base
    assert share(overlay_shares(base, revision(percent={"api.a.test": {}})).snapshot, "stable") == 1_000_000


def test_live_changes_count_before_it(inputs: SnapshotInputs) -> None:
    """Files, then KV, then what an operator changed live."""
    shared = overlay_shares(compiled(inputs), revision(percent={"api.a.test": {"canary": "40"}})).snapshot
    live = LiveChanges(
        {"api.a.test": ServiceOverride(percent=PercentChange(value={"canary": 700_000}, actor="x", at=0))}
    )
    assert share(overlay_live_changes(shared, live).snapshot) == 700_000
    assert share(overlay_live_changes(shared, LiveChanges()).snapshot) == 400_000


def test_what_does_not_fit(inputs: SnapshotInputs) -> None:
    """Unknown services and versions are told by the key that names them, and left out; the others count."""
    said = revision(
        percent={"api.a.test": {"green": "1"}, "x.a.test": {"canary": "1"}, "api.b.test": {"canary": "40"}},
        whitelist={"x.a.test": {"canary": "client:x"}},
    )
    shared = overlay_shares(compiled(inputs), said)
    assert sorted(str(fault).partition(", expected")[0] for fault in shared.faults) == [
        "gray/strategy/7/percent: api.a.test.green: found 'green'",
        "gray/strategy/7/percent: x.a.test: found the unknown service 'x.a.test'",
        "gray/strategy/7/whitelist: x.a.test: found the unknown service 'x.a.test'",
    ]
    assert share(shared.snapshot) == 100_000
    other = shared.snapshot.file_by_zone[from_text("b.test")].services[from_text("api.b.test")]
    assert other.percent == {"canary": 400_000}


def test_services_of_other_tenants(inputs: SnapshotInputs) -> None:
    """A revision of one tenant has no say in another's services."""
    files = tuple(evolve(file, tenant_id="two") for file in inputs.zone_files)
    base = compiled(evolve(inputs, zone_files=files))
    (fault,) = overlay_shares(base, revision(percent={"api.a.test": {"canary": "1"}})).faults
    assert fault.expected == "a service of the tenant 'one'"


RULE = {"name": "vip", "when": {"source": "10.9.0.0/16"}, "then": {"version": "canary"}}


def test_rules(inputs: SnapshotInputs) -> None:
    """Rules of a revision are compiled with the tenant's, under names that no file can have."""
    base = compiled(inputs)
    fresh = compiled(overlay_rules(inputs, revision(route=[RULE])), base)
    names = {rule.name for rule in fresh.routers["one"].rules} - {rule.name for rule in base.routers["one"].rules}
    assert names == {"policy:vip"}
    assert fresh.routers["default"] is base.routers["default"]
    again = compiled(overlay_rules(inputs, revision(route=[RULE])), fresh)
    assert again.routers["one"] is fresh.routers["one"]
    assert compiled(inputs, fresh).routers["one"] is not fresh.routers["one"]


def test_rules_that_do_not_fit(inputs: SnapshotInputs) -> None:
    """What is wrong with a rule names its key in KV and its place there."""
    twin = {**RULE, "name": "twin"}
    with pytest.raises(ConfigError) as caught:
        compiled(overlay_rules(inputs, revision(route=[twin, RULE])))
    assert {fault.file for fault in caught.value.issues} == {"gray/strategy/7/route"}
    assert {fault.path[0] for fault in caught.value.issues} <= {0, 1}


def test_a_router_with_shares_is_not_kept_for_the_files(inputs: SnapshotInputs) -> None:
    """Whoever compiles the files again after that gets what they say."""
    shared = overlay_shares(compiled(inputs), revision(percent={"api.a.test": {"canary": "40"}})).snapshot
    assert share(compiled(inputs, shared)) == 100_000
