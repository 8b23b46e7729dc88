"""Live changes where policies come from Consul: on all nodes through KV, on one with --local, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.policysite import CANARY, CLIENTS, KEY, STABLE, UNSIGNED, Site, beside
from tools.consul import ConsulServer

pytestmark = pytest.mark.timeout(120)

API = "api.a.test"


@pytest.fixture
def pair(agent: ConsulServer, tmp_path: Path) -> tuple[Site, Site]:
    """Two nodes that take policies without a signature; not started."""
    one, other = (beside(agent, tmp_path / name, policy=UNSIGNED) for name in ("one", "other"))
    return one, other


def keys(site: Site) -> list[str]:
    """All that KV has."""
    status, found = site.agent.call("GET", "/v1/kv/gray/?keys")
    return found if status == 200 else []


def test_unsigned_changes_reach_all_nodes(pair: tuple[Site, Site]) -> None:
    """The server makes the next revision itself, whichever node is asked, and what it does not name stays."""
    one, other = pair
    with one.serving(), other.serving():
        done = one.ctl("service", "percent", API, "canary=100")
        assert (done["nodes"], done["before"]["revision"], done["after"]["revision"]) == ("all", None, 1)
        assert (done["before"]["percent"], done["after"]["percent"]) == ({}, {"canary": "100"})
        other.until(lambda: other.canaries() == CLIENTS)
        other.ctl("service", "whitelist", API, "stable", "--add", "net:198.51.3.0/24")
        one.until(lambda: one.ask("198.51.3.0") == [STABLE])
        assert one.canaries() == CLIENTS - 1
        one.ctl("service", "weights", API, "canary=0", "stable=1")
        other.until(lambda: other.canaries() == 0)
        shown = one.ctl("policy", "show")
        assert (shown["percent"], shown["weight"]) == ({}, {API: {"canary": 0, "stable": 1}})
        assert shown["whitelist"] == {API: {"stable": ["net:198.51.3.0/24"]}}
        assert (shown["meta"]["revision"], shown["meta"]["author"].startswith("uid:")) == (3, True)
        one.ctl("policy", "rollback", "1")
        other.until(lambda: other.canaries() == CLIENTS)
        assert "Revision 4 says something of it" in one.ctl("service", "revert", API, status=1)
        done = one.ctl("service", "revert", API, "--policy")
        assert done["after"]["percent"] == {}
        other.until(lambda: other.canaries() == 0)
        assert "says nothing" in one.ctl("service", "revert", API, "--policy", status=1)


def test_local_changes_stay_here_and_say_so(pair: tuple[Site, Site]) -> None:
    """KV is left alone; what is local counts before what comes from there, and whoever changes that is told."""
    one, other = pair
    with one.serving(), other.serving():
        done = one.ctl("service", "percent", API, "canary=100", "--local", "--for", "1h")
        assert done["nodes"] == "this one"
        assert one.canaries() == CLIENTS
        assert [row["field"] for row in one.status_of("drift")] == ["percent"]
        assert keys(one) == []
        assert "live changes of this node" in one.ctl("service", "percent", API, "canary=0")["warning"]
        assert one.canaries() == CLIENTS
        other.until(lambda: other.status()["revision"] == 1)
        assert other.canaries() == 0
        assert one.ctl("service", "revert", API)["nodes"] == "this one"
        assert one.canaries() == 0


def test_what_cannot_be_a_revision_is_refused(pair: tuple[Site, Site]) -> None:
    """An end, an unknown version, too much, an aborted service; and a base that does not run here."""
    one, _ = pair
    with one.serving():
        assert "--local" in one.ctl("service", "percent", API, "canary=1", "--for", "1h", status=1)
        assert "no version green" in one.ctl("service", "percent", API, "green=1", status=1)
        assert "found" in one.ctl("service", "percent", API, "canary=101", status=1)
        assert "not on the whitelist" in one.ctl("service", "whitelist", API, "canary", "--remove", "tls:x", status=1)
        one.ctl("service", "abort", API)
        assert "aborted on all nodes" in one.ctl("service", "percent", API, "canary=5", status=1)
        one.ctl("service", "revert", API)
        one.activate(9)
        one.until(lambda: one.refused("incomplete"))
        assert "revision 9 is active" in one.ctl("service", "percent", API, "canary=5", status=1)
        assert keys(one) == ["gray/strategy/active"]


def test_signed_changes_need_a_key(site: Site) -> None:
    """No server has it: without --key the change is refused, with it the client signs what the server drafts."""
    path = site.folder / "k1.pem"
    path.write_bytes(KEY.dump())
    rule: list[dict[str, Any]] = [{"name": "vip", "when": {"source": "10.2.0.0/16"}, "then": {"version": "canary"}}]
    with site.serving():
        refusal = site.ctl("service", "percent", API, "canary=100", status=1)
        assert all(word in refusal for word in ("--key", "--local", "service abort"))
        site.ctl("policy", "push", site.file(7, "0", route=rule))
        done = site.ctl("service", "percent", API, "canary=100", "--key", str(path))
        assert done["after"] == {"revision": 8}
        assert site.canaries() == CLIENTS
        site.ctl("service", "whitelist", API, "stable", "--add", "net:198.51.3.0/24", "--key", str(path))
        assert site.ask("198.51.3.0") == [STABLE]
        site.ctl("service", "weights", API, "stable=1", "--key", str(path))
        site.ctl("service", "revert", API, "--policy", "--key", str(path))
        assert (site.canaries(), site.ask("10.2.3.0")) == (0, [CANARY])
        assert site.status()["revision"] == 11
        assert site.status()["signed_by"] == "k1"
        assert "unknown-key" not in site.metrics()
        bad = site.ctl("service", "percent", API, "canary=1", "--key", str(path), "--id", "k2", status=1)
        assert "k2" in bad
        assert "says nothing" in site.ctl("service", "revert", API, "--policy", "--key", str(path), status=1)


def test_gray_off_on_all_nodes(pair: tuple[Site, Site]) -> None:
    """By a key in KV, one for a tenant or for all: it outlasts restarts, and either node ends it."""
    one, other = pair
    with one.serving(), other.serving():
        one.ctl("service", "percent", API, "canary=100")
        other.until(lambda: other.canaries() == CLIENTS)
        done = one.ctl("gray", "off", "--tenant", "one")
        assert (done["nodes"], done["after"]["gray_off"]) == ("all", ["one"])
        other.until(lambda: other.canaries() == 0)
        assert (one.canaries(), one.status()["off"], one.status_of("gray_off")) == (0, ["one"], ["one"])
        assert one.ctl("service", "show", API)["gray_off"] is True
        assert "gray/off/one" in keys(one)
    with one.serving(), other.serving():
        assert (one.canaries(), other.canaries()) == (0, 0)
        assert "on all nodes" in other.ctl("gray", "on", "--local", status=1)
        other.ctl("gray", "off")
        assert "gray/off/*" in keys(one)
        other.ctl("gray", "on")
        assert (other.canaries(), other.status_of("gray_off")) == (CLIENTS, [])
        one.until(lambda: one.canaries() == CLIENTS)
        assert "gray is not off" in one.ctl("gray", "on", status=1)


def test_gray_off_on_one_node(pair: tuple[Site, Site]) -> None:
    """--local leaves KV alone; `gray on` ends it with and without the key of all nodes."""
    one, other = pair
    with one.serving(), other.serving():
        one.ctl("service", "percent", API, "canary=100")
        assert one.ctl("gray", "off", "--local")["nodes"] == "this one"
        other.until(lambda: other.canaries() == CLIENTS)
        assert (one.canaries(), one.status()["off"]) == (0, [])
        other.ctl("gray", "off")
        one.until(lambda: one.status()["off"] == ["*"])
        other.ctl("gray", "on")
        one.until(lambda: one.status()["off"] == [])
        assert one.canaries() == 0
        one.ctl("gray", "on")
        assert one.canaries() == CLIENTS


def test_gray_off_without_consul(pair: tuple[Site, Site]) -> None:
    """It holds here, and a warning says that it holds nowhere else; ending it on all nodes waits for Consul."""
    one, _ = pair
    with one.serving():
        one.ctl("service", "percent", API, "canary=100")
        one.agent.kill()
        done = one.ctl("gray", "off")
        assert (done["nodes"], "this node only" in done["warning"]) == ("this one", True)
        assert one.canaries() == 0
        assert "Consul" in one.ctl("service", "percent", API, "canary=1", status=1)
        one.ctl("gray", "on")
        assert one.canaries() == CLIENTS


def test_old_revisions_leave_kv(agent: ConsulServer, tmp_path: Path) -> None:
    """Of those before the active one as many stay as are kept; one above it that lies there stays."""
    site = beside(agent, tmp_path / "graydns", policy="{unsigned: true, keep: 2}")

    def file(number: int) -> str:
        path = site.folder / f"{number}.json"
        meta = {"format": "graydns-policy-1", "prefix": "gray/", "datacenter": "dc1", "tenant": "one"}
        path.write_text(json.dumps({"meta": {**meta, "revision": number}, "percent": {API: {"canary": number}}}))
        return str(path)

    def numbers() -> list[int]:
        return [row["revision"] for row in site.ctl("policy", "list")]

    with site.serving():
        site.ctl("policy", "push", file(1))
        site.ctl("policy", "push", file(9), "--no-activate")
        assert "pruned" not in site.ctl("policy", "push", file(2))["after"]
        assert site.ctl("policy", "push", file(3))["after"] == {"revision": 3, "pruned": [1]}
        assert numbers() == [2, 3, 9]
        site.ctl("policy", "activate", "9")
        assert numbers() == [2, 3, 9]
        done = site.ctl("service", "percent", API, "canary=100")
        assert (done["after"]["revision"], done["after"]["pruned"]) == (10, [2, 3])
        site.ctl("policy", "rollback", "9")
        assert numbers() == [10, 11]
