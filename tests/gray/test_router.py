"""The router as a whole: against a plain reference, and what its scopes promise to caches."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from graydns.gray.policy_records import parse_rdtype
from graydns.gray.router import Router
from graydns.model.client import Client, Subnet
from graydns.model.decision import DecisionKind
from graydns.model.name import from_text
from graydns.model.policy import Rule, RuleConditions, RuleOutcome, ServicePolicy
from tests.conftest import examples
from tests.gray.making import TENANT, client, compile_router, query, route, zone
from tests.gray.reference import Reference
from tests.gray.strategies import (
    NAMES,
    OFFERED,
    QTYPES,
    SERVICES,
    WHENS,
    ZONES,
    Atlas,
    clients,
    rule_lists,
    subnets,
    widen,
)


@st.composite
def policies(draw: st.DrawFn, personal: bool = True) -> tuple[Router, Reference]:
    """A router over three zones, one inside another, and the reference for the same policy."""
    offered = {name: draw(st.sampled_from(OFFERED[personal])) for name in SERVICES}
    by_zone: dict[str, dict[str, ServicePolicy]] = {text: {} for text in ZONES}
    for name, one in offered.items():
        by_zone[max((text for text in ZONES if name.endswith("." + text)), key=len)][name] = one
    whens = draw(st.lists(st.sampled_from(WHENS[personal]), unique_by=repr, max_size=16))
    quarters = dict(zip((*ZONES, ""), (whens[at::4] for at in range(4)), strict=True))
    rules = {text: draw(rule_lists(st.just(quarter), f"{text}-")) for text, quarter in quarters.items()}
    assume(not any(_misnames(rule, offered) for listed in rules.values() for rule in listed))
    zones = [zone(by_zone[text], rules[text], text) for text in ZONES]
    return compile_router(TENANT, zones, rules[""], Atlas()), Reference(by_zone, rules, Atlas())


def _misnames(rule: Rule, offered: dict[str, ServicePolicy]) -> bool:
    """Whether a rule names a service and a version it lacks, which is an error."""
    named = offered.get(rule.when.name or "")
    return named is not None and rule.then.version is not None and rule.then.version not in named.versions


@examples(2)
@given(policies(), st.sampled_from(NAMES), st.sampled_from(QTYPES), st.lists(clients(), min_size=8, max_size=8))
def test_agrees_with_reference(made: tuple[Router, Reference], name: str, qtype: str, askers: list[Client]) -> None:
    """The router decides as a scan over all rules does, and explains the same decision."""
    router, reference = made
    plan = router.plan(from_text(name), parse_rdtype(qtype))
    for asker in askers:
        expected = reference.decide(name, qtype, asker)
        decision = plan.decide(asker)
        if expected == "split":
            assert decision.kind is DecisionKind.VERSION
        else:
            assert decision.cohort.outcome == expected
        assert router.explain(query(name, asker, qtype)).decision is decision


@examples(2)
@given(policies(personal=False), st.sampled_from(NAMES), clients(personal=False), st.data())
def test_scope_is_true(made: tuple[Router, Reference], name: str, asker: Client, data: st.DataObject) -> None:
    """Whoever is in the network that an answer's scope announces gets the same Decision."""
    router, _ = made
    plan = router.plan(from_text(name), parse_rdtype("A"))
    asker = asker._replace(subnet=data.draw(subnets()))
    assert asker.subnet is not None
    decision = plan.decide(asker)
    scope = decision.ecs_scope(asker)
    address = _another(asker.subnet.address, scope, data.draw(st.binary(min_size=16, max_size=16)))
    # A cache that holds an answer for the whole SOURCE may give it to askers with the same SOURCE only.
    longest = 8 * len(address)
    prefix = data.draw(st.integers(scope, longest)) if scope < asker.subnet.prefix else scope
    assert plan.decide(asker._replace(subnet=widen(address, prefix))) is decision


@examples(2)
@given(policies(), st.sampled_from(NAMES), subnets(), st.lists(clients(), min_size=4, max_size=4))
def test_by_subnet_is_true(made: tuple[Router, Reference], name: str, subnet: Subnet, askers: list[Client]) -> None:
    """Where a plan says so, clients without identity and tags that share a subnet share the Decision."""
    plan = made[0].plan(from_text(name), parse_rdtype("A"))
    if plan.reads_subnet_only and subnet.prefix:
        strangers = [asker._replace(subnet=subnet, identity=None, tags=()) for asker in askers]
        assert len({plan.decide(stranger) for stranger in strangers}) == 1


def test_scope_0_is_for_everyone() -> None:
    """An answer of scope 0 is that of clients of the other family, and of those that withhold their subnet, too."""
    router = route({}, Rule("six", RuleConditions(source="2001:db8::/32"), RuleOutcome(block="nodata")))
    plain, withheld = client("2001:db8::1", subnet="192.0.2.0/24"), client("2001:db8::1", subnet="0.0.0.0/0")
    decisions = [router.decide(query("www.shop.test", asker)) for asker in (plain, withheld)]
    assert decisions[0] is not decisions[1]
    assert decisions[0].ecs_scope(plain) == 1


def _another(address: bytes, shared: int, noise: bytes) -> bytes:
    """An address that has the first *shared* bits of *address* and the rest of *noise*."""
    spare = 8 * len(address) - shared
    kept = int.from_bytes(address, "big") >> spare << spare
    return (kept | int.from_bytes(noise, "big") & ((1 << spare) - 1)).to_bytes(len(address), "big")
