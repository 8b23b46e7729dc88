"""Rules that stand in each other's way."""

from __future__ import annotations

import pytest

from graydns.gray.compile import compile_router
from graydns.gray.conflicts import WARNINGS
from graydns.model.policy import Rule, Then, When
from tests.gray.making import API, client, faults, outcome, route, service, zone
from tests.gray.strategies import Atlas

BLOCK = Then(block="nodata")
SERVICES = {API: service()}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (When(source="10.0.0.0/8"), When(source="10.0.0.0/8")),
        (When(client="a", name="API*"), When(client="client:a", name="api*")),
        (When(), When()),
    ],
)
def test_equal_conditions_are_an_error_naming_both(one: When, other: When) -> None:
    """Of two rules with equal conditions the order says nothing, whatever they do."""
    found = faults(zone(SERVICES, [Rule("first", one, BLOCK), Rule("second", other, Then(version="canary"))]))
    assert [fault.path for fault in found] == [("rules", 1, "when")]
    assert found[0].file == "shop.test.yaml"
    assert "'first'" in found[0].found
    assert "'second'" in found[0].found


def test_priority_settles_equal_conditions() -> None:
    """With different priorities they are in order, and the higher wins."""
    when = When(name="www.shop.test")
    router = route({}, Rule("a", when, BLOCK), Rule("b", when, Then(block="refused"), priority=1))
    assert outcome(router, "www.shop.test", client()) == "rule:b"


def test_tenant_and_zone_share_names_and_conditions() -> None:
    """A tenant's rule and a zone's may not be called alike or test alike; two zones' may."""
    rule = Rule("one", When(name="www"), BLOCK)
    assert len(faults(zone({}, [rule], "a.test"), rules=[Rule("two", When(name="www"), BLOCK)])) == 1
    assert len(faults(zone({}, [rule], "a.test"), rules=[Rule("one", When(name="mail"), BLOCK)])) == 1
    assert not faults(zone({}, [rule], "a.test"), zone({}, [rule], "b.test"))


def test_name_used_twice() -> None:
    """A rule's name is its own."""
    found = faults(zone({}, [Rule("a", When(name="x"), BLOCK), Rule("a", When(name="y"), BLOCK)]))
    assert [fault.path for fault in found] == [("rules", 1, "name")]


@pytest.mark.parametrize(
    ("one", "other", "overlapping"),
    [
        (When(name="api*"), When(name="*api"), True),
        (When(name="api*"), When(name="www*"), False),
        (When(name="*.a.test"), When(name="*.b.test"), False),
        (When(name="ab*"), When(name="a*b"), True),
        (When(source="10.0.0.0/8"), When(subnet="10.0.0.0/8"), True),
        (When(source="10.0.0.0/8"), When(source="11.0.0.0/8"), False),
        (When(tag={"a": "x"}), When(tag={"b": "x"}), True),
        (When(tag={"a": "x"}), When(tag={"a": "y"}), False),
        (When(city="Paris", country="FR"), When(city="Paris", subdivision="FR-75"), True),
        (When(city="Paris", country="FR"), When(city="London", subdivision="GB-ENG"), False),
        (When(client="a"), When(client="b"), False),
        (When(qtype="A"), When(transport="tcp"), False),
        (When(regex="a.*"), When(regex=".*b"), False),
    ],
)
def test_overlap_of_equal_rank_is_a_warning(one: When, other: When, overlapping: bool) -> None:
    """Rules of one rank that can match the same query are pointed out, with the one that wins."""
    router = route({}, Rule("x", one, BLOCK), Rule("a", other, BLOCK), geo=Atlas())
    assert [warning for warning in router.warnings if "same rank" in warning] == (
        ["rules 'a' and 'x' have the same rank and can match the same query: 'a' wins"] if overlapping else []
    )


def test_warnings_are_bounded() -> None:
    """Thousands of overlaps give a bounded number of warnings."""
    router = route({}, *(Rule(f"r{at}", When(tag={f"k{at}": "x"}), BLOCK) for at in range(3000)))
    assert WARNINGS <= len(router.warnings) <= WARNINGS + 17
    assert router.warnings[-1].startswith("there may be more")


def test_rules_of_different_zones_do_not_overlap() -> None:
    """Rules that see different names cannot match the same query."""
    zones = [
        zone({}, [Rule("a", When(tag={tag: "x"}), BLOCK)], name) for tag, name in (("k", "a.test"), ("l", "b.test"))
    ]
    assert compile_router("t", zones, []).warnings == ()
