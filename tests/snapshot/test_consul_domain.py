"""Consul's domain among other zones: whose it is, who serves it, and what it hides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from graydns.authority.consul.consul_zone import ConsulZoneBackend
from graydns.authority.lookup import look_up
from graydns.model.name import from_text
from graydns.snapshot.consul_domain import ConsulZoneTemplate, add_consul_domain
from graydns.snapshot.snapshot import Snapshot
from graydns.sources.snapshot_loader import check_configuration, load_snapshot
from graydns.wire.answer_body import make_dns_message
from tests.authority.consul_asking import Known
from tests.authority.lookups import everything_plain, make_query
from tests.e2e.serving import write

FOUR, SIX = bytes((192, 0, 2, 53)), bytes(15) + b"\1"

TENANT = "tenant_id: t-app\n"


def load(folder: Path, name: str, zones: Mapping[str, tuple[str, str]], *servers: str) -> Snapshot:
    """The Snapshot of these zones, with the domain *name* among them."""
    main = f"zones: zones/\nconsul: {{domain: {name}}}\n"
    living = ConsulZoneBackend(from_text(name), "dc1", Known())
    return add_consul_domain(
        load_snapshot(write(folder, main, zones))[0],
        ConsulZoneTemplate(living, list(map(from_text, servers)), (FOUR, SIX)),
    )


def say(snapshot: Snapshot, name: str, mnemonic: str) -> tuple[str, Sequence[str]]:
    """The rcode and the records of the answer."""
    query = make_query(name, mnemonic)
    answer = look_up(snapshot.zones, query, everything_plain).to_answer()
    records = [
        line for rrset in make_dns_message(query.question, answer).answer for line in rrset.to_text().split("\n")
    ]
    return str(answer.rcode), records


def servers(snapshot: Snapshot, name: str) -> list[str]:
    """The name servers of *name*."""
    return [line.split()[-1] for line in say(snapshot, name, "NS")[1]]


def test_alone_it_has_a_name_server_with_our_addresses(tmp_path: Path) -> None:
    """The NS leads to this server, and the SOA has the same name."""
    snapshot = load(tmp_path, "consul", {})
    assert servers(snapshot, "consul") == ["ns.consul."]
    assert say(snapshot, "consul", "SOA")[1][0].split()[4] == "ns.consul."
    assert say(snapshot, "ns.consul", "A")[1] == ["ns.consul. 0 IN A 192.0.2.53"]
    assert say(snapshot, "ns.consul", "AAAA")[1] == ["ns.consul. 0 IN AAAA ::1"]


def test_name_servers_that_the_operator_names(tmp_path: Path) -> None:
    """Those within the domain are us; others are looked up wherever they are."""
    snapshot = load(tmp_path, "consul", {}, "ns1.corp.test", "gray.consul")
    assert servers(snapshot, "consul") == ["ns1.corp.test.", "gray.consul."]
    assert say(snapshot, "gray.consul", "A")[1] == ["gray.consul. 0 IN A 192.0.2.53"]
    assert say(snapshot, "ns.consul", "A") == ("3", [])


def test_within_a_zone_it_has_the_name_servers_of_that(tmp_path: Path) -> None:
    """They are the ones that resolvers were led here by."""
    snapshot = load(tmp_path, "consul.app.test", {"app.test": (TENANT, "")})
    assert servers(snapshot, "consul.app.test") == ["ns.test."]
    assert say(snapshot, "ns.consul.app.test", "A") == ("3", [])


def test_what_the_zone_around_says_of_its_name_servers_is_so(tmp_path: Path) -> None:
    """A delegation in the zone around it has to say the same as the zone itself (RFC 1034 section 4.2.2)."""
    data = "consul NS ns1.consul\nconsul NS ns.else.test.\nns1.consul A 192.0.2.7\n"
    snapshot = load(tmp_path, "consul.app.test", {"app.test": (TENANT, data)})
    assert servers(snapshot, "consul.app.test") == ["ns1.consul.app.test.", "ns.else.test."]
    assert say(snapshot, "ns1.consul.app.test", "A")[1] == ["ns1.consul.app.test. 0 IN A 192.0.2.7"]
    assert check_configuration(tmp_path / "graydns.yaml") == ()


def test_it_belongs_to_the_tenant_of_the_zone_around(tmp_path: Path) -> None:
    """Its rules apply, and those of no other tenant."""
    zones = {"app.test": (TENANT, ""), "other.test": ("tenant_id: t-other\n", "")}
    snapshot = load(tmp_path, "consul.app.test", zones)
    assert snapshot.tenant_by_zone[from_text("consul.app.test")] == "t-app"
    assert snapshot.router(from_text("web.service.consul.app.test"), "t-other").tenant == "t-app"


def test_alone_it_belongs_to_everybody(tmp_path: Path) -> None:
    """Its tenant is the default one."""
    snapshot = load(tmp_path, "consul", {"app.test": (TENANT, "")})
    assert snapshot.tenant_by_zone[from_text("consul")] == "default"


def test_hidden_names_are_warnings(tmp_path: Path) -> None:
    """By name: records at and below the domain are not answered any more; names around it are."""
    data = 'shadow.consul A 192.0.2.1\nconsul TXT "x"\nconsular A 192.0.2.2\nxconsul A 192.0.2.3\n'
    load(tmp_path, "consul.app.test", {"app.test": (TENANT, data)})
    (warning,) = check_configuration(tmp_path / "graydns.yaml")
    assert warning == (
        "app.test: hidden by consul.domain, as Consul's catalog answers there: consul.app.test, shadow.consul.app.test"
    )


def test_of_many_hidden_names_some_are_listed(tmp_path: Path) -> None:
    """A zone may have a million of them."""
    data = "".join(f"h{number}.consul A 192.0.2.1\n" for number in range(30))
    load(tmp_path, "consul.app.test", {"app.test": (TENANT, data)})
    (warning,) = check_configuration(tmp_path / "graydns.yaml")
    assert warning.count("consul.app.test") == 10
    assert warning.endswith(" and 20 more")


@pytest.mark.parametrize("name", ["app.test", "in.app.test"])
def test_a_zone_by_its_name_takes_precedence(tmp_path: Path, name: str) -> None:
    """And the operator hears that Consul is not asked for anything there."""
    snapshot = load(tmp_path, name, {name: (TENANT, ""), "app.test": (TENANT, "")})
    zone = snapshot.zones.find(from_text(name))
    assert zone is not None
    assert zone.backend is None
    assert check_configuration(tmp_path / "graydns.yaml") == (
        f"consul.domain: {name} is also a configured zone, which answers instead of Consul's catalog",
    )


def test_it_is_laid_once(tmp_path: Path) -> None:
    """A zone that is there already stays the same object: it is the origin of cached answers."""
    snapshot = load(tmp_path, "consul", {})
    zone = snapshot.zones.by_origin[from_text("consul")]
    assert isinstance(zone.backend, ConsulZoneBackend)
    assert add_consul_domain(snapshot, ConsulZoneTemplate(zone.backend, (), (FOUR, SIX))) is snapshot
    assert add_consul_domain(snapshot, ConsulZoneTemplate(zone.backend, (), (FOUR,))) is not snapshot
