"""Compiling a tenant's policy: scopes, tenants, warnings, steps, and its end."""

from __future__ import annotations

import gc
import weakref

import pytest

from graydns.gray import router as router_module
from graydns.gray import rule_index
from graydns.gray.compiled_service import compile_service
from graydns.gray.policy_compiler import MAX_REGEXES, MAX_RULE_WARNINGS, compile_policy
from graydns.gray.router import Router
from graydns.model.errors import ConfigError, PolicyIssues
from graydns.model.name import from_text
from graydns.model.policy import Rule, RuleConditions, RuleOutcome
from tests.gray.making import (
    API,
    CANARY,
    STABLE,
    TENANT,
    VERSIONS,
    client,
    compile_router,
    faults,
    outcome,
    query,
    route,
    service,
    zone,
)

BLOCK = RuleOutcome(block="nodata")


def test_two_services_of_one_zone_are_apart() -> None:
    """Two services hash apart, and a rule touches the one that has the version it names."""
    other = {"stable": STABLE, "v2": CANARY}
    split = {name: service(percent={"canary": 500_000}) for name in (API, "pay.shop.test")}
    router = route(
        split | {"web.shop.test": service(versions=other)},
        Rule("net", RuleConditions(source="10.0.0.0/8"), RuleOutcome(version="v2")),
    )
    askers = [client(f"192.0.2.{at}") for at in range(100)]
    api, pay = ([outcome(router, name, asker) for asker in askers] for name in split)
    assert 20 < sum(one != two for one, two in zip(api, pay, strict=True)) < 80
    assert outcome(router, "web.shop.test", client("10.0.0.1")) == "v2"
    assert outcome(router, API, client("10.0.0.1")) in VERSIONS


def test_rules_of_tenant_see_every_name_those_of_zones_their_own() -> None:
    """A tenant's rule works across its zones and for names that are not ours, a zone's rule in its zone only."""
    zones = [
        zone({f"api.{name}": service()}, [Rule(f"only-{name}", RuleConditions(name="mail*"), BLOCK)], name)
        for name in ("a.test", "b.test", "deep.a.test")
    ]
    rules = [
        Rule("wide", RuleConditions(name="api*", source="10.0.0.0/8"), RuleOutcome(version="canary")),
        Rule("ads", RuleConditions(name="ads"), BLOCK),
    ]
    router = compile_router(TENANT, zones, rules)
    for name in ("api.a.test", "api.b.test", "api.deep.a.test"):
        assert outcome(router, name, client("10.0.0.1")) == "canary"
        assert outcome(router, name, client("11.0.0.1")) == "stable"
    mails = [outcome(router, f"mail.{name}", client()) for name in ("a.test", "b.test", "x.deep.a.test", "c.test")]
    assert mails == ["rule:only-a.test", "rule:only-b.test", "rule:only-deep.a.test", ""]
    assert outcome(router, "ads.example.com", client()) == outcome(router, "ads.a.test", client()) == "rule:ads"


def test_tenants_are_apart() -> None:
    """The same client and policy come to different buckets and cohorts in different tenants."""
    policy = [zone({API: service(percent={"canary": 500_000})})]
    one, other = (compile_router(tenant, policy, []) for tenant in ("one", "other"))
    decisions = [[router.decide(query(API, client(f"192.0.2.{at}"))) for at in range(100)] for router in (one, other)]
    pairs = list(zip(*decisions, strict=True))
    assert 20 < sum(mine.cohort.outcome != theirs.cohort.outcome for mine, theirs in pairs) < 80
    assert all(mine.cohort.tenant == "one" and theirs.cohort.tenant == "other" for mine, theirs in pairs)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (
            Rule("r", RuleConditions(source="10.0.0.0/8"), RuleOutcome(version="v9")),
            "rule 'r' sees no service that has a version 'v9'",
        ),
        (
            Rule("r", RuleConditions(name="web*"), RuleOutcome(version="canary")),
            "rule 'r' sees no service that has a version 'canary'",
        ),
        (
            Rule("r", RuleConditions(name="a.other.test"), BLOCK),
            "rule 'r' names a.other.test, which is not in its zone",
        ),
        (Rule("r", RuleConditions(name="api*"), RuleOutcome(version="canary")), None),
        (Rule("r", RuleConditions(name="mail.shop.test"), BLOCK), None),
    ],
)
def test_rules_that_can_never_apply_are_warned_of(rule: Rule, expected: str | None) -> None:
    """A rule that no name can follow is pointed out."""
    assert route({API: service()}, rule).warnings == (() if expected is None else (expected,))


