"""zone-config.yaml: what it loads as, its rules, its folder, and where its faults are said to be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from graydns.model.errors import MAX_REPORTED_ISSUES, ConfigError
from graydns.model.policy import Rule, RuleConditions, RuleOutcome
from tests.config.files import BARE, ZONE, brief, faults_of_zone, load_zone, service_zone, write_zone, zone_of

VERSIONS = "services: {a.shop.test: {default: v1, versions: {v1: {A: 192.0.2.1}}}}\n"

FAULTS = [
    # Line 5 is the first after BARE.
    ("services: {shop.example: {default: v, versions: {v: {A: 192.0.2.1}}}}\n", "5:12", "shop.test or a name below it"),
    ("services: {notshop.test: {default: v, versions: {v: {A: 192.0.2.1}}}}\n", "5:12", "shop.test or a name below it"),
    ("services: {Shop.Test.: {default: v, versions: {v: {CNAME: a.b}}}}\n", "5:12", "other types there, beside SOA"),
    (
        "services: {a.shop.test: {default: v, versions: {v: {A: 192.0.2.1}}},\n"
        "           A.shop.test.: {default: v, versions: {v: {A: 192.0.2.1}}}}\n",
        "6:12",
        "each name once",
    ),
    ("isolation_level: network,storage\n", "5:18", "any of network, storage, compute, each once, joined by +"),
    ("delegates: [shop.test]\n", "5:13", "a name below shop.test"),
    ("delegates: [other.test]\n", "5:13", "a name below shop.test"),
    ("rules: {}\n", "5:8", "a list"),
    ("rules: [vip]\n", "5:9", "a mapping with the keys name, when, then, priority"),
    ("rules: [{then: {block: nodata}}]\n", "5:9", "'name', which is required"),
    ("rules: [{name: a b, then: {block: nodata}}]\n", "5:16", "a name of 1 to 63"),
    ("rules: [{name: a}]\n", "5:9", "'then', which is required"),
    ("rules: [{name: a, then: }]\n", "5:25", "a mapping with the keys version"),
    ("rules: [{name: a, then: {ttl: 5}}]\n", "5:25", "exactly one of 'version', 'records', 'block', 'upstream'"),
    ("rules: [{name: a, then: {block: nodata, upstream: x}}]\n", "5:25", "exactly one of"),
    ("rules: [{name: a, then: {block: drop}}]\n", "5:33", "one of nodata, nxdomain, refused"),
    ("rules: [{name: a, then: {version: v1}}]\n", "5:35", "a version of a service of this zone (there are none)"),
    ("rules: [{name: a, then: {records: {A: x}}}]\n", "5:39", "A data"),
    ("rules: [{name: a, then: {records: {SOA: x}}}]\n", "5:41", "other than those that make up the zone"),
    ("rules: [{name: a, then: {block: nodata, ttl: 2d}}]\n", "5:46", "whole seconds from 0s to 1d"),
    ("rules: [{name: a, then: {block: nodata}, priority: 1.5}]\n", "5:52", "a whole number from -1000000"),
    ("rules: [{name: a, then: {block: nodata}}, {name: a, then: {block: nodata}}]\n", "5:50", "a name of its own"),
    ("rules: [{name: a, when: {sauce: x}, then: {block: nodata}}]\n", "5:26", "'source', or another one of source"),
    ("rules: [{name: a, when: {source: 10.1.0.0/8}, then: {block: nodata}}]\n", "5:34", "without host bits it is"),
    ("rules: [{name: a, when: {subnet: here}, then: {block: nodata}}]\n", "5:34", "a network such as"),
    ("rules: [{name: a, when: {client: 'net:10.0.0.0/8'}, then: {block: nodata}}]\n", "5:34", "networks go into"),
    ("rules: [{name: a, when: {client: 'tls:'}, then: {block: nodata}}]\n", "5:34", "an identity such as"),
    ("rules: [{name: a, when: {tag: {'a=b': c}}, then: {block: nodata}}]\n", "5:32", "without ',' and '='"),
    ("rules: [{name: a, when: {tag: {a: 'b,c'}}, then: {block: nodata}}]\n", "5:35", "without ','"),
    ("rules: [{name: a, when: {tag: x}, then: {block: nodata}}]\n", "5:31", "a mapping"),
    ("rules: [{name: a, when: {country: CHN}, then: {block: nodata}}]\n", "5:35", "two letters such as CN"),
    ("rules: [{name: a, when: {subdivision: BJ}, then: {block: nodata}}]\n", "5:39", "such as CN-BJ"),
    ("rules: [{name: a, when: {city: ''}, then: {block: nodata}}]\n", "5:32", "a city's English name"),
    ("rules: [{name: a, when: {name: ''}, then: {block: nodata}}]\n", "5:32", "a pattern of names of 1 to 1024"),
    ("rules: [{name: a, when: {regex: " + "a" * 1001 + "}, then: {block: nodata}}]\n", "5:33", "of 1 to 1000"),
    ("rules: [{name: a, when: {qtype: AAAAA}, then: {block: nodata}}]\n", "5:33", "a record type such as"),
    ("rules: [{name: a, when: {transport: quic}, then: {block: nodata}}]\n", "5:37", "one of udp, tcp, tls"),
]


def test_the_documented_file(tmp_path: Path) -> None:
    """The zone that users are shown loads as it is written."""
    zone = zone_of(tmp_path, ZONE)
    folder = tmp_path / "zones/shop.test"
    assert (zone.zone, zone.tenant_id) == (b"\4shop\4test\0", "t-demo")
    assert zone.isolation == frozenset({"network", "storage"})
    assert zone.config_version == (20261122, 1)
    assert zone.folder == folder.resolve()
    assert zone.source_file == folder.resolve() / "shop.test.zone"
    assert zone.delegates == ()
    service = zone.services[b"\3api\4shop\4test\0"]
    assert (service.ttl, service.salt, service.default) == (5, "api-2026-11", "stable")
    assert (service.percent, service.weights) == ({"canary": 100_000}, {})
    assert service.whitelist == {"canary": ("client:qa-laptop", "net:10.1.0.0/16")}
    assert zone.rules == (
        Rule(
            "vip", RuleConditions(source="10.2.0.0/16", client="tenant-a", name="api*"), RuleOutcome(version="canary")
        ),
        Rule("staging", RuleConditions(name="staging-*.shop.test"), RuleOutcome(records={"A": ("192.0.2.30",)})),
        Rule("ads", RuleConditions(name="*.ads.shop.test"), RuleOutcome(block="nodata")),
    )


def test_every_condition(tmp_path: Path) -> None:
    """Every key of a rule is read with its type."""
    zone = zone_of(
        tmp_path,
        BARE
        + VERSIONS
        + """\
