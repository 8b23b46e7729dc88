"""Conditions in normal form, and their rank."""

from __future__ import annotations

from itertools import pairwise

import pytest

from graydns.gray.conditions import CompiledConditions, compile_conditions
from graydns.model.errors import ConfigIssue, PolicyIssues
from graydns.model.policy import RuleConditions


def _read(when: RuleConditions) -> CompiledConditions:
    faults: list[ConfigIssue] = []
    conditions = compile_conditions(when, PolicyIssues(faults))
    assert not faults
    return conditions


LADDER = [
    # identity and address, the more dimensions the better
    RuleConditions(client="tls:a", source="10.1.0.0/16", name="api", qtype="A"),
    RuleConditions(client="a", source="10.1.0.0/16", name="api"),
    RuleConditions(client="tls:a", source="10.1.0.0/16"),
    RuleConditions(client="tsig:a", source="10.1.2.3/32"),
    RuleConditions(client="a", source="10.1.2.3/32"),
    RuleConditions(client="a", source="10.0.0.0/8"),
    RuleConditions(client="a", city="Beijing"),
    RuleConditions(client="a", subdivision="CN-BJ"),
    RuleConditions(client="a", country="CN"),
    RuleConditions(tag={"a": "x", "b": "y"}, source="10.1.2.3/32"),
    RuleConditions(tag={"a": "x"}, source="10.1.2.3/32"),
    RuleConditions(tag={"a": "x"}, country="CN"),
    # name and address
    RuleConditions(name="*", subnet="10.0.0.0/8", source="10.0.0.0/9", transport="tcp"),
    RuleConditions(name="*", source="10.0.0.0/8", qtype="A", transport="tcp"),
    RuleConditions(name="*", source="10.0.0.0/9", qtype="A"),
    RuleConditions(name="*", source="10.0.0.0/9", transport="udp"),
    RuleConditions(name="api.shop.test", source="10.0.0.0/9"),
    RuleConditions(name="*.shop.test", source="10.0.0.0/9"),
    RuleConditions(name="api-v1", source="10.0.0.0/9"),
    RuleConditions(name="api-v1*", source="10.0.0.0/9"),
    RuleConditions(name="ap*", source="10.0.0.0/9"),
    RuleConditions(name="*", source="10.0.0.0/9"),
    RuleConditions(regex=".*", source="10.0.0.0/9"),
    RuleConditions(name="api.shop.test", source="10.0.0.0/8"),
    RuleConditions(name="api.shop.test", country="CN"),
    # neither pair: number of dimensions
    RuleConditions(source="10.0.0.0/8", country="CN", qtype="A", transport="tcp"),
    RuleConditions(client="tls:a", name="api.shop.test", qtype="A"),
    RuleConditions(name="api.shop.test", qtype="A", transport="tcp"),
    RuleConditions(client="tls:a", qtype="A"),
    RuleConditions(source="10.0.0.0/8", qtype="A"),
    RuleConditions(source="10.0.0.0/8", transport="tcp"),
    RuleConditions(name="api.shop.test", qtype="A"),
    RuleConditions(qtype="A", transport="tcp"),
    RuleConditions(client="tls:a"),
    RuleConditions(client="client:a"),
    RuleConditions(tag={"a": "x"}),
    RuleConditions(source="10.0.0.0/8"),
    RuleConditions(source="0.0.0.0/0"),
    RuleConditions(city="Beijing"),
    RuleConditions(name="localhost."),
    RuleConditions(name="api"),
    RuleConditions(regex="api"),
    RuleConditions(qtype="A"),
    RuleConditions(transport="tcp"),
    RuleConditions(),
]


@pytest.mark.parametrize(("better", "worse"), list(pairwise(LADDER)))
def test_rank_ladder(better: RuleConditions, worse: RuleConditions) -> None:
    """Each of these outranks the next."""
    assert _read(better).rank > _read(worse).rank


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (RuleConditions(client="a"), RuleConditions(client="client:a")),
        (RuleConditions(country="cn"), RuleConditions(country="CN")),
        (RuleConditions(subdivision="cn-bj"), RuleConditions(subdivision="CN-BJ")),
        (RuleConditions(city="BEIJING"), RuleConditions(city="Beijing")),
        (RuleConditions(tag={"a": "1", "b": "2"}), RuleConditions(tag={"b": "2", "a": "1"})),
        (RuleConditions(qtype="aaaa"), RuleConditions(qtype="TYPE28")),
        (RuleConditions(transport="TCP"), RuleConditions(transport="tcp")),
        (RuleConditions(source="2001:DB8:0::/32"), RuleConditions(source="2001:db8::/32")),
        (RuleConditions(name="API.shop.test."), RuleConditions(name="api.shop.test")),
    ],
)
def test_spelling_makes_no_difference(one: RuleConditions, other: RuleConditions) -> None:
    """Conditions that match the same queries are equal however they are written."""
    assert _read(one) == _read(other)


def test_source_and_subnet_are_the_narrower_of_both() -> None:
    """Where both are tested the subnet must be there, and lies in the narrower network."""
    conditions = _read(RuleConditions(source="10.1.0.0/16", subnet="10.0.0.0/8"))
    assert conditions.network == _read(RuleConditions(source="10.1.0.0/16")).network
    assert conditions.subnet_only
    assert len(conditions.layout.dimensions) == 2
    assert _read(RuleConditions(source="10.0.0.0/8", subnet="10.1.0.0/16")) == conditions


@pytest.mark.parametrize(
    ("when", "path"),
    [
        (RuleConditions(source="10.1.2.3/16"), ("source",)),
        (RuleConditions(subnet="10.1.2.0"), None),
        (RuleConditions(subnet="10.1.2.x/24"), ("subnet",)),
        (RuleConditions(source="10.0.0.0/8", subnet="11.0.0.0/8"), ("subnet",)),
        (RuleConditions(source="10.0.0.0/8", subnet="2001:db8::/32"), ("subnet",)),
        (RuleConditions(name="a..b"), ("name",)),
        (RuleConditions(regex="("), ("regex",)),
        (RuleConditions(regex="(?=a)"), ("regex",)),
        (RuleConditions(qtype="NOPE"), ("qtype",)),
        (RuleConditions(transport="pigeon"), ("transport",)),
    ],
)
def test_impossible_conditions_are_faults(when: RuleConditions, path: tuple[str, ...] | None) -> None:
    """What cannot be read or can never hold is an error at its key; a lone address is a network of one."""
    faults: list[ConfigIssue] = []
    compile_conditions(when, PolicyIssues(faults, "f", ("rules", 3, "when")))
    assert [fault.path for fault in faults] == ([] if path is None else [("rules", 3, "when", *path)])
