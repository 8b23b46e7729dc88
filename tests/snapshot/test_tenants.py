"""Whose rules see which names, when several tenants, zones and services share a server."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from graydns.model import name
from graydns.model.client import Client
from graydns.model.decision import Decision, DecisionKind
from graydns.model.errors import ConfigError
from graydns.snapshot.snapshot import Snapshot
from graydns.sources.snapshot_loader import load_snapshot

MAIN = """\
admin: null
http: null
zones: zones/
upstreams: {up: {servers: ["udp://192.0.2.53"]}, other: {servers: ["udp://192.0.2.54"]}}
forward: {".": up}
"""

DATA = "@ SOA ns.test. h.test. 7 3600 600 86400 60\n@ NS ns.test.\nwww A 192.0.2.80\n"

Load = Callable[..., Snapshot]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """A function: zone name -> text of its zone-config.yaml after the common keys, ``main`` more of graydns.yaml."""

    def write(main: str = "", **zones: str) -> Snapshot:
        (tmp_path / "zones").mkdir()
        (tmp_path / "graydns.yaml").write_text(MAIN + textwrap.dedent(main))
        for key, text in zones.items():
            zone = key.replace("_", ".")
            folder = tmp_path / "zones" / zone
            folder.mkdir()
            (folder / "data.zone").write_text(f"$TTL 300\n$ORIGIN {zone}.\n{DATA}")
            head = f'zone: {zone}\nconfig_version: "1"\nsource: {{file: data.zone}}\n'
            (folder / "zone-config.yaml").write_text(head + textwrap.dedent(text))
        return load_snapshot(tmp_path / "graydns.yaml")[0]

    return write


def decide(snapshot: Snapshot, text: str, source: str = "192.0.2.1", asker: str = "default") -> Decision:
    """The verdict on the A records of *text* for a client at *source*."""
    client = Client(bytes(map(int, source.split("."))), tenant=asker)
    return snapshot.plan(name.from_text(text), 1, asker).decide(client)


SERVICE = """\
    versions: {{stable: {{A: {0}.1}}, canary: {{A: {0}.2}}}}
    default: stable
"""


def service(prefix: str) -> str:
    """A service with a stable and a canary version in *prefix*."""
    return SERVICE.format(prefix)


def test_two_services_in_one_zone_are_apart(load: Load) -> None:
    """Each has its own whitelist, and its own salt."""
    snapshot = load(
        a_test="tenant_id: one\nservices:\n"
        "  x.a.test:\n" + service("10.0.0") + "    whitelist: {canary: ['net:192.0.2.0/24']}\n"
        "  y.a.test:\n" + service("10.0.1")
    )
    assert decide(snapshot, "x.a.test").records[1] == (bytes([10, 0, 0, 2]),)
    assert decide(snapshot, "y.a.test").records[1] == (bytes([10, 0, 1, 1]),)
    assert decide(snapshot, "x.a.test").cohort.service == "x.a.test"


def test_a_tenants_own_rule_spans_its_zones_and_no_others(load: Load) -> None:
    """A rule in ``tenants`` sees names of all the tenant's zones, and not those of another tenant."""
    snapshot = load(
        "tenants: {one: {rules: [{name: lab, when: {source: 192.0.2.0/24, name: x}, then: {version: canary}}]}}",
        a_test="tenant_id: one\nservices:\n  x.a.test:\n" + service("10.0.0"),
        b_test="tenant_id: one\nservices:\n  x.b.test:\n" + service("10.0.1"),
        c_test="tenant_id: two\nservices:\n  x.c.test:\n" + service("10.0.2"),
    )
    assert decide(snapshot, "x.a.test").records[1] == (bytes([10, 0, 0, 2]),)
    assert decide(snapshot, "x.b.test").records[1] == (bytes([10, 0, 1, 2]),)
    assert decide(snapshot, "x.c.test").records[1] == (bytes([10, 0, 2, 1]),)


