"""Collections of an old Snapshot are reclaimed beside queries once no query can use them."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from weakref import ref

import pytest

from graydns.authority.zone_data import ZoneTable
from graydns.config.document import Document
from graydns.config.settings import Config
from graydns.gray.policy_compiler import ZonePolicy
from graydns.gray.router import Router
from graydns.model.client import DEFAULT_TENANT
from graydns.model.name import from_text
from graydns.model.policy import Rule, RuleConditions, RuleOutcome, ServiceEndpoint, ServicePolicy, ServiceVersion
from graydns.runtime.steps import DeferredReclaimer, run_steps
from graydns.snapshot.snapshot import Snapshot, watch_snapshot
from graydns.upstream.server_groups import ForwardTable
from tests.gray.making import compile_router

ZONE, API = from_text("a.test"), from_text("api.a.test")


@pytest.fixture(autouse=True)
def without_collector() -> Iterator[None]:
    """Objects are freed by their reference count alone."""
    gc.disable()
    yield
    gc.enable()


def router(rules: int) -> Router:
    versions = {
        "a": ServiceVersion((ServiceEndpoint({"A": ("192.0.2.1",)}),)),
        "b": ServiceVersion((ServiceEndpoint({"A": ("192.0.2.2",)}),)),
    }
    whens = [RuleConditions(source=f"10.{at // 250}.{at % 250}.0/24", name=f"*-{at}.a.test") for at in range(rules)]
    listed = [Rule(f"r{at}", when, RuleOutcome(version="b")) for at, when in enumerate(whens)]
    return compile_router("t", (ZonePolicy(ZONE, {API: ServicePolicy(versions, "a")}, listed),), ())


def snapshot(router: Router) -> Snapshot:
    config = Config(file=Path("graydns.yaml"), document=Document("graydns.yaml", b""))
    return Snapshot(1, config, ZoneTable(), {}, {DEFAULT_TENANT: router}, ForwardTable({}))


def test_rules_outlive_their_router_until_they_are_reclaimed() -> None:
    """Dropping the last Snapshot with a policy frees nothing large; working through it frees everything."""
    woken: list[None] = []
    reclaimer = DeferredReclaimer(lambda: woken.append(None))
    served = snapshot(router(300))
    watch_snapshot(reclaimer, served)
    watch_snapshot(reclaimer, served)
    policy = served.routers[DEFAULT_TENANT]
    rule, plan = ref(policy.rules[7]), ref(policy.plan(API, 1))
    dead = ref(policy)
    del policy, served
    assert dead() is None
    assert rule() is not None
    assert plan() is not None
    assert woken == [None]
    run_steps(reclaimer.reclaim_steps())
    assert rule() is None
    assert plan() is None


def test_what_is_shared_stays() -> None:
    """A Router with other services keeps the rules of the one before it; they go with the last of both."""
    reclaimer = DeferredReclaimer(lambda: None)
    first = router(100)
    second = first.with_services({API: first.services[API]})
    watch_snapshot(reclaimer, snapshot(first))
    watch_snapshot(reclaimer, snapshot(second))
    rule = ref(first.rules[0])
    del first
    run_steps(reclaimer.reclaim_steps())
    assert len(second.plan(from_text("x-7.a.test"), 1).steps) == 0
    assert second.plan(API, 1).constant_decision is not None
    assert len(second.networks) == 100
    del second
    run_steps(reclaimer.reclaim_steps())
    assert rule() is None


def test_it_wakes_once_for_all_pending_work() -> None:
    """One call of wake for everything that is pending, and another for what comes later."""
    woken: list[None] = []
    reclaimer = DeferredReclaimer(lambda: woken.append(None))
    reclaimer.schedule(iter([None] * 500))
    reclaimer.schedule(iter([None]))
    assert len(woken) == 1
    run_steps(reclaimer.reclaim_steps())
    reclaimer.schedule(iter([None]))
    assert len(woken) == 2
