"""Which group answers for a name."""

from __future__ import annotations

import pytest
from attrs import evolve

from graydns.model import name as names
from graydns.model.decision import Cohort, Decision, DecisionKind
from graydns.upstream.server_groups import ForwardTable
from tests.upstream.queries import GROUP, make_query

ROOT, CORP, LAB = (evolve(GROUP, name=name) for name in ("root", "corp", "lab"))


def table(**suffixes: str) -> ForwardTable:
    """A table of the three groups."""
    groups = {group.name: group for group in (ROOT, CORP, LAB)}
    return ForwardTable({names.from_text(suffix): groups[name] for name, suffix in suffixes.items()}, groups)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.lab.corp.test", LAB), ("lab.corp.test", LAB), ("x.corp.test", CORP), ("xcorp.test", ROOT), (".", ROOT)],
)
def test_longest_suffix_wins(name: str, expected: object) -> None:
    """Suffixes count label by label, and the longest is taken."""
    assert table(root=".", corp="corp.test", lab="lab.corp.test").find_group(names.from_text(name)) is expected


def test_name_without_suffix_has_no_group() -> None:
    """Without an entry for the root some names have no group."""
    assert table(corp="corp.test").find_group(names.from_text("www.other.test")) is None
    assert table(root=".").find_group(names.from_text("www.other.test")) is ROOT


def test_rule_names_the_group() -> None:
    """A verdict that names an upstream goes before the suffixes."""
    query = make_query()._replace(decision=Decision(Cohort("t", "", "rule:x"), DecisionKind.UPSTREAM, upstream="lab"))
    assert table(root=".").choose_group(query) is LAB
    assert table(root=".").choose_group(make_query()) is ROOT


def test_equal_settings_make_equal_groups() -> None:
    """A group that a reload made anew is the same origin if nothing about it changed."""
    assert evolve(GROUP) == GROUP
    assert hash(evolve(GROUP)) == hash(GROUP)
    assert evolve(GROUP, deadline=1.0) != GROUP