def test_two_tenants_that_match_one_client_do_not_meet(load: Load) -> None:
    """Each tenant's rules decide for its own names, whoever the client is."""
    rule = "rules: [{{name: mine, when: {{source: 192.0.2.0/24}}, then: {{records: {{A: {0}}}}}}}]\n"
    snapshot = load(
        a_test="tenant_id: one\n" + rule.format("10.9.9.1"),
        b_test="tenant_id: two\n" + rule.format("10.9.9.2"),
    )
    first, second = decide(snapshot, "www.a.test"), decide(snapshot, "www.b.test")
    assert first.records[1] == (bytes([10, 9, 9, 1]),)
    assert second.records[1] == (bytes([10, 9, 9, 2]),)
    assert first.cohort.tenant == "one"
    assert second.cohort.tenant == "two"


def test_a_zones_rules_do_not_see_forwarded_names(load: Load) -> None:
    """Only a rule of the tenant itself may speak of names that are not ours, and only to the tenant's clients."""
    snapshot = load(
        "tenants: {one: {rules: [{name: out, when: {name: '*.ext.test'}, then: {upstream: other}}]}}",
        a_test="tenant_id: one\nrules: [{name: all, when: {name: '*.test'}, then: {block: nxdomain}}]\n",
    )
    assert decide(snapshot, "www.a.test", asker="one").kind is DecisionKind.BLOCK
    assert decide(snapshot, "www.ext.test", asker="one").upstream == "other"
    assert decide(snapshot, "www.ext.test", asker="default").kind is DecisionKind.PLAIN
    assert decide(snapshot, "www.else.test", asker="one").kind is DecisionKind.PLAIN


def test_an_unknown_tenant_of_a_client_is_the_default(load: Load) -> None:
    """The default tenant always has a Router."""
    assert decide(load(), "www.ext.test", asker="nobody").cohort.tenant == "default"


def faults(load: Load, main: str = "", **zones: str) -> list[str]:
    """The faults of a load, as text without folders."""
    with pytest.raises(ConfigError) as caught:
        load(main, **zones)
    return [str(fault).rpartition("zones/")[2].rpartition("graydns.yaml:")[2] for fault in caught.value.issues]


def test_rules_of_equal_rank_are_named_with_their_place(load: Load) -> None:
    """The second of two rules that nothing tells apart is shown with line and column, and the first is named."""
    twins = "tenant_id: one\nrules:\n- {name: a, when: {source: 10.0.0.0/8}, then: {block: nodata}}\n"
    (fault,) = faults(load, a_test=twins + "- {name: b, when: {source: 10.0.0.0/8}, then: {block: refused}}\n")
    assert fault.startswith("a.test/zone-config.yaml:7:")
    assert "a" in fault
    assert "b" in fault


def test_a_fault_in_a_tenants_own_rules_points_into_the_main_file(load: Load) -> None:
    """Rules of graydns.yaml are compiled with the tenant, and found again by line."""
    rules = "tenants:\n  one:\n    rules:\n    - {name: r, when: {regex: '(a'}, then: {block: nodata}}\n"
    (fault,) = faults(load, rules)
    assert fault.startswith("9:")


def test_a_server_that_is_ourselves_is_refused(tmp_path: Path) -> None:
    """A forwarding loop is found when the configuration is read."""
    text = "listen: ['udp://127.0.0.1:5399']\nzones: null\nupstreams: {me: {servers: ['udp://127.0.0.1:5399']}}\n"
    (tmp_path / "graydns.yaml").write_text(text + "forward: {'.': me}\n")
    with pytest.raises(ConfigError, match=r"graydns\.yaml:3:.*graydns itself"):
        load_snapshot(tmp_path / "graydns.yaml")


def test_all_files_report_their_faults_together(load: Load) -> None:
    """Two zones with broken data and a missing database: all issues are reported together."""
    found = faults(
        load,
        "geo: nowhere.mmdb",
        a_test="tenant_id: one\nservices:\n  www.a.test:\n" + service("10.0.0"),
        b_test="tenant_id: one\nservices:\n  www.b.test:\n" + service("10.0.1"),
    )
    assert len(found) == 3
    assert sum("at the same name in the zone" in fault for fault in found) == 2
    assert any("nowhere.mmdb" in fault for fault in found)
