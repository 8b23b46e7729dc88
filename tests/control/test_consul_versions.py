"""Versions from Consul under control: health and live changes beside each other, over reloads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import define
from twisted.internet import reactor as default_reactor
from twisted.internet.task import Clock

from graydns.control.control_plane import ControlPlane
from graydns.control.startup import open_control
from graydns.model.catalog import CRITICAL, PASSING, ServiceInstance, ServiceView
from graydns.server import DnsServer
from graydns.sources.consul.version_endpoints import VersionEndpoints
from graydns.sources.snapshot_loader import compile_reading, read_configuration
from tests.control.running import Running, Site, at_once, config, in_reactor

POLICY = """\
services:
  api.a.test:
    versions: {{stable: {{A: 192.0.2.10}}, canary: {{consul: {{service: api}}}}}}
    default: stable
    percent: {{canary: {percent}}}
  lost.a.test:
    versions: {{only: {{consul: {{service: unheard}}}}}}
    default: only
"""


@define
class Scene:
    """A server, and the views that Consul's catalog has."""

    running: Running
    versions: VersionEndpoints
    views: dict[str, ServiceView]

    def tell(self, status: str) -> None:
        """Consul says that ``api`` has one instance in this state."""
        instance = ServiceInstance("n1", "192.0.2.1", "api", "api1", "192.0.2.20", status=status)
        self.views["api"] = view = ServiceView("api", (instance,))
        self.versions.on_view(view)


def write(site: Site, version: str, percent: int) -> None:
    """A zone with a canary from Consul."""
    site.write(version)
    site.file().write_text(config("a.test", version, POLICY.format(percent=percent)))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A server with half of the clients on the canary."""
    site = Site(tmp_path)
    site.write_main("consul: {}\n")
    write(site, "1", 50)
    reading = read_configuration(site.main)
    snapshot = compile_reading(1, reading)
    snapshot.config.data.mkdir(exist_ok=True)
    views: dict[str, ServiceView] = {}
    versions = VersionEndpoints(views.get, Clock())
    server = DnsServer(snapshot, default_reactor, cookie_secrets=(), versions=versions)
    core = open_control(server, reading, default_reactor, in_thread=at_once)
    yield Scene(Running(site, server, core, ControlPlane(core)), versions, views)
    core.periodic_tasks.stop()


@in_reactor
async def test_health_and_live_changes_do_not_disturb_each_other(scene: Scene) -> None:
    """A share that was changed live is the same before, during and after a failure, and a reload keeps both."""
    running, control = scene.running, scene.running.control
    assert running.canaries() == 0
    scene.tell(PASSING)
    first = running.canaries()
    assert 60 < first < 140
    await control.service_percent("api.a.test", {"canary": "100"}, "ann")
    assert running.canaries() == 200
    scene.tell(CRITICAL)
    assert running.canaries() == 0
    write(running.site, "2", 0)
    await control.reload("ann")
    assert running.canaries() == 0
    scene.tell(PASSING)
    assert running.canaries() == 200
    await control.service_abort("api.a.test", "ann")
    assert running.canaries() == 0
    scene.tell(CRITICAL)
    scene.tell(PASSING)
    assert running.canaries() == 0
    await control.service_revert("api.a.test", "ann")
    assert running.canaries() == 0
    write(running.site, "3", 50)
    await control.reload("ann")
    assert running.canaries() == first


@in_reactor
async def test_a_health_change_touches_nothing_else(scene: Scene) -> None:
    """Hot answers of other names stay, the number of the snapshot too; old answers of the service do not come again."""
    running = scene.running
    scene.tell(PASSING)
    fallen = _first(running)
    running.ask("www.a.test")
    (table,) = running.server.hot_tables.values()
    slots, number = sum(map(len, table.young)), running.server.snapshot.number
    scene.tell(CRITICAL)
    assert sum(map(len, table.young)) == slots - 1
    assert running.server.snapshot.number == number
    assert running.ask(subnet=fallen) == ["192.0.2.10"]
    scene.tell(PASSING)
    assert running.ask(subnet=fallen) == ["192.0.2.20"]


def _first(running: Running) -> str:
    return next(
        subnet for subnet in (f"172.16.{n}.0" for n in range(1, 100)) if running.ask(subnet=subnet) == ["192.0.2.20"]
    )


@in_reactor
async def test_service_show_and_explain_name_the_state_of_consul_versions(scene: Scene) -> None:
    """`service show` and `explain` have state, counts and endpoints; a default that is not known yet is SERVFAIL."""
    control = scene.running.control
    scene.tell(PASSING)
    shown = control.service_show("api.a.test")
    consul = shown["configured"]["versions"]["canary"]["consul"]
    assert (consul["service"], consul["panic_threshold"]) == ("api", "50")
    assert shown["consul"]["canary"]["endpoints"] == ["192.0.2.20"]
    scene.tell(CRITICAL)
    shown = control.service_show("api.a.test")["consul"]["canary"]
    assert (shown["state"], shown["healthy"], shown["instances"], shown["emptied"]) == ("panic", 0, 1, True)
    reported = await control.explain("api.a.test", "A", "172.16.1.1")
    assert "canary: 0 of 1 instances of api healthy: its clients get stable" in str(reported)
    assert scene.running.ask("lost.a.test") == ["SERVFAIL"]
    assert scene.running.ask("lost.a.test", "TXT") == ["NOERROR"]


@in_reactor
async def test_another_consul_waits_for_a_restart(scene: Scene) -> None:
    """The running server keeps its connection and its data; `status` lists the key under `restart`."""
    running = scene.running
    scene.tell(PASSING)
    before = running.canaries()
    running.site.write_main('consul: {address: "http://127.0.0.1:9"}\n')
    write(running.site, "2", 50)
    assert (await running.control.reload("ann"))["restart"] == ["consul"]
    assert running.control.status()["restart"] == ["consul"]
    assert running.canaries() == before
