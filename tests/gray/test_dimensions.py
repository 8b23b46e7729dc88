"""The list of dimensions agrees with the conditions that a file can have, with the docs, and with its own bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import fields_dict

from graydns.gray.dimensions import RANK_ORDER, RankField
from graydns.gray.dimensions.dimension import Dimension, ExplainedQuery
from graydns.model.errors import ConfigIssue, PolicyIssues
from graydns.model.policy import RuleConditions
from tests.gray.making import client, query
from tests.gray.strategies import Atlas

DOCS = Path(__file__).parents[2] / "docs" / "gray-routing.md"

#: For each dimension what ranks highest of it, and does not match `client()`.
WRITTEN: dict[str, Any] = {
    "client": "tls:vip.test",
    "tag": {f"k{number}": "v" for number in range(40)},
    "source": "2001:db8::1/128",
    "subnet": "2001:db8::1/128",
    "country": "GB",
    "subdivision": "GB-LND",
    "city": "London",
    "name": "www.shop.test",
    "regex": "www.*",
    "qtype": "TYPE65280",
    "transport": "tls",
}

FIELDS = [(rank_field, dimension) for rank_field in RANK_ORDER for dimension in rank_field.dimensions]
KEYS = [dimension.key for _, dimension in FIELDS]


def parse(dimension: Dimension[Any]) -> Any:
    issues: list[ConfigIssue] = []
    value = dimension.parse(WRITTEN[dimension.key], PolicyIssues(issues))
    assert not issues
    return value


def test_every_condition_has_one_dimension() -> None:
    """And the other way round."""
    assert sorted(KEYS) == sorted(fields_dict(RuleConditions))


@pytest.mark.parametrize("key", KEYS)
def test_the_docs_have_it(key: str) -> None:
    """In the table of keys of ``when``."""
    assert f"\n| `{key}` | " in DOCS.read_text()


@pytest.mark.parametrize(("rank_field", "dimension"), FIELDS, ids=KEYS)
def test_its_rank_fits_its_bits(rank_field: RankField, dimension: Dimension[Any]) -> None:
    """A rank that did not would spill into a field that is more important."""
    assert 0 < dimension.rank(parse(dimension)) < 1 << rank_field.bits


@pytest.mark.parametrize("dimension", [dimension for _, dimension in FIELDS], ids=KEYS)
def test_its_text_begins_with_its_key(dimension: Dimension[Any]) -> None:
    """So that a reader of ``explain`` finds the condition in the file."""
    seen = ExplainedQuery(query("api.shop.test", client("192.0.2.1"), "A"), Atlas(), None)
    mismatch = dimension.find_mismatch(parse(dimension), seen)
    assert mismatch is not None
    assert mismatch.startswith(dimension.key)


@pytest.mark.parametrize("dimension", [dimension for _, dimension in FIELDS], ids=KEYS)
def test_values_are_hashable(dimension: Dimension[Any]) -> None:
    """Equal conditions are found by hash."""
    assert hash(parse(dimension)) == hash(parse(dimension))
