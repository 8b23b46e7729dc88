"""Rules that stand in each other's way."""

from __future__ import annotations

import pytest

from graydns.gray.rules import MAX_OVERLAP_WARNINGS
from graydns.model.policy import Rule, RuleConditions, RuleOutcome
from tests.gray.making import API, client, compile_router, faults, outcome, route, service, zone
from tests.gray.strategies import Atlas

BLOCK = RuleOutcome(block="nodata")
SERVICES = {API: service()}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (RuleConditions(source="10.0.0.0/8"), RuleConditions(source="10.0.0.0/8")),
        (RuleConditions(client="a", name="API*"), RuleConditions(client="client:a", name="api*")),
        (RuleConditions(), RuleConditions()),
    ],
)
def test_equal_conditions_are_an_error_naming_both(one: RuleConditions, other: RuleConditions) -> None:
    """Of two rules with equal conditions the order says nothing, whatever they do."""
    found = faults(zone(SERVICES, [Rule("first", one, BLOCK), Rule("second", other, RuleOutcome(version="canary"))]))
    assert [fault.path for fault in found] == [("rules", 1, "when")]
    assert found[0].file == "shop.test.yaml"
    assert "'first'" in found[0].found
    assert "'second'" in found[0].found


def test_priority_settles_equal_conditions() -> None:
    """With different priorities they are in order, and the higher wins."""
    when = RuleConditions(name="www.shop.test")
    router = route({}, Rule("a", when, BLOCK), Rule("b", when, RuleOutcome(block="refused"), priority=1))
    assert outcome(router, "www.shop.test", client()) == "rule:b"


def test_tenant_and_zone_share_names_and_conditions() -> None:
    """A tenant's rule and a zone's may not be called alike or test alike; two zones' may."""
    rule = Rule("one", RuleConditions(name="www"), BLOCK)
    assert len(faults(zone({}, [rule], "a.test"), rules=[Rule("two", RuleConditions(name="www"), BLOCK)])) == 1
    assert len(faults(zone({}, [rule], "a.test"), rules=[Rule("one", RuleConditions(name="mail"), BLOCK)])) == 1
    assert not faults(zone({}, [rule], "a.test"), zone({}, [rule], "b.test"))


def test_name_used_twice() -> None:
    """A rule's name is its own."""
    found = faults(zone({}, [Rule("a", RuleConditions(name="x"), BLOCK), Rule("a", RuleConditions(name="y"), BLOCK)]))
    assert [fault.path for fault in found] == [("rules", 1, "name")]


@pytest.mark.parametrize(
    ("one", "other", "overlapping"),
    [
        (RuleConditions(name="api*"), RuleConditions(name="*api"), True),
        (RuleConditions(name="api*"), RuleConditions(name="www*"), False),
        (RuleConditions(name="*.a.test"), RuleConditions(name="*.b.test"), False),
        (RuleConditions(name="ab*"), RuleConditions(name="a*b"), True),
        (RuleConditions(source="10.0.0.0/8"), RuleConditions(subnet="10.0.0.0/8"), True),
        (RuleConditions(source="10.0.0.0/8"), RuleConditions(source="11.0.0.0/8"), False),
        (RuleConditions(tag={"a": "x"}), RuleConditions(tag={"b": "x"}), True),
        (RuleConditions(tag={"a": "x"}), RuleConditions(tag={"a": "y"}), False),
        (RuleConditions(city="Paris", country="FR"), RuleConditions(city="Paris", subdivision="FR-75"), True),
        (RuleConditions(city="Paris", country="FR"), RuleConditions(city="London", subdivision="GB-ENG"), False),
        (RuleConditions(client="a"), RuleConditions(client="b"), False),
        (RuleConditions(qtype="A"), RuleConditions(transport="tcp"), False),
        (RuleConditions(regex="a.*"), RuleConditions(regex=".*b"), False),
    ],
)
def test_overlap_of_equal_rank_is_a_warning(one: RuleConditions, other: RuleConditions, overlapping: bool) -> None:
    """Rules of one rank that can match the same query are pointed out, with the one that wins."""
    router = route({}, Rule("x", one, BLOCK), Rule("a", other, BLOCK), geo=Atlas())
    assert [warning for warning in router.warnings if "same rank" in warning] == (
        ["rules 'a' and 'x' have the same rank and can match the same query: 'a' wins"] if overlapping else []
    )


def test_warnings_are_bounded() -> None:
    """Thousands of overlaps give a bounded number of warnings."""
    router = route({}, *(Rule(f"r{at}", RuleConditions(tag={f"k{at}": "x"}), BLOCK) for at in range(3000)))
    assert MAX_OVERLAP_WARNINGS <= len(router.warnings) <= MAX_OVERLAP_WARNINGS + 17
    assert router.warnings[-1].startswith("there may be more")


def test_rules_of_different_zones_do_not_overlap() -> None:
    """Rules that see different names cannot match the same query."""
    zones = [
        zone({}, [Rule("a", RuleConditions(tag={tag: "x"}), BLOCK)], name)
        for tag, name in (("k", "a.test"), ("l", "b.test"))
    ]
    assert compile_router("t", zones, []).warnings == ()
