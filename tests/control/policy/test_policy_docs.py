"""docs/policies.md: its example is what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from graydns.config.document import Document
from graydns.config.release_policy import ReleasePolicy, list_http_warnings
from graydns.config.schema import read_typed
from graydns.control.policy.acceptance import AcceptanceState, evaluate_listing
from graydns.control.policy.policy_errors import InvalidRevisionError, PolicyError
from graydns.control.policy.revisions import read_active_candidate, read_strategy
from tests.control.policy.making import NOW, TERMS, published, strategy

TEXT = (Path(__file__).parents[3] / "docs/policies.md").read_text()


def kinds(cls: type[PolicyError]) -> set[type[PolicyError]]:
    """All errors below *cls* that are raised."""
    below = cls.__subclasses__()
    return {cls} if not below else set().union(*map(kinds, below))


def test_example() -> None:
    """It can be read, signed and taken, and its warning is the one that is shown."""
    (example,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    made = read_typed(Document("policy.yaml", example.encode()), ReleasePolicy)
    assert evaluate_listing(AcceptanceState(), published(made), TERMS, NOW)[1] is not None
    assert all(f"warning: {warning}\n" in TEXT for warning in list_http_warnings(made))


def test_error() -> None:
    """The error is to the letter."""
    value = b'{"api.shop.test": {"canary": 112.5}}'
    with pytest.raises(InvalidRevisionError) as caught:
        read_strategy(read_active_candidate({**published(strategy()), "gray/strategy/7/percent": value}, "gray/"))
    assert f"\n{caught.value}\n```" in TEXT


def test_every_reason() -> None:
    """Each reason for a refusal is explained."""
    assert {kind.reason for kind in kinds(PolicyError)} <= set(re.findall(r"`([a-z-]+)`", TEXT))