def test_service_named_for_a_version_it_lacks_is_an_error() -> None:
    """Naming a service and a version that it has not is a mistake."""
    found = faults(zone({API: service()}, [Rule("r", RuleConditions(name=API), RuleOutcome(version="v9"))]))
    assert [(fault.path, fault.expected) for fault in found] == [
        (("rules", 0, "then", "version"), f"a version of {API}")
    ]


def test_faults_of_tenant_rules_name_no_file() -> None:
    """Faults in a tenant's own rules start at its list."""
    (found,) = faults(rules=[Rule("r", RuleConditions(qtype="NOPE"), BLOCK)])
    assert (found.file, found.path) == ("", ("rules", 0, "when", "qtype"))


def test_regexes_are_limited() -> None:
    """A tenant has at most so many regular expressions."""
    rules = [Rule(f"r{at}", RuleConditions(regex=f"n{at}"), BLOCK) for at in range(MAX_REGEXES + 1)]
    (found,) = faults(zone({}, rules))
    assert found.path == ("rules", MAX_REGEXES, "when", "regex")
    assert outcome(route({}, *rules[1:]), "n7", client()) == ""
    assert outcome(compile_router(TENANT, [], rules[1:]), "n7", client()) == "rule:r7"


def test_regexes_too_large_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Expressions that RE2 cannot hold are an error, not a crash."""
    monkeypatch.setattr(rule_index, "MAX_SET_BYTES", 1 << 16)
    (found,) = faults(rules=[Rule(f"r{at}", RuleConditions(regex=f"{at}[a-z]{{1,60}}"), BLOCK) for at in range(500)])
    assert "too large" in found.found


def test_warnings_are_bounded() -> None:
    """Thousands of useless rules give a bounded number of warnings."""
    rules = [Rule(f"r{at}", RuleConditions(name=f"n{at}"), RuleOutcome(version="v9")) for at in range(500)]
    assert len(route({}, *rules).warnings) == MAX_RULE_WARNINGS + 1


def test_steps_can_be_interleaved() -> None:
    """The generator makes the same router; whoever runs it may do other things between its steps."""
    rules = [
        Rule(f"r{at}", RuleConditions(source=f"10.0.{at}.0/24"), RuleOutcome(version="canary")) for at in range(200)
    ]
    steps, count = compile_policy(TENANT, [zone({API: service()}, rules)], []), 0
    while True:
        try:
            next(steps)
            count += 1
        except StopIteration as done:
            router: Router = done.value
            break
    assert count > 5 * len(rules)
    assert outcome(router, API, client("10.0.7.1")) == "canary"


def test_errors_come_out_of_steps() -> None:
    """A policy with faults raises them all from the generator too."""
    with pytest.raises(ConfigError, match="NOPE"):
        list(compile_policy(TENANT, [], [Rule("r", RuleConditions(qtype="NOPE"), BLOCK)]))


def test_origins_are_what_decisions_come_from() -> None:
    """A pool of a version, or a rule; of one router's policy and no other's."""
    rule = Rule("r", RuleConditions(name="www"), BLOCK)
    one, other = (route({API: service(percent={"canary": 500_000})}, rule) for _ in range(2))
    decisions = [one.decide(query(API, client(f"192.0.2.{at}"))) for at in range(50)]
    decisions.append(one.decide(query("www.shop.test", client())))
    pools = {id(pool) for router in (one,) for pool in router.services[from_text(API)].pools.values()}
    assert {id(decision.origin) for decision in decisions} == pools | {id(one.rules[0])}
    assert other.decide(query("www.shop.test", client())).origin is other.rules[0]
    assert one.decide(query("mail.shop.test", client())).origin is None


def test_plans_are_shared_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that the same rules see share a plan; however many names are asked for, few plans are remembered."""
    monkeypatch.setattr(router_module, "MIN_PLAN_CACHE_SIZE", 3)
    router = route({}, *(Rule(f"r{at}", RuleConditions(name=f"*{at}*"), BLOCK) for at in range(8)))
    first = router.plan(from_text("a1.test"), 1)
    assert router.plan(from_text("b1.test"), 28) is first
    for number in range(1000):
        router.plan(from_text(f"{number}.test"), 1)
        assert len(router._plans) <= 3 + 4 * 8
    assert router.plan(from_text("a1.test"), 1).constant_decision is not None


