"""Which instance of a Consul service comes first for whom."""

from __future__ import annotations

from collections import Counter

from graydns.gray.instances import lay_under
from graydns.gray.plan import Plan
from graydns.model.catalog import Choice, Instance, Selection, ServiceView, Weights
from graydns.model.decision import Kind
from graydns.model.name import from_text
from graydns.model.policy import Rule, Then, When
from graydns.model.query import Client
from tests.gray.making import TENANT, client, route

NAME = "web.service.consul"
CLIENTS = [client(f"198.51.{high}.{low}") for high in range(20) for low in range(100)]


def instance(number: int, weight: int = 1, tags: tuple[str, ...] = ()) -> Instance:
    return Instance(f"n{number}", f"10.0.0.{number}", "web", "web", tags=tags, weights=Weights(weight, 1))


def select(*instances: Instance, tag: str = "") -> Selection:
    return ServiceView("web", instances).select(tag)


def plan_of(*rules: Rule) -> Plan:
    return route({}, tenant_rules=rules).plan(from_text(NAME), 1)


def first(plan: Plan, asker: Client) -> str:
    choice = plan.decide(asker).origin
    assert isinstance(choice, Choice)
    return choice.selection.instances[choice.first].node


def test_clients_spread_by_weight() -> None:
    """Three of four clients start at an instance of weight 3 beside one of weight 1."""
    plan = lay_under(plan_of(), select(instance(1, 3), instance(2, 1)), TENANT)
    share = Counter(first(plan, asker) for asker in CLIENTS)["n1"] / len(CLIENTS)
    assert 0.71 < share < 0.79


def test_only_those_move_that_have_to() -> None:
    """When an instance goes, the clients of the others stay; the same holds for those without a tag."""
    instances = [instance(number, tags=("even",) * (number % 2 == 0)) for number in range(1, 6)]
    before = lay_under(plan_of(), select(*instances), TENANT)
    gone = lay_under(plan_of(), select(*instances[1:]), TENANT)
    even = lay_under(plan_of(), select(*instances, tag="even"), TENANT)
    for asker in CLIENTS[:300]:
        was = first(before, asker)
        assert was == "n1" or first(gone, asker) == was
        assert was not in ("n2", "n4") or first(even, asker) == was


def test_decisions_are_one_for_each_instance() -> None:
    """So that the answers can be remembered by them, each as its cohort."""
    plan = lay_under(plan_of(), select(*map(instance, range(1, 5))), TENANT)
    decisions = {plan.decide(asker) for asker in CLIENTS}
    assert len(decisions) == len({decision.cohort for decision in decisions}) == 4
    assert {(one.varies, one.reach4, one.reach6, one.private) for one in decisions} == {(True, 24, 56, False)}
    assert (plan.single, plan.reach4, plan.by_subnet) == (None, 24, True)


def test_who_somebody_is_does_not_count() -> None:
    """An answer by identity could not be cached by anybody (TTL 0)."""
    plan = lay_under(plan_of(), select(*map(instance, range(1, 5))), TENANT)
    for asker in CLIENTS[:50]:
        assert plan.decide(asker._replace(identity="tls:someone")) is plan.decide(asker)


def test_one_instance_or_none_is_for_all() -> None:
    """No scope, one entry for everybody; names that do not exist make no cohorts."""
    policy = plan_of()
    assert lay_under(policy, select(), TENANT) is policy
    for selection in (select(instance(1)), select(instance(1), instance(2, 0))):
        plan = lay_under(plan_of(), selection, TENANT)
        assert plan.single is not None
        assert plan.single is plan.decide(CLIENTS[0])
        assert (plan.single.varies, plan.single.reach4) == (False, 0)


def test_weightless_instances_are_shared_if_all_are() -> None:
    """Weight 0 counts only where there is nothing else."""
    plan = lay_under(plan_of(), select(instance(1, 0), instance(2, 0)), TENANT)
    assert {first(plan, asker) for asker in CLIENTS[:50]} == {"n1", "n2"}


def test_rules_speak_first() -> None:
    """Whom a rule names gets what it says, all others an instance; all answers have the longer scope."""
    rule = Rule("some", When(source="198.51.0.0/24"), Then(block="nxdomain"))
    plan = lay_under(plan_of(rule), select(instance(1), instance(2)), TENANT)
    kinds = {asker.source[2]: plan.decide(asker).kind for asker in CLIENTS}
    assert kinds.pop(0) is Kind.BLOCK
    assert set(kinds.values()) == {Kind.PLAIN}
    assert {(plan.decide(asker).reach4, plan.decide(asker).varies) for asker in CLIENTS} == {(24, True)}
    assert plan.decide(CLIENTS[0]) is plan.decide(CLIENTS[1])
    assert plan.by_subnet


def test_a_rule_for_all_leaves_nothing() -> None:
    """A name that everybody is refused needs no instances."""
    plan = plan_of(Rule("all", When(name="web.service.consul"), Then(block="refused")))
    assert lay_under(plan, select(instance(1), instance(2)), TENANT) is plan
