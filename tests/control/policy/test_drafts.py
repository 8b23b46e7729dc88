"""Drafting: the next revision says what the running one says, but for the service that is changed."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from graydns.control import service_overrides
from graydns.control.live_changes import ServiceOverride
from graydns.control.policy.acceptance import AcceptanceState, PolicyRevision, evaluate_listing
from graydns.control.policy.drafts import PolicyDraft, apply_override, draft, mentions_service, remove_service
from graydns.control.service_overrides import ServiceReference, ShareChange
from graydns.model.errors import ControlError
from graydns.model.name import from_text
from graydns.model.policy import ServicePolicy
from tests.control.policy.making import NOW, TERMS, published, strategy

API, WEB = from_text("api.a.test"), from_text("web.a.test")
STAY = {"actor": "anna", "at": 1.0, "until": None}


def running() -> PolicyRevision:
    """POLICY, as it is taken."""
    _, revision = evaluate_listing(AcceptanceState(), published(strategy()), TERMS, NOW)
    assert revision is not None
    return revision


def found(name: str = "api.a.test", **parts: Any) -> ServiceReference:
    """A service of the tenant ``one`` with two versions, *parts* being what file and policy say of it."""
    versions: Any = dict.fromkeys(("stable", "canary"))
    return ServiceReference(name, from_text(name), "one", ServicePolicy(versions, "stable", **parts))


def shifted(service: ServiceReference, shift: ShareChange) -> PolicyDraft:
    made = draft(running(), TERMS, 12, service, "anna")
    return apply_override(made, service, shift(service, ServiceOverride(), STAY))


def test_what_a_draft_is() -> None:
    """A new number, from now on and without an end, by whoever asked; unsigned, and no word else is altered."""
    made = draft(running(), TERMS, 12, found(), "anna")
    meta = made.strategy.meta
    assert (made.base, meta.revision, meta.not_before, meta.not_after, meta.author) == (7, 12, None, None, "anna")
    before = strategy()
    assert evolve(made.strategy, meta=before.meta) == evolve(before, signature=None)


def test_the_first_one() -> None:
    """Where nothing runs it is of the service's tenant, and for here."""
    made = draft(None, TERMS, 1, found(), "anna")
    meta = made.strategy.meta
    assert (made.base, meta.prefix, meta.datacenter, meta.tenant, meta.revision) == (0, "gray/", "dc1", "one", 1)
    assert made.strategy == evolve(made.strategy, route=(), percent={}, weight={}, whitelist={})


@pytest.mark.parametrize("tenant", [None, "two"])
def test_another_tenants_service(tenant: str | None) -> None:
    """A revision is of one tenant: of the one that runs, or of the one that is configured."""
    service = evolve(found(), tenant="three")
    with pytest.raises(ControlError, match="--local"):
        draft(running() if tenant is None else None, evolve(TERMS, tenant=tenant), 12, service, "anna")


@given(st.integers(0, 1_000_000))
def test_percent_takes_the_place_of_weights(millionths: int) -> None:
    """And the other way round; the other services keep what they have."""
    text = f"{millionths // 10_000}.{millionths % 10_000:04}"
    made = shifted(
        found("web.a.test", weights={"stable": 3, "canary": 1}), service_overrides.change_percent({"canary": text})
    ).strategy
    assert made.percent == {**strategy().percent, WEB: {"canary": millionths}}
    assert WEB not in made.weight
    made = shifted(found(percent={"canary": 125_000}), service_overrides.change_weights({"canary": 1})).strategy
    assert (API in made.percent, made.weight[API]) == (False, {"canary": 1})
    assert made.weight[WEB] == strategy().weight[WEB]


def test_versions_that_are_not_named_keep_their_shares() -> None:
    """Also those that only the file gives them."""
    service = found(percent={"stable": 10_000, "canary": 125_000})
    made = shifted(service, service_overrides.change_percent({"canary": "50"})).strategy
    assert made.percent[API] == {"stable": 10_000, "canary": 500_000}


def test_whitelists() -> None:
    """The whole list stands in the policy; one that loses its last entry is empty there, not the file's."""
    service = found(whitelist={"canary": ("client:qa",), "stable": ("client:x",)})
    made = shifted(service, service_overrides.change_whitelist("canary", ["net:10.3.0.0/16"], ["client:qa"])).strategy
    assert made.whitelist[API] == {"canary": ("net:10.3.0.0/16",), "stable": ("client:x",)}
    made = shifted(
        found(whitelist={"canary": ("client:qa",)}), service_overrides.change_whitelist("canary", [], ["client:qa"])
    ).strategy
    assert made.whitelist[API] == {}
    assert made.percent == strategy().percent


def test_clearing() -> None:
    """Nothing is said of the service any more; of one of which nothing is said, that is an error."""
    made = remove_service(draft(running(), TERMS, 12, found(), "anna"), found())
    assert mentions_service(strategy(), API)
    assert not mentions_service(made.strategy, API)
    assert made.strategy.weight == strategy().weight
    with pytest.raises(ControlError, match="says nothing"):
        remove_service(made, found())
