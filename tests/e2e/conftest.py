"""A running demo, as ``make run`` serves it, with a real knotd behind it for what is not ours."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import frozen

from tests.conftest import answers
from tests.e2e.policysite import READ, Site, beside, rights
from tools.consul import ConsulServer
from tools.knot import knot_configuration
from tools.ports import free_ports
from tools.process import Process, start
from tools.programs import TWISTD
from tools.signed.served import serving as serving_signed
from tools.signed.zone import Zone

ROOT = Path(__file__).parents[2]

UPSTREAM_ZONE = """\
$ORIGIN ext.test.
$TTL 60
@ SOA ns hostmaster 1 3600 600 86400 30
  NS ns
ns A 192.0.2.53
www A 192.0.2.80
alias CNAME www
* A 192.0.2.99
big TXT {}
""".format(" ".join(f'"{"x" * 200}{number:04}"' for number in range(20)))

CONFIG = """\
listen: ["udp://127.0.0.1:{port}", "udp://[::1]:{port}", "tcp://127.0.0.1:{port}", "tls://127.0.0.1:{tls}"]
tls: {{certificate: var/dot.crt, key: var/dot.key}}
admin: null
http: null
data: var/
zones: zones/
limits: {{nsid: unit-7}}
upstreams: {{knot: {{servers: ["udp://127.0.0.1:{upstream}"], deadline: 2s}}}}
forward: {{ext.test: knot}}
tenants:
  t-demo:
    rules:
      - {{name: no-ads, when: {{name: "*.ads.ext.test"}}, then: {{block: nxdomain}}}}
"""


@frozen
class Demo:
    """A served demo: its *port* for UDP and TCP, its *tls* port, the *process*, the *folder* of its files."""

    port: int
    tls: int
    process: Process
    folder: Path


@pytest.fixture(scope="session")
def upstream(require_peer: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a knotd that serves ext.test."""
    knotd = require_peer("knotd")
    folder = tmp_path_factory.mktemp("knot")
    (port,) = free_ports(1)
    (folder / "ext.zone").write_text(UPSTREAM_ZONE)
    (folder / "knot.conf").write_text(knot_configuration(folder, port, {"ext.test": folder / "ext.zone"}))
    process = start([knotd, "-c", str(folder / "knot.conf")], folder)
    try:
        process.wait_until(lambda: answers(port))
        yield port
    finally:
        process.stop()


@pytest.fixture(scope="module")
def signed_upstream(
    zones: list[Zone], require_peer: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """The port of a server of *zones*, which the module that asks for it defines."""
    require_peer("named")
    with serving_signed(zones, tmp_path_factory.mktemp("signed")) as running:
        yield running.port


@pytest.fixture(scope="session")
def demo(upstream: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo zone, served by twistd."""
    folder = tmp_path_factory.mktemp("demo")
    port, tls = free_ports(2)
    shutil.copytree(ROOT / "zones", folder / "zones")
    (folder / "graydns.yaml").write_text(CONFIG.format(port=port, tls=tls, upstream=upstream))
    process = start([*TWISTD, "graydns", "--config", "graydns.yaml"], folder)
    try:
        process.wait_until(lambda: answers(port))
        yield Demo(port, tls, process, folder)
    finally:
        process.stop()


@pytest.fixture
def site(agent: ConsulServer, tmp_path: Path) -> Site:
    """A graydns beside an agent; it is not started."""
    return beside(agent, tmp_path / "graydns")


@pytest.fixture
def guarded(guarded_agent: ConsulServer, tmp_path: Path) -> Site:
    """The same with an agent that denies everything without a token; the one of graydns is bound to ``reading``."""
    rights(guarded_agent, READ)
    told = guarded_agent.must("PUT", "/v1/acl/token", {"Policies": [{"Name": "reading"}]})
    return beside(guarded_agent, tmp_path / "graydns", f"token: {told['SecretID']}")