def test_services_can_be_replaced() -> None:
    """A router with a replaced service shares all else with the old one, which stays as it is."""
    listed = {"canary": ("net:10.0.0.0/8",)}
    old = route(
        {API: service(), "www.shop.test": service()},
        Rule("net", RuleConditions(source="10.1.0.0/16"), RuleOutcome(version="canary")),
    )
    name = from_text(API)
    new = old
    for network in ("net:10.2.0.0/16", "net:10.1.2.0/24"):  # the second one replaces the first
        one = compile_service(TENANT, API, service(whitelist=listed | {"stable": (network,)}), PolicyIssues([]))
        new = new.with_services({name: one})
    askers = [client(address) for address in ("10.1.2.3", "10.1.9.9", "10.2.0.1", "11.0.0.1")]
    assert [outcome(old, API, asker) for asker in askers] == ["canary", "canary", "stable", "stable"]
    assert [outcome(new, API, asker) for asker in askers] == ["stable", "canary", "canary", "stable"]
    assert new.plan(name, 1).ecs_scope_v4 == 24
    assert new.services[from_text("www.shop.test")] is old.services[from_text("www.shop.test")]
    assert len(new.extended_networks) == 1


def test_types_that_rules_test_have_plans_of_their_own() -> None:
    """A plan differs by type only where a rule tests it."""
    router = route({}, Rule("r", RuleConditions(qtype="TXT"), BLOCK))
    assert outcome(router, "www.shop.test", client(), "TXT") == "rule:r"
    assert outcome(router, "www.shop.test", client(), "A") == ""
    assert router.plan(from_text("www.shop.test"), 1) is router.plan(from_text("www.shop.test"), 28)


def test_router_dies_by_reference_count() -> None:
    """A router that has planned and decided holds no reference to itself."""
    rules = [
        Rule("net", RuleConditions(source="10.0.0.0/8"), RuleOutcome(version="canary")),
        Rule("id", RuleConditions(client="a", source="10.0.0.0/8"), RuleOutcome(records={"A": ("192.0.2.1",)})),
        Rule("glob", RuleConditions(name="a*b*c"), BLOCK),
        Rule("regex", RuleConditions(regex="x.*", tag={"k": "v"}), BLOCK),
    ]
    router = route({API: service(percent={"canary": 500_000}, whitelist={"canary": ("client:a",)})}, *rules)
    for at in range(20):
        router.explain(query(API, client(f"192.0.2.{at}")))
    gone: list[weakref.ref[object]] = [weakref.ref(router), weakref.ref(router.plan(from_text(API), 1))]
    gone.append(weakref.ref(router.networks))
    gc.disable()
    try:
        del router
        assert all(one() is None for one in gone)
    finally:
        gc.enable()