delegates: team.shop.test.
rules:
  - name: all
    priority: -5
    when:
      source: 10.0.0.1
      subnet: 2001:db8::/32
      client: tls:CN=x
      tag: {env: canary, empty: ""}
      country: cn
      subdivision: CN-BJ
      city: Beijing
      name: null
      regex: "a+"
      qtype: https
      transport: tls
    then: {version: v1, ttl: 1m}
""",
    )
    (rule,) = zone.rules
    assert rule.when == RuleConditions(
        source="10.0.0.1",
        subnet="2001:db8::/32",
        client="tls:CN=x",
        tag={"env": "canary", "empty": ""},
        country="cn",
        subdivision="CN-BJ",
        city="Beijing",
        regex="a+",
        qtype="HTTPS",
        transport="tls",
    )
    assert (rule.then, rule.priority) == (RuleOutcome(version="v1", ttl=60), -5)
    assert zone.delegates == (b"\4team\4shop\4test\0",)


@pytest.mark.parametrize(("text", "place", "expected"), FAULTS)
def test_faults(tmp_path: Path, text: str, place: str, expected: str) -> None:
    """Each fault names its line and column, and what was expected."""
    (fault,) = faults_of_zone(tmp_path, BARE + text)
    assert f"{fault.line}:{fault.column}" == place
    assert expected in fault.expected


def test_required_keys(tmp_path: Path) -> None:
    """All keys that have no default are missed at once."""
    found = {fault.found for fault in faults_of_zone(tmp_path, "{}")}
    assert found == {f"no key '{key}'" for key in ("zone", "tenant_id", "config_version", "source")}


def test_more_tags_than_a_client_can_send(tmp_path: Path) -> None:
    """A rule that needs 17 tags could never match."""
    tags = ", ".join(f"k{number}: v" for number in range(17))
    text = f"rules: [{{name: a, when: {{tag: {{{tags}}}}}, then: {{block: nodata}}}}]\n"
    (fault,) = faults_of_zone(tmp_path, BARE + text)
    assert brief(fault) == "5:31 rules.0.when.tag: 17 tags"


def test_faults_of_rules_in_order(tmp_path: Path) -> None:
    """Every rule is judged, and its faults come in the order of the file."""
    text = BARE + "rules:\n" + "".join(f"  - {{name: r{n}, then: {{block: x}}}}\n" for n in range(50))
    assert [fault.line for fault in faults_of_zone(tmp_path, text)] == list(range(6, 56))


@pytest.mark.parametrize("file", ["../other", "/etc/passwd", "link-out", "missing", ".", "loop", "up/../../outside"])
def test_source_outside_the_folder(tmp_path: Path, file: str) -> None:
    """Zone data must be a file inside the zone's folder, wherever links lead."""
    path = write_zone(tmp_path, BARE.replace("data", file))
    (tmp_path / "zones/other").touch()
    (tmp_path / "outside").touch()
    (path.parent / "link-out").symlink_to(tmp_path / "outside")
    (path.parent / "loop").symlink_to("loop")
    with pytest.raises(ConfigError) as caught:
        load_zone(path)
    (fault,) = caught.value.issues
    assert brief(fault).startswith("4:16 source.file: ")
    assert fault.expected == "an existing file inside the zone's folder"


