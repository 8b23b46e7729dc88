"""Commands as a user types them: real processes against a real socket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from graydns.operations import OPERATIONS
from tests.ctl.conftest import Server


def example_keys(operation: str) -> set[str]:
    """The keys of the reply that FakeControlPlane gives."""
    return set(OPERATIONS[operation].reply.keys)


#: Every command that asks the server, and the keys of what ``--json`` gives (of a row, where that is a list).
COMMANDS = {
    "status": {"version", "snapshot", "ready", "zones", "services", "gray_off", "drift", "warnings"},
    "whoami": {"actor", "role", "tenant", "origin"},
    "config show --effective": example_keys("config"),
    "zones": {"zone", "tenant", "serial", "config_version", "state"},
    "zones --tenant t-shop": {"zone", "tenant", "serial", "config_version", "state"},
    "reload": {"before", "after", "ok"},
    "reload --force": {"before", "after", "ok"},
    "history list": example_keys("history"),
    "history rollback 6": {"before", "after"},
    "explain api.shop.test a --subnet 192.0.2.0/24 --tag k=v --client x": {
        "tenant",
        "name",
        "qtype",
        "key",
        "tags",
        "verdict",
        "rules",
    },
    "why --last 192.0.2.9": {"client", "tenant", "name", "verdict"},
    "service list": {"name", "tenant", "zone", "default", "versions"},
    "service show api.shop.test": {"name", "configured", "live"},
    "service percent api.shop.test canary=50 --for 2h": {"before", "after", "seconds"},
    "service weights api.shop.test canary=1 stable=3": {"before", "after"},
    "service whitelist api.shop.test canary --add client:x --remove net:10.0.0.0/8": {"before", "after"},
    "service abort api.shop.test": {"before", "after", "seconds"},
    "service revert api.shop.test": {"before", "after", "seconds"},
    "gray off --tenant t-shop": {"before", "after"},
    "gray on --tenant t-shop": {"before", "after"},
    "cache stats": example_keys("cache_stats"),
    "cache lookup www.test txt": {"name", "type", "ttl", "text"},
    "cache flush": example_keys("cache_flush"),
    "cache flush www.test --cohort t/api/canary/192.0.2.1": example_keys("cache_flush"),
    "upstreams": example_keys("upstreams"),
    "nta list": example_keys("nta_list"),
    "nta add broken.test --for 2h --reason known": {"before", "after", "name"},
    "nta remove broken.test": {"before", "after", "name"},
    "dnssec explain www.test --tenant t-shop": {"name", "type", "tenant", "steps", "security", "failed"},
    "dnssec explain www.test mx --cd": {"name", "type", "tenant", "steps", "security", "failed", "records"},
    "trace api.shop.test": {"name", "client", "stages"},
    "trace api.shop.test --watch": {"before", "after", "names"},
    "audit tail --last 2": {"actor", "action", "target", "tenant"},
    "audit verify": {"lines", "ok", "first_bad"},
    "log level debug": {"before", "after"},
}


@pytest.mark.parametrize("command", COMMANDS)
def test_json_output_is_one_line_of_ascii(command: str, server: Server) -> None:
    """An object with ``ok`` and ``result``; the exit status is 0."""
    ran = server.ctl("--json", *command.split())
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.isascii()
    assert ran.out.count("\n") == 1
    assert set(ran.json) == {"ok", "result"}
    assert ran.json["ok"] is True
    result: Any = ran.json["result"]
    assert set(result[0] if isinstance(result, list) else result) == COMMANDS[command]


@pytest.mark.parametrize(
    "command",
    ["status", "zones", "explain api.shop.test A", "service show api.shop.test", "dnssec explain api.shop.test --cd"],
)
def test_text_output_has_tables(command: str, server: Server) -> None:
    """Without characters that control a terminal."""
    ran = server.ctl(*command.split())
    assert (ran.status, ran.err) == (0, "")
    assert all(line.isprintable() for line in ran.out.splitlines())
    assert "shop.test" in ran.out


def test_json_may_come_after_the_command(server: Server) -> None:
    """``status --json`` is ``--json status``."""
    assert server.ctl("whoami", "--json").json == server.ctl("--json", "whoami").json


def test_a_change_is_in_the_next_reply(server: Server) -> None:
    """The reply to the change has the values before and after."""
    assert server.ctl("service", "percent", "web.farm.test", "canary=12.5").status == 0
    shown = server.ctl("--json", "service", "show", "web.farm.test").json["result"]
    assert shown["live"]["percent"] == {"canary": "12.5"}
    done = server.ctl("--json", "service", "percent", "web.farm.test", "canary=25", "--for", "90m").json["result"]
    assert done == {"before": {"canary": "12.5"}, "after": {"canary": "25"}, "seconds": 5400.0}


def test_a_negative_trust_anchor_lasts_a_day_by_default(server: Server) -> None:
    """A duration needs a unit."""
    assert server.ctl("--json", "nta", "add", "x.test").json["result"]["after"] == {"until": 86400.0, "reason": ""}
    assert server.ctl("nta", "add", "x.test", "--for", "3600").status == 2


def test_a_validation_is_printed_step_by_step(server: Server) -> None:
    """Then the records, if asked for, then the result."""
    out = server.ctl("dnssec", "explain", "x.test", "--cd").out
    assert out.index("step") < out.index("192.0.2.1") < out.index("failed")


def test_the_status_begins_with_gray_off(server: Server) -> None:
    """Until gray routing is on again."""
    server.ctl("gray", "off")
    assert server.ctl("status").out.startswith("GRAY ROUTING IS OFF for ALL TENANTS")
    server.ctl("gray", "on")
    assert "OFF" not in server.ctl("status").out


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("service percent api.shop.test nope=1", "api.shop.test has no version nope"),
        ("service show nope.test", "nope.test"),
        ("history rollback 3", "no snapshot 3"),
        ("reload --prune odd", "internal failure"),
        ("--connect unix:nowhere.sock status", "cannot reach graydns at unix:nowhere.sock: No such file or directory"),
        ("--connect http://x status", "'http://x' is neither unix:PATH nor tls://HOST:PORT"),
        ("--connect tls://127.0.0.1:1 status", "tls://127.0.0.1:1 needs a user: --user NAME"),
    ],
)
def test_refusals_have_exit_status_1(command: str, expected: str, server: Server) -> None:
    """The reason is on standard error, or in an object with ``--json``."""
    ran = server.ctl(*command.split())
    assert (ran.status, ran.out) == (1, "")
    assert expected in ran.err
    assert ran.err.count("\n") == 1
    ran = server.ctl("--json", *command.split())
    assert (ran.status, ran.err) == (1, "")
    assert ran.json["ok"] is False
    assert expected in ran.json["error"]


@pytest.mark.parametrize(
    "command",
    [
        "nope",
        "status extra",
        "service percent api.shop.test",
        "service percent api.shop.test canary",
        "service percent api.shop.test canary=1 canary=2",
        "service percent api.shop.test canary=1 --for 2",
        "service weights api.shop.test canary=x",
        "service whitelist api.shop.test canary",
        "history rollback x",
        "why",
        "reload --force --prune a.test",
        "explain api.shop.test --tag x",
        "log level loud",
        "watch watch status",
    ],
)
def test_wrong_usage_has_exit_status_2(command: str, server: Server) -> None:
    """Without a traceback."""
    ran = server.ctl(*command.split())
    assert ran.status == 2
    assert ran.out == ""
    assert "Traceback" not in ran.err


def test_each_line_of_an_error_is_escaped(server: Server) -> None:
    """Its line ends are kept."""
    ran = server.ctl("reload", "--prune", "one\ntwo\x1b")
    assert ran.err.splitlines()[-2:] == ["the zone one", "two\\x1b has not vanished"]


def test_text_from_the_network_is_escaped(server: Server) -> None:
    """An escape sequence in a record does not reach the terminal."""
    ran = server.ctl("cache", "lookup", "www.test")
    assert "\x1b" not in ran.out
    assert "\\x1b[31m" in ran.out


def test_the_server_is_found_through_graydns_yaml(server: Server, tmp_path: Path) -> None:
    """Or the environment, or the default."""
    other = Server(tmp_path)
    assert other.ctl("whoami").status == 1
    (tmp_path / "graydns.yaml").write_text(f"admin: unix:{server.socket}  # here\n")
    assert other.ctl("whoami").status == 0
    assert other.ctl("whoami", variables={"GRAYDNSCTL_CONNECT": "unix:nowhere"}).status == 1


def test_commands_are_read_from_standard_input(server: Server) -> None:
    """The exit status is that of the last one that failed."""
    ran = server.ctl(typed="# a comment\nwhoami\n\nstatus 'unclosed\nhistory rollback 3\nzones\n")
    assert ran.status == 1
    assert "uid:" in ran.out
    assert "farm.test" in ran.out
    assert "no snapshot 3" in ran.err
    ran = server.ctl("--json", typed="whoami\nnope\nexit\nzones\n")
    assert ran.status == 2
    assert [json.loads(line)["ok"] for line in ran.out.splitlines()] == [True]


def test_help_lists_every_command(server: Server) -> None:
    """And each has a help of its own."""
    text = server.ctl("--help").out
    for command in COMMANDS:
        assert command.split()[0] in text
    assert "VERSION=PERCENT" in server.ctl("service", "percent", "--help").out
