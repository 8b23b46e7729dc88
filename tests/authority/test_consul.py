"""What the recording cannot say of Consul's domain: origins, orders, what is not known yet, other zones."""

from __future__ import annotations

import gc
import weakref
from contextlib import suppress
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from graydns.authority.consul.consul_zone import ConsulZoneBackend, build_consul_zone
from graydns.authority.lookup import look_up
from graydns.authority.zone_data import ZoneTable
from graydns.model.catalog import (
    CRITICAL,
    WARNING,
    InstanceWeights,
    LeadingInstance,
    NodeView,
    ServiceInstance,
    ServiceView,
)
from graydns.model.decision import BlockAction, DecisionKind
from graydns.model.dns_parameters import A
from graydns.model.errors import CatalogPendingError
from graydns.model.name import from_text
from graydns.model.transport import UDP
from tests.authority.consul_asking import (
    DOMAIN,
    Known,
    Unknown,
    make_domain,
    make_zones,
    recorded_catalog,
    say,
)
from tests.authority.lookups import PLAIN, everything_plain, make_query, make_zone

RECORDED = make_zones(recorded_catalog())

_labels = st.sampled_from("service node addr dc1 web _web _tcp v1 api host hosts blend toweb inside n1 n4 x".split())  # noqa: SIM905


def instance(number: int, *tags: str, address: str = "", status: str = "passing", weight: int = 1) -> ServiceInstance:
    return ServiceInstance(
        node=f"n{number}",
        node_address=f"10.0.0.{number}",
        service="web",
        id=f"web-{number}",
        address=address,
        port=80,
        tags=tags,
        weights=InstanceWeights(weight, weight),
        status=status,
    )


def web(*instances: ServiceInstance) -> Known:
    return Known({"web": ServiceView("web", instances)})


def answers(catalog: Known, name: str = "web.service.consul", mnemonic: str = "A", **more: bool) -> list[str]:
    return [line.split()[-1] for line in say(make_zones(catalog, **more), name, mnemonic).get("answer", ())]


@pytest.mark.parametrize(
    ("name", "kind", "wanted"),
    [
        ("Web.service.consul", "service", "web"),
        ("v1.web.service.consul", "service", "web"),
        ("_web._v1.consul", "service", "web"),
        ("a.b.node.consul", "node", "a.b"),
    ],
)
def test_what_is_not_known_yet_is_named(name: str, kind: str, wanted: str) -> None:
    """So that a watch can be begun, and the question be put again."""
    with pytest.raises(CatalogPendingError) as raised:
        look_up(make_zones(Unknown()), make_query(name, "A"), everything_plain)
    assert (raised.value.kind, raised.value.name) == (kind, wanted)


@pytest.mark.parametrize("name", ["consul", "x.consul", "service.consul", "_tcp.consul", "0a000001.addr.consul"])
def test_names_that_need_no_catalog_wait_for_nothing(name: str) -> None:
    """Nobody can make us watch what cannot exist."""
    assert look_up(make_zones(Unknown()), make_query(name, "A"), everything_plain).authoritative


def test_the_view_is_the_origin() -> None:
    """Answers of a service go when its view does, those that say that it has no instances too."""
    catalog, node = web(instance(1)), NodeView("n1", "10.0.0.1")
    catalog.nodes["n1"] = node
    empty = catalog.services["empty"] = ServiceView("empty")
    zones = make_zones(catalog)
    for name, origin in (
        ("web.service.consul", catalog.services["web"]),
        ("none.web.service.consul", catalog.services["web"]),
        ("empty.service.consul", empty),
        ("n1.node.consul", node),
        ("x.consul", zones.find(DOMAIN)),
    ):
        for mnemonic in ("A", "AAAA", "SRV"):
            found = look_up(zones, make_query(name, mnemonic), everything_plain)
            assert found.origin is origin, name
            assert found.shareable


def test_only_passing_leaves_out_what_warns() -> None:
    """By default only critical instances are out, as in Consul."""
    catalog = web(instance(1), instance(2, status=WARNING), instance(3, status=CRITICAL))
    assert answers(catalog) == ["10.0.0.1", "10.0.0.2"]
    assert answers(catalog, only_passing=True) == ["10.0.0.1"]


