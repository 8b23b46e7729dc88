"""Conditions in normal form, and their rank."""

from __future__ import annotations

from itertools import pairwise

import pytest

from graydns.gray.conditions import Conditions, rank, read_conditions
from graydns.gray.faults import Faults
from graydns.model.errors import Fault
from graydns.model.policy import When


def _read(when: When) -> Conditions:
    faults: list[Fault] = []
    conditions = read_conditions(when, Faults(faults))
    assert not faults
    return conditions


LADDER = [
    # identity and address, the more dimensions the better
    When(client="tls:a", source="10.1.0.0/16", name="api", qtype="A"),
    When(client="a", source="10.1.0.0/16", name="api"),
    When(client="tls:a", source="10.1.0.0/16"),
    When(client="tsig:a", source="10.1.2.3/32"),
    When(client="a", source="10.1.2.3/32"),
    When(client="a", source="10.0.0.0/8"),
    When(client="a", city="Beijing"),
    When(client="a", subdivision="CN-BJ"),
    When(client="a", country="CN"),
    When(tag={"a": "x", "b": "y"}, source="10.1.2.3/32"),
    When(tag={"a": "x"}, source="10.1.2.3/32"),
    When(tag={"a": "x"}, country="CN"),
    # name and address
    When(name="*", subnet="10.0.0.0/8", source="10.0.0.0/9", transport="tcp"),
    When(name="*", source="10.0.0.0/8", qtype="A", transport="tcp"),
    When(name="*", source="10.0.0.0/9", qtype="A"),
    When(name="*", source="10.0.0.0/9", transport="udp"),
    When(name="api.shop.test", source="10.0.0.0/9"),
    When(name="*.shop.test", source="10.0.0.0/9"),
    When(name="api-v1", source="10.0.0.0/9"),
    When(name="api-v1*", source="10.0.0.0/9"),
    When(name="ap*", source="10.0.0.0/9"),
    When(name="*", source="10.0.0.0/9"),
    When(regex=".*", source="10.0.0.0/9"),
    When(name="api.shop.test", source="10.0.0.0/8"),
    When(name="api.shop.test", country="CN"),
    # neither pair: number of dimensions
    When(source="10.0.0.0/8", country="CN", qtype="A", transport="tcp"),
    When(client="tls:a", name="api.shop.test", qtype="A"),
    When(name="api.shop.test", qtype="A", transport="tcp"),
    When(client="tls:a", qtype="A"),
    When(source="10.0.0.0/8", qtype="A"),
    When(source="10.0.0.0/8", transport="tcp"),
    When(name="api.shop.test", qtype="A"),
    When(qtype="A", transport="tcp"),
    When(client="tls:a"),
    When(client="client:a"),
    When(tag={"a": "x"}),
    When(source="10.0.0.0/8"),
    When(source="0.0.0.0/0"),
    When(city="Beijing"),
    When(name="localhost."),
    When(name="api"),
    When(regex="api"),
    When(qtype="A"),
    When(transport="tcp"),
    When(),
]


@pytest.mark.parametrize(("better", "worse"), list(pairwise(LADDER)))
def test_rank_ladder(better: When, worse: When) -> None:
    """Each of these outranks the next."""
    assert rank(_read(better)) > rank(_read(worse))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (When(client="a"), When(client="client:a")),
        (When(country="cn"), When(country="CN")),
        (When(subdivision="cn-bj"), When(subdivision="CN-BJ")),
        (When(city="BEIJING"), When(city="Beijing")),
        (When(tag={"a": "1", "b": "2"}), When(tag={"b": "2", "a": "1"})),
        (When(qtype="aaaa"), When(qtype="TYPE28")),
        (When(transport="TCP"), When(transport="tcp")),
        (When(source="2001:DB8:0::/32"), When(source="2001:db8::/32")),
        (When(name="API.shop.test."), When(name="api.shop.test")),
    ],
)
def test_spelling_makes_no_difference(one: When, other: When) -> None:
    """Conditions that match the same queries are equal however they are written."""
    assert _read(one) == _read(other)


def test_source_and_subnet_are_the_narrower_of_both() -> None:
    """Where both are tested the subnet must be there, and lies in the narrower network."""
    conditions = _read(When(source="10.1.0.0/16", subnet="10.0.0.0/8"))
    assert conditions.network == _read(When(source="10.1.0.0/16")).network
    assert conditions.subnet_only
    assert conditions.dimensions == 2
    assert _read(When(source="10.0.0.0/8", subnet="10.1.0.0/16")) == conditions


@pytest.mark.parametrize(
    ("when", "path"),
    [
        (When(source="10.1.2.3/16"), ("source",)),
        (When(subnet="10.1.2.0"), None),
        (When(subnet="10.1.2.x/24"), ("subnet",)),
        (When(source="10.0.0.0/8", subnet="11.0.0.0/8"), ("subnet",)),
        (When(source="10.0.0.0/8", subnet="2001:db8::/32"), ("subnet",)),
        (When(name="a..b"), ("name",)),
        (When(regex="("), ("regex",)),
        (When(regex="(?=a)"), ("regex",)),
        (When(qtype="NOPE"), ("qtype",)),
        (When(transport="pigeon"), ("transport",)),
    ],
)
def test_impossible_conditions_are_faults(when: When, path: tuple[str, ...] | None) -> None:
    """What cannot be read or can never hold is an error at its key; a lone address is a network of one."""
    faults: list[Fault] = []
    read_conditions(when, Faults(faults, "f", ("rules", 3, "when")))
    assert [fault.path for fault in faults] == ([] if path is None else [("rules", 3, "when", *path)])
