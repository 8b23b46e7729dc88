"""A server without listeners: files in a folder, its ControlPlane, and queries to its front end."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import dns.message
import pytest_twisted
from attrs import define, field
from dns.edns import ECSOption, Option
from twisted.internet.task import Clock

from graydns.control.collaborators import ControlAuditLog, ControlObservers
from graydns.control.control_plane import ControlPlane
from graydns.control.core import ControlCore
from graydns.control.startup import open_control
from graydns.model.query import Query
from graydns.model.transport import UDP
from graydns.server import DnsServer
from graydns.sources.snapshot_loader import compile_reading, read_configuration
from tests.coroutines import finished

T = TypeVar("T")

MAIN = "admin: null\nhttp: null\nforward: {}\nreload: {refresh_interval_ms: 100}\n"

DATA = "$ORIGIN {zone}.\n$TTL 300\n@ SOA ns.test. h.test. {serial} 3600 600 86400 60\n@ NS ns.test.\nwww A {www}\n"

POLICY = """\
services:
  api.{zone}:
    versions: {{stable: {{A: 192.0.2.10}}, canary: {{A: 192.0.2.20}}}}
    default: stable
    percent: {{canary: {percent}}}
rules:
  - {{name: vip, when: {{source: 10.2.0.0/16}}, then: {{version: canary}}}}
"""


def config(zone: str, version: str, rest: str = "") -> str:
    """A zone-config.yaml."""
    head = f'zone: {zone}\ntenant_id: one\nconfig_version: "{version}"\nsource: {{file: data.zone}}\n'
    return head + textwrap.dedent(rest)


Test = TypeVar("Test", bound=Callable[..., object])


def in_reactor(test: Test) -> Test:
    """A test that is a coroutine."""
    return cast(Test, pytest_twisted.ensureDeferred(test))


async def at_once(call: Callable[[], T]) -> T:
    """A thread that is none."""
    return call()


@define
class Site:
    """Configuration in *folder*."""

    folder: Path

    @property
    def main(self) -> Path:
        return self.folder / "graydns.yaml"

    def write_main(self, more: str = "", text: str = MAIN) -> None:
        self.main.write_text(text + textwrap.dedent(more))

    def file(self, zone: str = "a.test") -> Path:
        return self.folder / "zones" / zone / "zone-config.yaml"

    def write(self, version: str = "1", percent: str = "0", zone: str = "a.test", more: str = "") -> None:
        """A zone with one service and one rule."""
        self.file(zone).parent.mkdir(parents=True, exist_ok=True)
        self.file(zone).write_text(config(zone, version, POLICY.format(zone=zone, percent=percent) + more))
        if not self.data(zone).exists():
            self.write_data(zone=zone)

    def data(self, zone: str = "a.test") -> Path:
        return self.folder / "zones" / zone / "data.zone"

    def write_data(self, serial: int = 7, www: str = "192.0.2.80", zone: str = "a.test", more: str = "") -> None:
        self.data(zone).write_text(DATA.format(zone=zone, serial=serial, www=www) + more)


@define
class Running:
    """A server and its ControlPlane."""

    site: Site
    server: DnsServer
    core: ControlCore
    control: ControlPlane
    _peer: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._peer = self.server.front.peer("127.0.0.1", UDP)

    def ask(self, name: str = "api.a.test", rdtype: str = "A", subnet: str | None = None) -> list[str]:
        """What a client gets: its answers, or the rcode."""
        options: list[Option] = [] if subnet is None else [ECSOption(subnet, 24)]
        wire = dns.message.make_query(name, rdtype, use_edns=0, options=options).to_wire()
        said = self.server.front.answer(wire, self.server.front.peer("127.0.0.1", UDP))
        if isinstance(said, Query):
            said = finished(self.server.front.resolve(said, self._peer))
        assert said is not None
        reply = dns.message.from_wire(said)
        return [str(record) for rrset in reply.answer for record in rrset] or [reply.rcode().name]

    def canaries(self, count: int = 200) -> int:
        """How many of *count* clients get the canary."""
        subnets = (f"172.16.{number}.0" for number in range(count))
        return sum(self.ask(subnet=subnet) == ["192.0.2.20"] for subnet in subnets)


def run(site: Site, reactor: Any, observers: ControlObservers | None = None, **options: Any) -> Running:
    """Serve *site*; *options*: those of ``open_control``. Raises ConfigError."""
    reading = read_configuration(site.main, options.get("sources"))
    snapshot = compile_reading(1, reading)
    snapshot.config.data.mkdir(exist_ok=True)
    server = DnsServer(snapshot, reactor, cookie_secrets=())
    core = open_control(server, reading, reactor, **options)
    return Running(site, server, core, ControlPlane(core, observers or ControlObservers()))


def begin(site: Site, clock: Clock, audit: ControlAuditLog | None = None) -> Running:
    """Serve *site* from what its data folder holds; *clock* gives the wall-clock time as well."""
    return run(site, clock, in_thread=at_once, wall=clock.seconds, audit=audit)
