"""Versions filled from views of Consul, into the Snapshot that is served."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import define, evolve, field
from dns.rdatatype import A
from twisted.internet.task import Clock
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from graydns.gray.version_health import PANIC
from graydns.model.catalog import (
    CRITICAL,
    DEFAULT_WEIGHTS,
    PASSING,
    WARNING,
    InstanceWeights,
    ServiceInstance,
    ServiceView,
)
from graydns.model.decision import Decision, DecisionKind
from graydns.model.errors import ConfigError
from graydns.model.name import from_text
from graydns.snapshot.snapshot import Snapshot
from graydns.sources.consul.version_endpoints import TenantService, VersionEndpoints
from graydns.sources.snapshot_loader import load_snapshot
from tests.e2e.serving import write
from tests.gray.making import client, query

API = from_text("api.shop.test")

ZONE = """\
tenant_id: t-demo
services:
  api.shop.test:
    versions: {{stable: {{A: 192.0.2.10}}, canary: {canary}}}
    default: {default}
    percent: {{{other}: 50}}
    whitelist: {{canary: ["client:qa"]}}
  web.shop.test:
    versions: {{only: {{A: 192.0.2.80}}}}
    default: only
"""


def load(folder: Path, canary: str, default: str = "stable", main: str = "consul: {}") -> Snapshot:
    """The Snapshot of a zone with that version, before anything fills it."""
    other = "canary" if default == "stable" else "stable"
    zone = ZONE.format(canary=canary, default=default, other=other)
    return load_snapshot(write(folder, f"{main}\n", {"shop.test": (zone, "")}))[0]


def instance(
    number: int, status: str = PASSING, weights: InstanceWeights = DEFAULT_WEIGHTS, address: str = ""
) -> ServiceInstance:
    """An instance at 192.0.2.NUMBER, with the tag v2."""
    host = address or f"192.0.2.{number}"
    return ServiceInstance("n1", "192.0.2.1", "api", f"api{number}", host, 80, ("v2",), {}, weights, status)


@define(eq=False)
class Scene:
    """Versions over a snapshot, and a Consul that is told what it says."""

    clock: Clock = field(factory=Clock)
    views: dict[str, ServiceView] = field(factory=dict)
    versions: VersionEndpoints = field(init=False)
    snapshot: Snapshot = field(init=False)
    renewed: list[Sequence[TenantService]] = field(init=False, factory=list)
    stale_views: list[ServiceView | None] = field(init=False, factory=list)

    def begin(self, snapshot: Snapshot, *, only_passing: bool = False) -> None:
        """Serve *snapshot*."""
        self.versions = VersionEndpoints(self.views.get, self.clock, only_passing, self.stale_views.__contains__)
        self.versions.subscribe(self.renew)
        self.snapshot = self.versions.fill_snapshot(snapshot)

    def renew(self, places: Iterable[TenantService]) -> None:
        """As the server does."""
        self.renewed.append(tuple(places))
        self.snapshot = self.versions.update_services(self.snapshot, self.renewed[-1])

    def tell(self, *instances: ServiceInstance) -> None:
        """Consul says that ``api`` has these."""
        self.views["api"] = view = ServiceView("api", instances)
        self.versions.on_view(view)

    def decision(self, name: str = "api.shop.test", identity: str = "client:qa") -> Decision:
        """What a client gets who is on the whitelist of the canary."""
        return self.snapshot.routers["t-demo"].decide(query(name, client(identity=identity)))

    @property
    def addresses(self) -> list[str]:
        """The last octets of the addresses that it gets."""
        return sorted(str(rdata[-1]) for rdatas in self.decision().records.values() for rdata in rdatas)

    @property
    def version(self) -> str:
        """The version that it gets."""
        return self.decision().cohort.outcome


@pytest.fixture
def scene() -> Scene:
    """A new one."""
    return Scene()


def test_instances_are_the_endpoints(scene: Scene, tmp_path: Path) -> None:
    """Those that are not critical, by weight; those at one address are one."""
    scene.begin(load(tmp_path, "{consul: {service: API, tag: V2}, answers: 9}"))
    assert (scene.version, set(scene.versions.consul_names)) == ("stable", {"api"})
    scene.tell(instance(20, weights=InstanceWeights(3, 1)), instance(21, WARNING), instance(22, CRITICAL))
    assert (scene.version, scene.addresses) == ("canary", ["20", "21"])
    pool = scene.snapshot.routers["t-demo"].services[API].pools["canary"]
    assert [member.weight for member in pool.members] == [3, 1]
    scene.tell(instance(20, weights=InstanceWeights(3, 1)), evolve(instance(23), address="192.0.2.20"))
    (member,) = scene.snapshot.routers["t-demo"].services[API].pools["canary"].members
    assert member.weight == 4


def test_a_warning_is_out_where_only_passing_counts(scene: Scene, tmp_path: Path) -> None:
    """And is a failure for the threshold."""
    scene.begin(load(tmp_path, "{consul: {service: api}}"), only_passing=True)
    scene.tell(instance(20), instance(21, WARNING))
    assert scene.addresses == ["20"]
    scene.tell(instance(20), instance(21, WARNING), instance(22, WARNING))
    assert scene.version == "stable"


def test_an_empty_canary_is_the_default_and_back(scene: Scene, tmp_path: Path) -> None:
    """For whoever is led to it; it is explained, and the same again when it is back."""
    scene.begin(load(tmp_path, "{consul: {service: api}}"))
    scene.tell(instance(20))
    before = scene.decision()
    scene.tell(instance(20, CRITICAL))
    assert (scene.version, scene.addresses) == ("stable", ["10"])
    told = scene.snapshot.routers["t-demo"].explain(query("api.shop.test", client(identity="client:qa")))
    assert told.decided_by == "whitelist client:qa"
    assert told.versions == ("canary: 0 of 1 instances of api healthy: its clients get stable",)
    assert "  version    canary: 0 of 1" in told.to_text()
    scene.tell()
    assert scene.snapshot.routers["t-demo"].services[API].health["canary"].state == "gone"
    scene.tell(instance(20))
    assert scene.decision().cohort == before.cohort


def test_a_change_of_state_is_logged(scene: Scene, tmp_path: Path) -> None:
    """Once, with what clients get: a warning when a canary empties, a plain line when it is back."""
    scene.begin(load(tmp_path, "{consul: {service: api}}"))
    lines: list[tuple[str, str]] = []

    def observe(event: LogEvent) -> None:
        lines.append((event["log_level"].name, formatEvent(event)))

    observer: Any = observe
    globalLogPublisher.addObserver(observer)
    try:
        for status in (PASSING, PASSING, CRITICAL, CRITICAL, PASSING):
            scene.tell(instance(20, status))
    finally:
        globalLogPublisher.removeObserver(observer)
    head = "version canary of api.shop.test: "
    assert lines == [
        ("info", f"{head}1 of 1 instances of api healthy"),
        ("warn", f"{head}0 of 1 instances of api healthy: its clients get stable"),
        ("info", f"{head}1 of 1 instances of api healthy"),
    ]


def test_what_was_told_too_long_ago_is_stale(scene: Scene, tmp_path: Path) -> None:
    """Until it is told again; versions from the file never are."""
    scene.begin(load(tmp_path, "{consul: {service: api}}"))
    scene.tell(instance(20))
    assert (scene.version, scene.decision().stale) == ("canary", False)
    old = [scene.views["api"]]
    scene.stale_views += old
    scene.versions.on_view(old[0])
    assert (scene.version, scene.addresses, scene.decision().stale) == ("canary", ["20"], True)
    others = [scene.decision(identity=f"client:{number}") for number in range(40)]
    assert {one.stale for one in others if one.cohort.outcome == "stable"} == {False}
    scene.tell(instance(20))
    assert not scene.decision().stale


def test_a_default_answers_with_all_it_has(scene: Scene, tmp_path: Path) -> None:
    """Too few healthy: all; none registered: no records; not known yet: neither."""
    scene.begin(load(tmp_path, "{consul: {service: api}, answers: 9}", "canary"))
    assert (scene.decision().kind, scene.version) == (DecisionKind.UNKNOWN, "canary")
    scene.tell(instance(20, CRITICAL), instance(21, CRITICAL), instance(22))
    assert scene.addresses == ["20", "21", "22"]
    assert scene.snapshot.routers["t-demo"].services[API].health["canary"].state == PANIC
    scene.tell(instance(20, CRITICAL), instance(21), instance(22))
    assert scene.addresses == ["21", "22"]
    scene.tell()
    assert (scene.decision().kind, scene.addresses) == (DecisionKind.VERSION, [])


def test_only_what_changes_is_compiled(scene: Scene, tmp_path: Path) -> None:
    """Other services keep their objects, an equal version its Pool, and nothing to do leaves the Snapshot as it is."""
    scene.begin(load(tmp_path, "{consul: {service: api}}"))
    first = scene.snapshot
    other = first.routers["t-demo"].services[from_text("web.shop.test")]
    scene.tell(instance(20))
    assert scene.snapshot.routers["t-demo"].services[from_text("web.shop.test")] is other
    assert scene.snapshot.routers["t-demo"].rules is first.routers["t-demo"].rules
    second, pool = scene.snapshot, scene.decision().origin
    scene.tell(evolve(instance(20), port=81))
    assert scene.snapshot is second
    scene.versions.on_view(ServiceView("other"))
    assert len(scene.renewed) == 2
    scene.snapshot = scene.versions.fill_snapshot(load(_next(tmp_path), "{consul: {service: api}}"))
    assert scene.decision().origin is pool


def test_hysteresis_outlives_a_reload(scene: Scene, tmp_path: Path) -> None:
    """An instance that is to be healthy for a while is waited for, whatever is swapped meanwhile."""
    text = "{consul: {service: api}, rise: 10s, fall: 2s}"
    scene.begin(load(tmp_path, text))
    scene.tell(instance(20))
    scene.tell(instance(20, CRITICAL))
    assert scene.version == "canary"
    scene.clock.advance(2)
    assert scene.version == "stable"
    scene.tell(instance(20))
    scene.clock.advance(6)
    scene.snapshot = scene.versions.fill_snapshot(load(_next(tmp_path), text))
    scene.clock.advance(3)
    assert scene.version == "stable"
    scene.clock.advance(1)
    assert scene.version == "canary"
    assert not scene.clock.getDelayedCalls()


def test_host_names_are_aliases(scene: Scene, tmp_path: Path) -> None:
    """One of them, and only where there is no IP address."""
    scene.begin(load(tmp_path, "{consul: {service: api}, answers: 9}"))
    scene.tell(instance(20, address="a.test"), instance(21, address="b.test"))
    (rdatas,) = scene.decision().records.values()
    assert rdatas in ((b"\1a\4test\0",), (b"\1b\4test\0",))
    scene.tell(instance(20, address="a.test"), instance(21), instance(22, address="x" * 70))
    assert scene.addresses == ["21"]


def test_without_a_section_it_is_an_error(tmp_path: Path) -> None:
    """Located in the zone's file."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "{consul: {service: api, tag: v2}}", main="consul: null")
    (fault,) = caught.value.issues
    assert fault.found == "instances of api (tag v2)"
    assert fault.expected == "a section 'consul' in graydns.yaml"
    assert (fault.line, fault.file.endswith("zone-config.yaml")) == (7, True)


def _next(folder: Path) -> Path:
    made = folder / "next"
    made.mkdir()
    return made


def test_addresses_are_read_as_for_the_domain(tmp_path: Path, scene: Scene) -> None:
    """IPv4 within IPv6 is IPv4; a zone index means something to one machine only, so that instance is left out."""
    scene.begin(load(tmp_path, "{consul: {service: api}, panic_threshold: 0}"))
    scene.tell(
        instance(1, address="::ffff:192.0.2.5"), instance(2, address="fe80::1%eth0"), instance(3, address="010.8.5.1")
    )
    assert scene.decision().records == {A: (bytes((192, 0, 2, 5)),)}