def test_links_inside_the_folder(tmp_path: Path) -> None:
    """Links that stay inside, as Kubernetes makes them for mounted files, are followed."""
    path = write_zone(tmp_path, BARE)
    inner = path.parent / "..2026_11_22"
    inner.mkdir()
    for name in ("zone-config.yaml", "data"):
        (path.parent / name).rename(inner / name)
        (path.parent / name).symlink_to(f"..data/{name}")
    (path.parent / "..data").symlink_to("..2026_11_22")
    assert load_zone(path).source_file == (inner / "data").resolve()


def test_zone_config_that_is_a_link_to_elsewhere(tmp_path: Path) -> None:
    """The zone's own file may not lead out of its folder either."""
    path = write_zone(tmp_path, BARE)
    path.rename(tmp_path / "elsewhere.yaml")
    path.symlink_to(tmp_path / "elsewhere.yaml")
    with pytest.raises(ConfigError, match="which leads out of"):
        load_zone(path)


def test_linked_folder(tmp_path: Path) -> None:
    """A zone's folder may itself be a link."""
    path = write_zone(tmp_path, BARE)
    path.parent.rename(tmp_path / "real")
    path.parent.symlink_to(tmp_path / "real")
    assert load_zone(path).source_file == tmp_path / "real/data"


def test_unreadable_zone(tmp_path: Path) -> None:
    """A zone file that is a dangling link or a FIFO is a fault."""
    path = write_zone(tmp_path, BARE)
    path.unlink()
    path.symlink_to(path.parent / "missing")
    with pytest.raises(ConfigError):
        load_zone(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ConfigError, match="not a regular file"):
        load_zone(path)


def test_the_document_locates_later_faults(tmp_path: Path) -> None:
    """Whoever compiles the zone can have a path located, services named as in wire form included."""
    zone = zone_of(tmp_path, service_zone("default: v\nversions: {v: {A: 192.0.2.1}}").replace("api.s", "API.S"))
    (fault,) = faults_of_zone(tmp_path, BARE + "rules: x\n")
    located = zone.document.locate(type(fault)(("services", "api.shop.test", "default"), "this", "that"))
    assert (located.line, located.column, located.file) == (7, 14, str(zone.path))


def test_of_many_faults_some_are_told(tmp_path: Path) -> None:
    """The first thousand in their order, and the number of the others."""
    rules = "".join(f"  - {{name: r{number}, when: {{qtype: A}}}}\n" for number in range(MAX_REPORTED_ISSUES + 500))
    found = faults_of_zone(tmp_path, f"{BARE}rules:\n{rules}")
    assert len(found) == MAX_REPORTED_ISSUES + 1
    assert found[-2].path[:2] == ("rules", MAX_REPORTED_ISSUES - 1)
    assert found[-1].found == "500 more faults"


def test_misfits_that_an_alias_brings_are_not_told(tmp_path: Path) -> None:
    """The alias is what is wrong with a value that it stands for, and with all above it nothing is."""
    found = faults_of_zone(tmp_path, BARE + "services: &s {}\nrules: [*s, {name: r}]\n")
    assert [(fault.path, fault.found) for fault in found] == [
        (("services",), "the anchor &s"),
        (("rules", 0), "the alias *s"),
        (("rules", 1), "no key 'then'"),
    ]
