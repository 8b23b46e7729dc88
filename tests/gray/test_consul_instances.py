"""Which instance of a Consul service comes first for whom."""

from __future__ import annotations

from collections import Counter

from graydns.gray.consul_instances import overlay_selection
from graydns.gray.plan import Plan
from graydns.model.catalog import InstanceSelection, InstanceWeights, LeadingInstance, ServiceInstance, ServiceView
from graydns.model.client import Client
from graydns.model.decision import DecisionKind
from graydns.model.name import from_text
from graydns.model.policy import Rule, RuleConditions, RuleOutcome
from tests.gray.making import TENANT, client, route

NAME = "web.service.consul"
CLIENTS = [client(f"198.51.{high}.{low}") for high in range(20) for low in range(100)]


def instance(number: int, weight: int = 1, tags: tuple[str, ...] = ()) -> ServiceInstance:
    return ServiceInstance(
        f"n{number}", f"10.0.0.{number}", "web", "web", tags=tags, weights=InstanceWeights(weight, 1)
    )


def select(*instances: ServiceInstance, tag: str = "") -> InstanceSelection:
    return ServiceView("web", instances).select(tag)


def plan_of(*rules: Rule) -> Plan:
    return route({}, tenant_rules=rules).plan(from_text(NAME), 1)


def first(plan: Plan, asker: Client) -> str:
    choice = plan.decide(asker).origin
    assert isinstance(choice, LeadingInstance)
    return choice.selection.instances[choice.first].node


def test_clients_spread_by_weight() -> None:
    """Three of four clients start at an instance of weight 3 beside one of weight 1."""
    plan = overlay_selection(plan_of(), select(instance(1, 3), instance(2, 1)), TENANT)
    share = Counter(first(plan, asker) for asker in CLIENTS)["n1"] / len(CLIENTS)
    assert 0.71 < share < 0.79


def test_only_those_move_that_have_to() -> None:
    """When an instance goes, the clients of the others stay; the same holds for those without a tag."""
    instances = [instance(number, tags=("even",) * (number % 2 == 0)) for number in range(1, 6)]
    before = overlay_selection(plan_of(), select(*instances), TENANT)
    gone = overlay_selection(plan_of(), select(*instances[1:]), TENANT)
    even = overlay_selection(plan_of(), select(*instances, tag="even"), TENANT)
    for asker in CLIENTS[:300]:
        was = first(before, asker)
        assert was == "n1" or first(gone, asker) == was
        assert was not in ("n2", "n4") or first(even, asker) == was


def test_decisions_are_one_for_each_instance() -> None:
    """So that the answers can be remembered by them, each as its cohort."""
    plan = overlay_selection(plan_of(), select(*map(instance, range(1, 5))), TENANT)
    decisions = {plan.decide(asker) for asker in CLIENTS}
    assert len(decisions) == len({decision.cohort for decision in decisions}) == 4
    assert {(one.varies, one.ecs_scope_v4, one.ecs_scope_v6, one.private) for one in decisions} == {
        (True, 24, 56, False)
    }
    assert (plan.constant_decision, plan.ecs_scope_v4, plan.reads_subnet_only) == (None, 24, True)


def test_who_somebody_is_does_not_count() -> None:
    """An answer by identity could not be cached by anybody (TTL 0)."""
    plan = overlay_selection(plan_of(), select(*map(instance, range(1, 5))), TENANT)
    for asker in CLIENTS[:50]:
        assert plan.decide(asker._replace(identity="tls:someone")) is plan.decide(asker)


def test_one_instance_or_none_is_for_all() -> None:
    """No scope, one entry for everybody; names that do not exist make no cohorts."""
    policy = plan_of()
    assert overlay_selection(policy, select(), TENANT) is policy
    for selection in (select(instance(1)), select(instance(1), instance(2, 0))):
        plan = overlay_selection(plan_of(), selection, TENANT)
        assert plan.constant_decision is not None
        assert plan.constant_decision is plan.decide(CLIENTS[0])
        assert (plan.constant_decision.varies, plan.constant_decision.ecs_scope_v4) == (False, 0)


def test_weightless_instances_are_shared_if_all_are() -> None:
    """Weight 0 counts only where there is nothing else."""
    plan = overlay_selection(plan_of(), select(instance(1, 0), instance(2, 0)), TENANT)
    assert {first(plan, asker) for asker in CLIENTS[:50]} == {"n1", "n2"}


def test_rules_speak_first() -> None:
    """Whom a rule names gets what it says, all others an instance; all answers have the longer scope."""
    rule = Rule("some", RuleConditions(source="198.51.0.0/24"), RuleOutcome(block="nxdomain"))
    plan = overlay_selection(plan_of(rule), select(instance(1), instance(2)), TENANT)
    kinds = {asker.source[2]: plan.decide(asker).kind for asker in CLIENTS}
    assert kinds.pop(0) is DecisionKind.BLOCK
    assert set(kinds.values()) == {DecisionKind.PLAIN}
    assert {(plan.decide(asker).ecs_scope_v4, plan.decide(asker).varies) for asker in CLIENTS} == {(24, True)}
    assert plan.decide(CLIENTS[0]) is plan.decide(CLIENTS[1])
    assert plan.reads_subnet_only


def test_a_rule_for_all_leaves_nothing() -> None:
    """A name that everybody is refused needs no instances."""
    plan = plan_of(Rule("all", RuleConditions(name="web.service.consul"), RuleOutcome(block="refused")))
    assert overlay_selection(plan, select(instance(1), instance(2)), TENANT) is plan