def test_the_choice_of_a_client_comes_first() -> None:
    """The others follow in their order; weight 0 never leads while there is another."""
    catalog = web(instance(1, weight=0), instance(2), instance(3), instance(4))
    zones = make_zones(catalog)
    selection = catalog.services["web"].select()
    assert selection.leading_count == 3
    for first, order in ((0, [2, 3, 4, 1]), (1, [3, 4, 2, 1]), (2, [4, 2, 3, 1])):
        query = make_query("web.service.consul", "A", decision=evolve(PLAIN, origin=LeadingInstance(selection, first)))
        (rrset,) = look_up(zones, query, everything_plain).rrsets
        assert [rdata[3] for rdata in rrset.rdatas] == order
    assert web(instance(1, weight=0), instance(2, weight=0)).services["web"].select().leading_count == 2


def test_a_choice_of_what_has_changed_is_not_taken() -> None:
    """A decision made just before the view changed may be about instances that are gone."""
    old = web(instance(1), instance(2), instance(3)).services["web"].select()
    query = make_query("web.service.consul", "A", decision=evolve(PLAIN, origin=LeadingInstance(old, 2)))
    (rrset,) = look_up(make_zones(web(instance(7))), query, everything_plain).rrsets
    assert rrset.rdatas == (bytes((10, 0, 0, 7)),)


def test_names_with_one_answer_have_one_selection() -> None:
    """What was made of a selection can be kept with it; made-up tags leave nothing behind."""
    view = web(instance(1, "V1")).services["web"]
    assert view.select("v1") is view.select("V1")
    assert view.select("nope") is not view.select("nope")
    domain = make_domain(Known({"web": view}))
    assert domain.find_selection(from_text("_web._v1.service.consul")) is view.select("v1")
    assert domain.find_selection(from_text("n1.node.consul")) is None


def test_names_above_a_tag_with_dots_exist() -> None:
    """Resolvers that minimise names (RFC 9156) ask for them first, and would stop at NXDOMAIN."""
    zones = make_zones(web(instance(1, "a.b")))
    assert say(zones, "b.web.service.consul", "A")["rcode"] == "NOERROR"
    assert say(zones, "a.web.service.consul", "A")["rcode"] == "NXDOMAIN"


def test_refused_is_what_only_consul_knows() -> None:
    """Nothing that may exist is denied."""
    for name, code in (("web.service.dc2.consul", 20), ("web.connect.consul", 21)):
        found = look_up(make_zones(Unknown()), make_query(name, "A"), everything_plain)
        assert (found.rcode, found.authoritative, [ede.code for ede in found.edes]) == (5, False, [code])


def test_any_over_udp_is_one_rrset() -> None:
    """No amplifier (RFC 8482), as in every zone of ours."""
    zones = make_zones(web(instance(1), instance(2, address="2001:db8::2")))
    assert len(say(zones, "web.service.consul", "ANY")["answer"]) == 2
    assert len(say(zones, "web.service.consul", "ANY", transport=UDP)["answer"]) == 1


def test_addresses_that_are_none_are_left_out() -> None:
    """A mistake in one registration costs only that instance its place."""
    assert answers(web(instance(1, address="not a..name"), instance(2))) == ["10.0.0.2"]
    assert say(make_zones(web(instance(1, address="a..b"))), "web.service.consul", "A")["rcode"] == "NOERROR"
    assert answers(web(instance(1, address="::ffff:10.0.0.9"))) == ["10.0.0.9"]
    long = "x" * 64
    assert answers(web(evolve(instance(1), node=long)), mnemonic="SRV") == ["0a000001.addr.dc1.consul."]


def test_ttl_of_a_service() -> None:
    """What is said of it by its lowered name; whoever says nothing has 0."""
    for domain, ttl in (
        (ConsulZoneBackend(DOMAIN, "dc1", web(instance(1)), {"web": 3}.__getitem__), 3),
        (ConsulZoneBackend(DOMAIN, "dc1", web(instance(1))), 0),
    ):
        zone = build_consul_zone(domain)
        (line,) = say(ZoneTable({zone.origin: zone}), "WEB.service.consul", "A")["answer"]
        assert line.split()[1] == str(ttl)


def test_name_servers_of_ours() -> None:
    """Those that are given stand in NS and SOA, with their addresses if they lie in the domain."""
    zone = build_consul_zone(make_domain(Unknown()), servers={from_text("gray.consul"): [bytes(4), bytes(16)]})
    zones = ZoneTable({zone.origin: zone})
    said = say(zones, "consul", "NS")
    assert said["answer"] == ["consul. 7 IN NS gray.consul."]
    assert said["additional"] == ["gray.consul. 7 IN A 0.0.0.0", "gray.consul. 7 IN AAAA ::"]
    assert say(zones, "gray.consul", "A")["answer"] == ["gray.consul. 7 IN A 0.0.0.0"]


