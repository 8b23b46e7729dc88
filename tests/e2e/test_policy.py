"""Release policies from a real Consul's KV, signed, in the answers of a graydns."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest

from graydns.config.release_policy import format_timestamp
from graydns.control.policy.signatures import encode_kv_entries
from tests.e2e.policysite import CANARY, CLIENTS, KEY, READ, Site, beside, rights, signed

pytestmark = pytest.mark.timeout(120)


def test_a_pushed_revision_is_in_the_answers_and_a_forged_one_is_not(site: Site) -> None:
    """Pushed, altered, lower, rolled back: what is refused leaves the running one, with its reason told."""
    with site.serving():
        assert site.canaries() == 0
        done = site.ctl("policy", "push", site.file(7, "100"))
        assert done["after"] == {"revision": 7}
        assert site.canaries() == CLIENTS

        forged = encode_kv_entries(signed(8, "50"))
        forged["gray/strategy/8/percent"] = forged["gray/strategy/8/percent"].replace(b"50", b"51")
        site.put(forged)
        site.activate(8)
        site.until(lambda: site.refused("bad-signature"))
        assert site.status()["revision"] == 7
        assert site.canaries() == CLIENTS
        assert 'graydns_policy_refusals_total{reason="bad-signature"} 1.0' in site.metrics()
        assert "graydns_policy_revision 7.0" in site.metrics()

        site.put(encode_kv_entries(signed(3, "0")))
        site.activate(3)
        site.until(lambda: site.refused("lower"))
        assert site.canaries() == CLIENTS
        assert "lower than 7" in site.ctl("policy", "activate", "3", status=1)

        site.ctl("policy", "high-water", "reset", "3")
        site.until(lambda: site.status()["revision"] == 3)
        assert site.canaries() == 0
        actions = [line["action"] for line in site.ctl("audit", "tail")]
        assert "policy.high-water:done" in actions
        assert "policy take" in actions


@pytest.mark.agent_keeps_data
def test_a_restart_without_consul_serves_the_copy(site: Site) -> None:
    """What was accepted counts after a restart, judged again; a copy that was altered does not."""
    with site.serving():
        site.ctl("policy", "push", site.file(7, "100"))
    site.agent.kill()
    with site.serving():
        assert site.canaries() == CLIENTS
        told = site.status()
        assert (told["revision"], told["from"]) == (7, "disk")
        assert told["age"] >= 0
        site.agent.start()
        site.agent.wait_ready()
        site.until(lambda: bool(site.status()["from"] == "consul"))
        site.ctl("policy", "push", site.file(8, "0"))
        assert site.canaries() == 0
        site.agent.kill()
        site.agent.forget()  # it comes back with nothing of what it knew
        site.agent.start()
        site.agent.wait_ready()
        site.until(lambda: site.refused("absent"))
        assert site.status()["revision"] == 8
    path = site.folder / "var/policy.json"
    path.write_bytes(path.read_bytes().replace(b'"revision":8', b'"revision":2'))
    with site.serving():
        assert site.status()["revision"] is None
        site.put(encode_kv_entries(signed(9, "100")))
        site.activate(9)
        site.until(lambda: site.refused("mark-lost"))
        assert site.canaries() == 0


@pytest.mark.parametrize("number", ["3", "7", "100"])
def test_a_reset_and_a_restart(number: str, site: Site) -> None:
    """What runs goes on, though its window is over and the highest accepted is another; Consul is not needed."""
    end = int(time.time()) + 8
    with site.serving():
        site.ctl("policy", "push", site.file(7, "100", not_after=format_timestamp(end)))
        site.until(lambda: time.time() > end)
        site.ctl("policy", "high-water", "reset", number)
        assert (site.status()["revision"], site.status()["refused"]) == (7, None)
    site.agent.kill()
    with site.serving():
        told = site.status()
        assert (told["revision"], told["refused"], told["high_water"]) == (7, None, int(number))
        assert site.canaries() == CLIENTS


def test_the_copy_is_deleted(site: Site) -> None:
    """Nobody knows then how high revisions were, so that none is taken, however well it is signed, until a reset."""
    with site.serving():
        site.ctl("policy", "push", site.file(7, "0"))
    (site.folder / "var/policy.json").unlink()
    site.put(encode_kv_entries(signed(3, "100")))
    site.activate(3)
    with site.serving():
        site.until(lambda: site.refused("mark-lost"))
        assert (site.status()["revision"], site.canaries()) == (None, 0)
        site.ctl("policy", "high-water", "reset", "7")
        site.until(lambda: site.refused("lower"))
        site.activate(7)
        site.until(lambda: bool(site.status()["revision"] == 7))


def test_empty_data_and_a_floor(site: Site) -> None:
    """Whoever has no memory at all takes what is signed, but for what is below the configured number."""
    config = site.folder / "graydns.yaml"
    config.write_text(config.read_text().replace("policy: {", "policy: {least: 7, "))
    site.put(encode_kv_entries(signed(6, "100")))
    site.activate(6)
    with site.serving():
        site.until(lambda: site.refused("below-least"))
        assert "6 is below 7" in site.ctl("policy", "activate", "6", status=1)
        site.ctl("policy", "push", site.file(7, "100"))
        assert site.canaries() == CLIENTS


@pytest.mark.agent_keeps_data
def test_an_abort_in_kv_sends_all_to_the_default(site: Site) -> None:
    """It needs no signature, holds over a restart without Consul and over live changes, and ends with revert."""
    with site.serving():
        site.ctl("policy", "push", site.file(7, "100"))
        site.put({"gray/abort/api.a.test": b""})
        site.until(lambda: site.canaries() == 0)
        assert site.status()["aborted"] == ["api.a.test"]
        assert "aborted on all nodes" in site.ctl("service", "percent", "api.a.test", "canary=5", "--local", status=1)
    site.agent.kill()
    with site.serving():
        assert site.canaries() == 0
        site.agent.start()
        site.agent.wait_ready()
        site.ctl("service", "revert", "api.a.test")
        site.until(lambda: site.canaries() == CLIENTS)

        done = site.ctl("service", "abort", "api.a.test")
        assert done["nodes"] == "all"
        assert site.canaries() == 0
        assert site.agent.call("GET", "/v1/kv/gray/abort/api.a.test")[0] == 200
        site.ctl("service", "revert", "api.a.test")
        assert site.canaries() == CLIENTS
        site.ctl("service", "abort", "api.a.test", "--local")
        assert site.canaries() == 0
        assert site.agent.call("GET", "/v1/kv/gray/abort/api.a.test")[0] == 404


def test_half_a_revision_is_not_taken(site: Site) -> None:
    """Whoever lets it count before it is whole changes nothing; once it is whole, it counts."""
    with site.serving():
        site.ctl("policy", "push", site.file(7, "100"))
        site.activate(8)
        site.until(lambda: site.refused("incomplete"))
        assert site.canaries() == CLIENTS
        site.put(encode_kv_entries(signed(8, "0")))
        site.until(lambda: site.canaries() == 0)
        assert site.status()["refused"] is None


def test_names_of_keys_in_the_log(site: Site) -> None:
    """Whoever may write KV can forge no line of the log and steer no terminal; one key is told of once."""
    with site.serving():
        site.ctl("policy", "push", site.file(7, "100"))
        site.put(
            {key.replace("strategy/7", "strategy/8"): value for key, value in encode_kv_entries(signed(7, "0")).items()}
        )
        names = ["gray/strategy/8/ex\x1b[31mtra\nX", "gray/abort/a..b\x1b\nY"]  # which only a transaction can write
        site.agent.must("PUT", "/v1/txn", [{"KV": {"Verb": "set", "Key": name, "Value": "e30="}} for name in names])
        site.activate(8)
        site.until(lambda: site.refused("invalid"))
        site.put({"gray/strategy/9/meta": b"{}"})
        site.activate(9)
        site.until(lambda: site.refused("incomplete"))
        log = site.log()
    assert "gray/strategy/8/ex\\x1b[31mtra\\nX: document: found an unknown key" in log
    assert "\x1b" not in log
    assert log.count("gray/abort/a..b\\x1b\\nY names no service") == 1


def test_layers(site: Site) -> None:
    """The file, then KV over it, also after a reload, then what is changed live."""
    config = site.folder / "zones/a.test/zone-config.yaml"
    rule = {"name": "vip", "when": {"source": "10.2.0.0/16"}, "then": {"version": "canary"}}
    with site.serving():
        site.ctl("policy", "push", site.file(7, "0", route=[rule]))
        assert site.ask("10.2.3.0") == [CANARY]
        site.ctl("service", "percent", "api.a.test", "canary=100", "--local")
        assert site.canaries() == CLIENTS
        site.ctl("service", "revert", "api.a.test")
        assert site.canaries() == 0
        text = config.read_text().replace('config_version: "1"', 'config_version: "2"')
        config.write_text(text + "    percent: {canary: 100}\n")
        site.until(lambda: bool(site.ctl("zones")[0]["config_version"] == "2"))
        assert site.canaries() == 0
        assert site.ask("10.2.3.0") == [CANARY]
        told = site.ctl("service", "show", "api.a.test")
        assert (told["configured"]["percent"], told["policy"]["percent"]) != (None, None)


def test_operators(site: Site) -> None:
    """list, show, diff, activate, rollback; a number that is taken, and a revision that does not fit, are refused."""
    key = site.folder / "k1.pem"
    key.write_bytes(KEY.dump())
    with site.serving():
        site.ctl("policy", "push", site.file(7, "100"))
        site.ctl("policy", "push", site.file(8, "0"), "--no-activate")
        assert site.canaries() == CLIENTS
        assert "already" in site.ctl("policy", "push", site.file(8, "1"), status=1)
        site.ctl("policy", "activate", "8")
        assert site.canaries() == 0
        rows = site.ctl("policy", "list")
        assert [(row["revision"], row["running"], row["state"]) for row in rows] == [
            (7, False, "lower"),
            (8, True, "ok"),
        ]
        assert (rows[0]["signed_by"], rows[0]["tenant"]) == ("k1", "one")
        assert "is lower than 8" in site.ctl("policy", "activate", "7", status=1)
        assert site.ctl("policy", "show") == signed(8, "0")
        assert any(line.startswith("+") and "0" in line for line in site.ctl("policy", "diff", "7", "8"))
        done = site.ctl("policy", "rollback", "7", "--key", str(key))
        assert done["after"] == {"revision": 9}
        assert site.canaries() == CLIENTS
        unknown = site.file(10, "0", percent={"none.a.test": {"canary": "1"}})
        assert "unknown service" in site.ctl("policy", "push", unknown, status=1)
        assert site.status()["refused"] is None


def test_what_does_not_fit_yet_is_taken_when_it_does(site: Site) -> None:
    """A revision whose time is to come, and one whose version a file has later, count without being written again."""
    config = site.folder / "zones/a.test/zone-config.yaml"
    with site.serving():
        soon = format_timestamp(int(time.time()) + 12)
        assert "has not come" in site.ctl("policy", "push", site.file(7, "100", not_before=soon), status=1)
        site.put(encode_kv_entries(signed(7, "100", not_before=soon)))
        site.activate(7)
        site.until(lambda: site.refused("not-yet-valid"))
        site.until(lambda: bool(site.status()["revision"] == 7))
        assert site.canaries() == CLIENTS

        green = {"api.a.test": {"green": "100"}}
        site.put(encode_kv_entries(signed(8, "0", percent=green)))
        site.activate(8)
        site.until(lambda: site.refused("invalid"))
        text = config.read_text().replace('config_version: "1"', 'config_version: "2"')
        config.write_text(text.replace("versions: {", "versions: {green: {A: 192.0.2.40}, "))
        site.until(lambda: bool(site.status()["revision"] == 8))
        assert site.ask("198.51.1.0") == ["192.0.2.40"]


def test_a_large_policy_can_be_pushed(site: Site) -> None:
    """As large as Consul takes; a larger one is refused with its size, and one past any bound before it is sent."""
    clients = [f"client:{number:020}" for number in range(20_000)]

    def file(number: int, count: int) -> str:
        return site.file(number, "100", whitelist={"api.a.test": {"canary": clients[:count]}})

    with site.serving():
        site.ctl("policy", "push", file(7, 12_900))  # 387,000 octets, and as many as that in base64: 516,000
        assert site.canaries() == CLIENTS
        lines = site.ctl("audit", "tail")
        (asked,) = (line for line in lines if line["action"] == "policy.push:asked")
        named = {"revision": 7, "tenant": "one", "digest": site.status()["digest"]}
        assert (asked["target"], asked["after"]) == ("7", {**named, "activate": True, "base": None})
        assert named in [line["after"] for line in lines if line["action"] == "policy take"]
        refusal = site.ctl("policy", "push", file(8, 13_100), status=1)
        assert "too large for a transaction, and nothing was written" in refusal
        assert "can push" in site.ctl("policy", "push", file(8, 18_000), status=1)
        assert site.agent.must("GET", "/v1/kv/gray/strategy/active?raw") == 7
        site.ctl("policy", "push", site.file(8, "0"))
        assert site.canaries() == 0


def test_a_token_that_loses_its_rights_takes_nothing_away(guarded: Site) -> None:
    """All keys vanish from its sight at once, with no error: what ran goes on, and what was aborted stays so."""
    site = guarded
    with site.serving():
        site.put({**encode_kv_entries(signed(7, "100")), "gray/strategy/active": b"7"})
        site.until(lambda: site.canaries() == CLIENTS)
        site.put({"gray/abort/api.a.test": b"anna"})
        site.until(lambda: site.canaries() == 0)
        rights(site.agent, 'agent_prefix "" { policy = "read" }')
        site.until(lambda: site.refused("absent"))
        assert (site.status()["revision"], site.status()["aborted"]) == (7, ["api.a.test"])
        assert site.canaries() == 0
        rights(site.agent, READ)
        site.until(lambda: site.status()["refused"] is None)
        site.agent.must("DELETE", "/v1/kv/gray/abort/api.a.test")
        site.until(lambda: site.canaries() == CLIENTS)


def test_two_nodes(site: Site) -> None:
    """What is pushed and aborted on one holds on the other."""
    other = beside(site.agent, site.folder.parent / "other")
    with site.serving(), other.serving():
        site.ctl("policy", "push", site.file(7, "100"))
        other.until(lambda: other.canaries() == CLIENTS)
        site.ctl("service", "abort", "api.a.test")
        other.until(lambda: other.canaries() == 0)
        other.ctl("service", "revert", "api.a.test")
        site.until(lambda: site.canaries() == CLIENTS)


def test_the_head_of_the_audit_log_is_in_kv(site: Site) -> None:
    """Below the prefix of policies, where it disturbs none; a log that was cut off meanwhile says so."""
    with site.serving():
        site.ctl("policy", "push", site.file(7, "100"))
    log, head = site.folder / "var/audit.log", site.folder / "var/audit.log.head"

    def kept() -> Any:
        rows = site.agent.must("GET", "/v1/kv/gray/audit/?recurse") or []
        return [json.loads(base64.b64decode(row["Value"])) for row in rows]

    with site.serving():
        site.until(lambda: site.agent.call("GET", "/v1/kv/gray/audit/?recurse")[0] == 200)
        assert kept()[0]["number"] > 0
        assert kept()[0]["hmac"].encode() in log.read_bytes()
        assert site.status()["revision"] == 7
        assert site.ctl("audit", "verify")["ok"]
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:1]))
    head.unlink()
    with site.serving():
        site.until(lambda: b'"lost":{"number":' in log.read_bytes())
