"""Versions of a service from Consul: a canary that comes, empties and comes back, and Consul away."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import dns.edns
import dns.message
import dns.rcode
import pytest
from attrs import frozen

from tests.e2e.serving import serving, write
from tests.e2e.test_consul import addresses, ask, is_stale, until
from tools.consul import ConsulServer
from tools.ports import free_ports
from tools.programs import GRAYDNSCTL

STABLE = {"192.0.2.10"}

ZONE = """\
tenant_id: t-demo
services:
  api.shop.test:
    versions:
      stable: {A: 192.0.2.10}
      canary: {consul: {service: api, tag: v2}}
    default: stable
    percent: {canary: 50}
  all.shop.test:
    versions:
      stable: {consul: {service: api, meta: {kind: api}}, answers: 100}
      next: {A: 192.0.2.99}
    default: stable
"""


@frozen
class Place:
    """Where a graydns is, and its configuration."""

    config: Path
    port: int
    pages: int


@pytest.fixture
def place(agent: ConsulServer, tmp_path: Path) -> Place:
    """A configuration with that agent; nothing serves it yet."""
    port, pages = free_ports(2)
    folder = tmp_path / "graydns"
    folder.mkdir()
    main = f"""\
        listen: ["udp://127.0.0.1:{port}"]
        consul: {{address: {agent.address}, stale_after: 2s}}
        """
    config = write(folder, main, {"shop.test": (ZONE, "")})
    text = config.read_text().replace("admin: null", "admin: unix:admin.sock")
    config.write_text(text.replace("http: null", f"http: tcp://127.0.0.1:{pages}"))
    return Place(config, port, pages)


def register(agent: ConsulServer, number: int) -> None:
    """Have an instance of ``api`` with the tag v2 and a check of its own."""
    check = {"CheckID": f"c{number}", "TTL": "1h", "Status": "passing"}
    body = {
        "Name": "api",
        "ID": f"api{number}",
        "Address": f"192.0.2.{number}",
        "Tags": ["v2"],
        "Meta": {"kind": "api"},
        "Check": check,
    }
    agent.must("PUT", "/v1/agent/service/register", body)


def clients(port: int, name: str = "api.shop.test") -> list[frozenset[str]]:
    """What forty clients get."""
    return [frozenset(addresses(ask(port, name, subnet=f"198.51.{number}.0"))) for number in range(40)]


def test_a_canary_empties_into_the_default_and_comes_back(agent: ConsulServer, place: Place) -> None:
    """Its only instance fails: everybody gets the default; it passes again: the same clients get it as before."""
    register(agent, 20)
    port = place.port
    with serving(place.config, port):
        until(lambda: {"192.0.2.20"} in clients(port))
        before = clients(port)
        assert 5 < before.count(frozenset(STABLE)) < 35
        agent.must("PUT", "/v1/agent/check/fail/c20")
        until(lambda: set(clients(port)) == {frozenset(STABLE)})
        assert addresses(ask(port, "all.shop.test")) == {"192.0.2.20"}  # a default has nobody to hand its clients to
        agent.must("PUT", "/v1/agent/check/pass/c20")
        until(lambda: clients(port) == before)
        register(agent, 21)
        until(lambda: addresses(ask(port, "all.shop.test")) == {"192.0.2.20", "192.0.2.21"})
        agent.must("PUT", "/v1/agent/check/fail/c21")
        until(lambda: addresses(ask(port, "all.shop.test")) == {"192.0.2.20"})
        assert clients(port) == before  # half of the canary is as many as its threshold asks for


@pytest.mark.agent_keeps_data
def test_a_restart_without_consul(agent: ConsulServer, place: Place) -> None:
    """What was known is answered, the same to the same clients; with nothing known a default in the file answers for
    canaries too, and one from Consul is SERVFAIL with EDE 22, not a denial; all is well once Consul is there."""
    register(agent, 20)
    port = place.port
    with serving(place.config, port):
        until(lambda: addresses(ask(port, "all.shop.test")) == {"192.0.2.20"})
        before = clients(port)
    agent.kill()
    with serving(place.config, port):
        until(lambda: addresses(ask(port, "all.shop.test")) == {"192.0.2.20"})
        assert clients(port) == before
    (place.config.parent / "var" / "catalog.json").unlink()
    with serving(place.config, port):
        for _ in range(2):
            assert set(clients(port)) == {frozenset(STABLE)}
            answer = ask(port, "all.shop.test")
            assert answer.rcode() == dns.rcode.SERVFAIL
            assert [option.code for option in answer.options if isinstance(option, dns.edns.EDEOption)] == [22]
        agent.start()
        agent.wait_ready()
        register(agent, 20)
        until(lambda: addresses(ask(port, "all.shop.test")) == {"192.0.2.20"})
        agent.must("PUT", "/v1/agent/check/pass/c20")  # a check that was never refreshed has failed by now
        until(lambda: clients(port) == before)


def test_old_data_say_so(agent: ConsulServer, place: Place) -> None:
    """Answers of versions from Consul carry EDE 3 while it is silent for too long, those of the file's never do; the
    status and the metrics tell how old they are, and which canary is emptied."""
    register(agent, 20)
    port = place.port

    def stale(name: str) -> set[tuple[frozenset[str], bool]]:
        told = [ask(port, name, subnet=f"198.51.{number}.0") for number in range(40)]
        return {(frozenset(addresses(answer)), is_stale(answer)) for answer in told}

    canary, stable = frozenset({"192.0.2.20"}), frozenset(STABLE)
    with serving(place.config, port):
        until(lambda: stale("api.shop.test") == {(canary, False), (stable, False)})
        agent.freeze()
        until(lambda: stale("api.shop.test") == {(canary, True), (stable, False)})
        until(lambda: stale("all.shop.test") == {(canary, True)})
        until(lambda: status(place)["consul"]["stale"] == 1)
        assert status(place)["consul"]["age"] > 2
        assert "graydns_consul_stale 1.0" in metrics(place)
        agent.thaw()
        until(lambda: stale("api.shop.test") == {(canary, False), (stable, False)})
        assert status(place)["consul"]["stale"] == 0
        agent.must("PUT", "/v1/agent/check/fail/c20")
        emptied = 'graydns_version_emptied{service="api.shop.test",tenant="t-demo",version="canary"}'
        until(lambda: f"{emptied} 1.0" in metrics(place))
        agent.must("PUT", "/v1/agent/check/pass/c20")
        until(lambda: f"{emptied} 0.0" in metrics(place))


def status(place: Place) -> dict[str, Any]:
    """What graydnsctl gives."""
    command = [GRAYDNSCTL, "--json", "status"]
    done = subprocess.run(command, cwd=place.config.parent, capture_output=True, text=True, timeout=60)
    told: dict[str, Any] = json.loads(done.stdout)["result"]
    return told


def metrics(place: Place) -> str:
    """The page."""
    with urllib.request.urlopen(f"http://127.0.0.1:{place.pages}/metrics", timeout=5) as page:
        text: str = page.read().decode()
        return text