def test_chains_lead_from_zone_to_zone(tmp_path: Path) -> None:
    """Names of ours may point at services, and services at names of ours."""
    other = make_zone(tmp_path, "shop.test", "api CNAME web.service.consul.\nhost A 192.0.2.1\n")
    catalog = web(instance(1))
    catalog.services["host"] = ServiceView("host", (instance(1, address="host.shop.test"),))
    catalog.services["away"] = ServiceView("away", (instance(1, address="host.example"),))
    zones = make_zones(catalog, other)
    assert say(zones, "api.shop.test", "A")["answer"][-1] == "web.service.consul. 2 IN A 10.0.0.1"
    assert say(zones, "host.service.consul", "A")["answer"][-1] == "host.shop.test. 300 IN A 192.0.2.1"
    found = look_up(zones, make_query("away.service.consul", "A"), everything_plain)
    assert found.cname_target == from_text("host.example")


def test_domain_within_a_zone_of_ours(tmp_path: Path) -> None:
    """The longest suffix answers."""
    domain = ConsulZoneBackend(from_text("in.shop.test"), "dc1", web(instance(1)))
    zone, around = build_consul_zone(domain), make_zone(tmp_path, "shop.test", "www A 192.0.2.1\n")
    zones = ZoneTable({zone.origin: zone, around.origin: around})
    assert say(zones, "web.service.in.shop.test", "SRV")["answer"] == [
        "web.service.in.shop.test. 0 IN SRV 1 1 80 n1.node.dc1.in.shop.test."
    ]
    assert say(zones, "www.shop.test", "A")["answer"] == ["www.shop.test. 300 IN A 192.0.2.1"]


def test_rules_come_before_the_catalog() -> None:
    """What a rule blocks or gives needs no watch."""
    zones, name = make_zones(Unknown()), "web.service.consul"
    blocked = evolve(PLAIN, kind=DecisionKind.BLOCK, block=BlockAction.NXDOMAIN)
    assert say(zones, name, "A", decision=blocked)["rcode"] == "NXDOMAIN"
    given = evolve(PLAIN, kind=DecisionKind.RECORDS, records={A: (bytes(4),)})
    assert say(zones, name, "A", decision=given)["answer"] == ["web.service.consul. 0 IN A 0.0.0.0"]


def test_metadata_of_nodes() -> None:
    """Quoted as RFC 1464 has it, in strings of 255 octets."""
    catalog = Known(nodes={"n1": NodeView("n1", "10.0.0.1", {"a=`b": "c", "rfc1035-x": "y" * 300, "z": ""})})
    said = say(make_zones(catalog), "n1.node.consul", "TXT")["answer"]
    assert [line.partition(" TXT ")[2] for line in said] == ['"a`=``b=c"', f'"{"y" * 255}" "{"y" * 45}"', '"z="']


@given(st.lists(_labels, max_size=5), st.sampled_from(["A", "AAAA", "SRV", "ANY", "TXT", "NS", "SOA", "DS", "CNAME"]))
def test_every_question_is_answered(labels: list[str], mnemonic: str) -> None:
    """Whatever is asked: an answer that can be sent, the same each time; of an unknown catalog, that it is unknown."""
    name = ".".join((*labels, "consul"))
    said = say(RECORDED, name, mnemonic)
    assert said == say(RECORDED, name, mnemonic)
    assert said["rcode"] in ("NOERROR", "NXDOMAIN", "REFUSED")
    with suppress(CatalogPendingError):
        say(make_zones(Unknown()), name, mnemonic)


@given(st.lists(_labels, min_size=1, max_size=4))
def test_what_does_not_exist_has_nothing_below_it(labels: list[str]) -> None:
    """RFC 8020, and every type agrees on it."""
    above, name = ".".join((*labels[1:], "consul")), ".".join((*labels, "consul"))
    rcodes = {say(RECORDED, name, mnemonic)["rcode"] for mnemonic in ("NS", "SRV", "DS")}
    assert len(rcodes) == 1 or "toweb" in name or "inside" in name
    if say(RECORDED, above, "DS")["rcode"] == "NXDOMAIN":
        assert rcodes != {"NOERROR"}


def test_views_go_when_they_are_replaced() -> None:
    """No cycle keeps what was made of them until a collection (which does not run while serving)."""
    catalog = web(instance(1), instance(2))
    zones, view = make_zones(catalog), catalog.services["web"]
    look_up(zones, make_query("web.service.consul", "SRV"), everything_plain).to_answer()
    gone = weakref.ref(view)
    gc.disable()
    try:
        catalog.services.clear()
        del view
        assert gone() is None
    finally:
        gc.enable()
