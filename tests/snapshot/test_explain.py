"""``explain`` of names in Consul's domain: what it says is what queries get."""

from __future__ import annotations

from pathlib import Path

import pytest

from graydns.authority.consul.consul_zone import ConsulZoneBackend
from graydns.gray.explanation import Explanation
from graydns.model.catalog import CRITICAL, PASSING, ServiceInstance, ServiceView
from graydns.model.client import Client
from graydns.model.name import from_text
from graydns.snapshot.consul_domain import ConsulZoneTemplate, add_consul_domain
from graydns.snapshot.snapshot import Snapshot
from graydns.sources.snapshot_loader import load_snapshot
from tests.authority.consul_asking import Known, Unknown
from tests.e2e.serving import write
from tests.gray.making import client, query

RULES = """\
tenant_id: t-app
rules:
  - {name: net, when: {source: 10.2.0.0/16, name: "*.consul.app.test"}, then: {records: {A: 192.0.2.9}}}
  - {name: qa, when: {client: qa, name: "*.consul.app.test"}, then: {block: nodata}}
"""

WEB = "web.service.consul.app.test"

CLIENTS = [
    *(client(f"198.51.{number}.7", subnet=f"198.51.{number}.0/24") for number in range(30)),
    *(client(f"198.51.{number}.7") for number in range(10)),
    client(subnet="10.2.3.0/24"),
    client("10.2.3.4"),
    client(identity="client:qa"),
    client(identity="client:qa", subnet="198.51.1.0/24"),
]


def make_snapshot(folder: Path, catalog: Known | Unknown) -> Snapshot:
    """A tenant's zone with the domain in it."""
    name = "consul.app.test"
    main = f"zones: zones/\nconsul: {{domain: {name}}}\n"
    snapshot = load_snapshot(write(folder, main, {"app.test": (RULES, "")}))[0]
    return add_consul_domain(snapshot, ConsulZoneTemplate(ConsulZoneBackend(from_text(name), "dc1", catalog)))


def web(count: int, *more: ServiceInstance) -> Known:
    """A catalog with so many instances of ``web``."""
    instances = (instance(number) for number in range(1, count + 1))
    return Known({"web": ServiceView("web", (*instances, *more))})


def instance(number: int, status: str = PASSING) -> ServiceInstance:
    """One instance."""
    address = f"10.0.{number >> 8}.{number & 255}"
    return ServiceInstance(f"n{number}", address, "web", "web", port=80, tags=("v1",), status=status)


def explain(snapshot: Snapshot, asker: Client, name: str = WEB) -> Explanation:
    """The explanation for *asker*."""
    return snapshot.explain(query(name, asker))


@pytest.mark.parametrize("count", [1, 2, 7])
def test_what_is_explained_is_what_is_decided(tmp_path: Path, count: int) -> None:
    """For every client, in every field that the answer depends on."""
    snapshot = make_snapshot(tmp_path, web(count))
    for asker in CLIENTS:
        decision = snapshot.plan(from_text(WEB), 1, asker.tenant).decide(asker)
        reported = explain(snapshot, asker)
        assert reported.decision is decision
        assert reported.tenant == "t-app"
        assert reported.cohort == decision.cohort
        assert (reported.scope, reported.reach) == (
            decision.ecs_scope(asker),
            (decision.ecs_scope_v4, decision.ecs_scope_v6),
        )
        assert (reported.varies, reported.private) == (decision.varies, decision.private)


def test_instances_are_listed_in_the_order_of_the_answer(tmp_path: Path) -> None:
    """The first is the client's own, and the explanation says why."""
    snapshot = make_snapshot(tmp_path, web(3, instance(4, CRITICAL)))
    reported = explain(snapshot, client(subnet="198.51.1.0/24"))
    assert reported.catalog == "service web: 3 of 4 instances are in"
    assert sorted(reported.instances) == [f"n{at}/web at 10.0.0.{at} port 80, weight 1, passing" for at in (1, 2, 3)]
    assert reported.instances[0].split()[0] == reported.endpoint
    assert (reported.key, reported.scope) == ("network 198.51.1.0/24", 24)
    assert reported.decided_by == "catalog: no rule matches"
    lines = reported.to_text().splitlines()
    assert "  catalog    service web: 3 of 4 instances are in" in lines
    assert f"  instance 1: {reported.instances[0]}" in lines


def test_rules_come_first_with_the_scope_of_the_name(tmp_path: Path) -> None:
    """An answer that a rule gives must not be cached for clients of another rule."""
    reported = explain(make_snapshot(tmp_path, web(3)), client(subnet="10.2.3.0/24"))
    assert (reported.decided_by, reported.scope, reported.instances) == ("rule net", 24, ())


def test_of_many_instances_some_are_listed(tmp_path: Path) -> None:
    """A service may have thousands."""
    assert len(explain(make_snapshot(tmp_path, web(300)), client()).instances) == 100


@pytest.mark.parametrize(
    ("name", "catalog"),
    [
        ("v2.web.service", "service web, tag v2: 0 of 1 instances are in"),
        ("none.service", "service none: 0 of 0 instances are in"),
        ("n1.node", "node n1"),
        ("0a000001.addr", "an address, spelled"),
        ("service", "nothing, but names below it exist"),
        ("web.service.dc2", "another datacenter"),
        ("db.query", "what only a Consul server can look up"),
        ("nothing", "nothing"),
    ],
)
def test_whatever_a_name_stands_for(tmp_path: Path, name: str, catalog: str) -> None:
    """The explanation names it; outside of the domain there is none."""
    snapshot = make_snapshot(tmp_path, web(1))
    assert explain(snapshot, client(), f"{name}.consul.app.test").catalog == catalog
    assert explain(snapshot, client(), "www.app.test").catalog is None


def test_a_service_that_is_not_known_yet_is_described_as_such(tmp_path: Path) -> None:
    """Explaining a name asks Consul for nothing."""
    reported = explain(make_snapshot(tmp_path, Unknown()), client())
    assert reported.catalog == "service web: Consul has not delivered it yet"
