"""Plans: which parts apply to a name, in which order, and what that means for TTL and scope."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from types import FrameType

import pytest
from dns.rdatatype import A
from hypothesis import given
from hypothesis import strategies as st

from graydns.gray.client_key import bucket, derive_hash_key, hash64
from graydns.gray.plan import Plan
from graydns.gray.router import Router
from graydns.model.client import Client
from graydns.model.decision import BlockAction, Cohort, Decision, DecisionKind
from graydns.model.name import from_text
from graydns.model.policy import Rule, RuleConditions, RuleOutcome
from graydns.model.transport import TCP
from tests.conftest import examples
from tests.gray.making import API, STABLE, TENANT, client, outcome, query, route, service, version
from tests.gray.strategies import Atlas

QA = client(identity="client:qa")


def _plan(router: Router, name: str = API) -> Plan:
    return router.plan(from_text(name), A)


def test_order_of_steps() -> None:
    """Rules that name no version come before the whitelist, that before version rules, those before the split."""
    listed = service(percent={"canary": 1_000_000}, whitelist={"stable": ("net:10.0.0.0/8",)})
    rules = (
        Rule("block", RuleConditions(source="10.1.2.0/24"), RuleOutcome(block="refused")),
        Rule("version", RuleConditions(source="10.1.0.0/16"), RuleOutcome(version="canary")),
        Rule("elsewhere", RuleConditions(source="192.0.2.0/24"), RuleOutcome(version="stable")),
    )
    router = route({API: listed}, *rules)
    assert outcome(router, API, client("10.1.2.3")) == "rule:block"
    assert outcome(router, API, client("10.1.3.3")) == "stable"
    assert outcome(router, API, client("192.0.2.1")) == "stable"
    assert outcome(router, API, client("203.0.113.1")) == "canary"


def test_whitelist_order() -> None:
    """An identity beats a network, a longer network a shorter one."""
    whitelist = {"stable": ("net:10.0.0.0/8", "client:qa"), "canary": ("net:10.1.0.0/16", "tls:cert")}
    router = route({API: service(whitelist=whitelist)})
    assert outcome(router, API, client("10.1.0.1")) == "canary"
    assert outcome(router, API, client("10.2.0.1")) == "stable"
    assert outcome(router, API, client("10.1.0.1", identity="client:qa")) == "stable"
    assert outcome(router, API, client("10.2.0.1", identity="tls:cert")) == "canary"
    assert outcome(router, API, client("10.2.0.1", subnet="10.1.7.0/24")) == "canary"


@examples(0.5)
@given(st.binary(min_size=4, max_size=4), st.integers(1, 999_999))
def test_split_follows_the_bucket(address: bytes, share: int) -> None:
    """A client below the canary's share of buckets gets the canary, any other the default, every time."""
    router = route({API: service(percent={"canary": share})})
    key = derive_hash_key(TENANT, API, API, "cohort")
    asker = Client(address)
    expected = "canary" if bucket(hash64(key, b"\1\1\x20" + address)) < share else "stable"
    assert outcome(router, API, asker) == outcome(router, API, asker, "AAAA") == expected


@examples(0.3)
@given(st.integers(0, 1_000_000), st.integers(0, 1_000_000))
def test_growing_share_only_moves_clients_to_the_canary(one: int, other: int) -> None:
    """Whoever has the canary at a share has it at every larger one."""
    small, large = (route({API: service(percent={"canary": share})}) for share in sorted((one, other)))
    for number in range(100):
        asker = client(f"198.51.100.{number}")
        if outcome(small, API, asker) == "canary":
            assert outcome(large, API, asker) == "canary"


def test_realised_share() -> None:
    """Of many clients, the share asked for gets the canary."""
    plan = _plan(route({API: service(percent={"canary": 100_000})}))
    got = sum(plan.decide(Client(number.to_bytes(4, "big"))).cohort.outcome == "canary" for number in range(20_000))
    assert 1800 < got < 2200


def test_equal_verdicts_are_the_same_object() -> None:
    """A plan hands out one Decision for a verdict, whoever asks and for whatever type."""
    router = route({API: service(percent={"canary": 500_000})})
    decisions = {
        router.decide(query(API, client(f"192.0.2.{at}"), qtype)) for at in range(99) for qtype in ("A", "TXT")
    }
    assert {decision.cohort.outcome for decision in decisions} == {"stable", "canary"}
    assert len(decisions) == 2


def test_names_without_policy_share_everything() -> None:
    """Names that nothing touches share one plan with one Decision, that of the tenant's default cohort."""
    router = route({API: service()}, Rule("ads", RuleConditions(name="*.ads.shop.test"), RuleOutcome(block="nodata")))
    plain = _plan(router, "www.shop.test")
    assert plain is _plan(router, "www.example.com")
    assert plain.constant_decision is plain.decide(QA)
    assert plain.constant_decision.cohort == Cohort(TENANT)
    assert (plain.constant_decision.kind, plain.constant_decision.varies, plain.constant_decision.ttl_cap) == (
        DecisionKind.PLAIN,
        False,
        None,
    )


def test_unmatched_client_of_a_ruled_name() -> None:
    """Where rules can apply but do not, clients are in the default cohort, and the answer still varies."""
    plan = _plan(
        route({}, Rule("net", RuleConditions(source="10.0.0.0/8"), RuleOutcome(block="nodata"))), "www.shop.test"
    )
    decision = plan.decide(client())
    assert decision.cohort == Cohort(TENANT)
    assert (decision.varies, decision.ecs_scope_v4, decision.ecs_scope_v6) == (True, 8, 1)
    assert plan.constant_decision is None


def test_what_all_clients_get_is_single() -> None:
    """A name has a single Decision if no client can get another."""
    always = Rule("always", RuleConditions(name="www"), RuleOutcome(block="nodata"))
    assert _plan(route({}, always), "www.shop.test").constant_decision is not None
    assert _plan(route({API: service()})).constant_decision is not None
    assert _plan(route({API: service(percent={"canary": 1_000_000})})).constant_decision is not None
    assert _plan(route({API: service(percent={"canary": 1})})).constant_decision is None
    assert _plan(route({API: service(whitelist={"canary": ("client:a",)})})).constant_decision is None
    assert (
        _plan(route({API: service(versions={"stable": version("192.0.2.1", "192.0.2.2")})})).constant_decision is None
    )


def test_what_is_outranked_does_not_count() -> None:
    """Nothing below a rule that matches every client applies: not to the answer, not to the scope."""
    router = route(
        {API: service(percent={"canary": 500_000}, whitelist={"canary": ("net:10.0.0.0/30",)})},
        Rule("stop", RuleConditions(name=API, qtype="A"), RuleOutcome(block="nodata")),
        Rule("dead", RuleConditions(source="10.0.0.0/8"), RuleOutcome(block="refused")),
        Rule("alive", RuleConditions(source="192.0.0.0/9", name=API), RuleOutcome(block="refused")),
    )
    stopped = _plan(router)
    assert (stopped.ecs_scope_v4, stopped.ecs_scope_v6) == (9, 1)
    assert router.plan(from_text(API), 28).ecs_scope_v4 == 30
    assert outcome(router, API, client("10.0.0.1")) == "rule:stop"
    assert outcome(router, API, client("192.0.2.1")) == "rule:alive"


def test_unconditional_version_rule() -> None:
    """A version rule without conditions on clients replaces the split, not the whitelist."""
    router = route(
        {API: service(percent={"canary": 500_000}, whitelist={"stable": ("client:qa",)})},
        Rule("all", RuleConditions(name=API), RuleOutcome(version="canary", ttl=2)),
        Rule("tcp", RuleConditions(transport="tcp"), RuleOutcome(version="stable")),
    )
    decision = _plan(router).decide(client())
    assert (decision.cohort.outcome, decision.ttl, decision.ecs_scope_v4) == ("canary", 2, 0)
    assert outcome(router, API, QA) == "stable"
    assert outcome(router, API, client(transport=TCP)) == "canary"


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        (RuleOutcome(records={"A": ("192.0.2.30",)}), (DecisionKind.RECORDS, 5, None)),
        (RuleOutcome(records={"A": ("192.0.2.30",)}, ttl=60), (DecisionKind.RECORDS, 60, 60)),
        (RuleOutcome(block="nxdomain"), (DecisionKind.BLOCK, 5, None)),
        (RuleOutcome(upstream="lab", ttl=9), (DecisionKind.UPSTREAM, 9, 9)),
    ],
)
def test_outcomes(then: RuleOutcome, expected: tuple[DecisionKind, int, int | None]) -> None:
    """Each outcome of a rule becomes a Decision of its kind, in a cohort of its own."""
    decision = _plan(route({}, Rule("r", RuleConditions(name="www"), then)), "www.shop.test").constant_decision
    assert decision is not None
    assert (decision.kind, decision.ttl, decision.ttl_cap) == expected
    assert decision.cohort == Cohort(TENANT, "r", "rule:r")
    assert decision.upstream == then.upstream
    assert decision.block == (BlockAction(then.block) if then.block else None)
    assert dict(decision.records) == ({A: (bytes((192, 0, 2, 30)),)} if then.records else {})


def test_ttl_never_above_the_service() -> None:
    """Whatever a rule says, a service's answers live no longer than its ttl."""
    rules = (
        Rule("long", RuleConditions(source="10.0.0.0/8"), RuleOutcome(version="canary", ttl=600)),
        Rule("short", RuleConditions(source="11.0.0.0/8"), RuleOutcome(version="canary", ttl=1)),
        Rule("given", RuleConditions(source="12.0.0.0/8"), RuleOutcome(records={"A": ("192.0.2.1",)}, ttl=600)),
    )
    plan = _plan(route({API: service(ttl=30)}, *rules))
    assert [plan.decide(client(f"{first}.0.0.1")).ttl_cap for first in (10, 11, 12, 13)] == [30, 1, 30, 30]


def _by_identity() -> dict[str, Router]:
    return {
        "rule by client": route(
            {API: service()}, Rule("r", RuleConditions(client="qa"), RuleOutcome(version="stable"))
        ),
        "rule by tag": route(
            {API: service()}, Rule("r", RuleConditions(tag={"env": "x"}), RuleOutcome(version="stable"))
        ),
        "block by client": route({API: service()}, Rule("r", RuleConditions(client="qa"), RuleOutcome(block="nodata"))),
        "whitelist": route({API: service(whitelist={"stable": ("client:qa",)})}),
        "split": route({API: service(percent={"canary": 500_000})}),
        "endpoint": route({API: service(versions={"stable": version("192.0.2.1", "192.0.2.2")})}),
    }


@pytest.mark.parametrize("way", _by_identity())
def test_chosen_by_identity_is_private(way: str) -> None:
    """What identity or tags chose has TTL 0 and scope = SOURCE; the same version for others has not."""
    plan = _plan(_by_identity()[way])
    asker = client(identity="client:qa", subnet="192.0.2.0/25", tags={"env": "x"})
    mine, theirs = plan.decide(asker), plan.decide(client(subnet="192.0.2.0/25"))
    assert (mine.private, mine.ttl, mine.ttl_cap, mine.ecs_scope(asker)) == (True, 0, 0, 25)
    assert (theirs.private, theirs.ttl) == (False, 5)
    assert theirs.ecs_scope(asker) == (24 if way in ("split", "endpoint") else 0)


def test_identity_that_chose_nothing_is_not_private() -> None:
    """A client that is known, but got its answer without regard to that, shares it."""
    router = route(
        {API: service(whitelist={"canary": ("client:other", "net:10.0.0.0/8")})},
        Rule("r", RuleConditions(client="third"), RuleOutcome(version="canary")),
    )
    assert not _plan(router).decide(QA).private
    assert not _plan(router).decide(client("10.0.0.1", identity="client:qa")).private


@pytest.mark.parametrize(
    ("router", "reaches"),
    [
        (route({API: service()}), (0, 0)),
        (route({API: service(percent={"canary": 1})}), (24, 56)),
        (route({API: service(percent={"canary": 1}, client_prefix={"ipv4": 20})}), (20, 56)),
        (route({API: service(percent={"canary": 1}, client_key=("source",))}), (1, 1)),
        (route({API: service(percent={"canary": 1}, client_key=("identity",))}), (0, 0)),
        (route({API: service(whitelist={"canary": ("net:10.1.0.0/16", "net:2001:db8::/33")})}), (16, 33)),
        (
            route({API: service()}, Rule("r", RuleConditions(source="10.1.2.0/27"), RuleOutcome(version="canary"))),
            (27, 1),
        ),
        (
            route({API: service()}, Rule("r", RuleConditions(subnet="2001:db8::/64"), RuleOutcome(version="canary"))),
            (1, 64),
        ),
        (route({API: service()}, Rule("r", RuleConditions(subnet="::/0"), RuleOutcome(version="canary"))), (1, 1)),
        (
            route(
                {API: service()}, Rule("r", RuleConditions(country="CN"), RuleOutcome(version="canary")), geo=Atlas()
            ),
            (32, 128),
        ),
        (route({API: service()}, Rule("r", RuleConditions(client="a"), RuleOutcome(version="canary"))), (0, 0)),
        (
            route(
                {API: service()},
                Rule("r", RuleConditions(source="10.0.0.0/8", name="www"), RuleOutcome(block="nodata")),
            ),
            (0, 0),
        ),
        (route({API: service()}, Rule("r", RuleConditions(source="10.0.0.0/8"), RuleOutcome(version="other"))), (0, 0)),
        (route({API: service(versions={"stable": version("192.0.2.1", "192.0.2.2")})}), (24, 56)),
    ],
)
def test_reach(router: Router, reaches: tuple[int, int]) -> None:
    """A name reads as many bits as the longest of what can apply to it, at least one if it reads any address."""
    plan = _plan(router)
    assert (plan.ecs_scope_v4, plan.ecs_scope_v6) == reaches
    decision = plan.decide(client())
    assert (decision.ecs_scope_v4, decision.ecs_scope_v6) == reaches


def test_subnet_that_withholds_all_bits() -> None:
    """SOURCE 0 counts as no subnet: the sender is tested and hashed, and the scope is 0."""
    router = route(
        {API: service(percent={"canary": 500_000})},
        Rule("net", RuleConditions(source="198.51.100.0/24", name="www"), RuleOutcome(block="nodata")),
        Rule("any", RuleConditions(subnet="0.0.0.0/0", name="mail"), RuleOutcome(block="nodata")),
    )
    for at in range(20):
        asker = client(f"198.51.100.{at}")
        withheld = client(f"198.51.100.{at}", subnet="0.0.0.0/0")
        assert router.decide(query(API, asker)) is router.decide(query(API, withheld))
    assert outcome(router, "www.shop.test", withheld) == "rule:net"
    assert outcome(router, "mail.shop.test", withheld) == ""
    assert router.decide(query(API, withheld)).ecs_scope(withheld) == 0


def test_rule_longer_than_source_does_not_match() -> None:
    """A subnet wider than a rule's network is not known to lie in it."""
    router = route({}, Rule("net", RuleConditions(source="10.1.2.0/24"), RuleOutcome(block="nodata")))
    for subnet, expected in (("10.1.2.0/24", "rule:net"), ("10.1.2.0/25", "rule:net"), ("10.1.2.0/23", "")):
        asker = client(subnet=subnet)
        assert outcome(router, "www.shop.test", asker) == expected
        assert router.decide(query("www.shop.test", asker)).ecs_scope(asker) == min(24, int(subnet[-2:]))


def test_client_without_key_gets_the_default() -> None:
    """Where client_key names nothing that a client has, the default answers, from one endpoint."""
    versions = {"stable": version("192.0.2.1", "192.0.2.2"), "canary": STABLE}
    router = route({API: service(versions=versions, percent={"canary": 999_999}, client_key=("identity",))})
    decisions = {router.decide(query(API, client(f"192.0.2.{at}"))) for at in range(50)}
    assert [decision.cohort.outcome for decision in decisions] == ["stable"]


def _calls(work: Callable[[], object]) -> int:
    """How many functions of Python and C are called."""
    count = 0

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_work_does_not_grow_with_rules() -> None:
    """Deciding among 5,000 networks calls as many functions as among 10, and so does planning."""

    def many(count: int) -> Router:
        networks = [f"10.{at >> 8}.{at & 255}.0/24" for at in range(count)]
        by_net = [
            Rule(f"n{at}", RuleConditions(source=network), RuleOutcome(version="canary"))
            for at, network in enumerate(networks)
        ]
        named = [
            Rule(f"m{at}", RuleConditions(name=f"n{at}.shop.test"), RuleOutcome(block="nodata")) for at in range(count)
        ]
        return route({API: service(percent={"canary": 500_000})}, *by_net, *named)

    few, lots = many(10), many(5_000)
    for asker in (client("10.0.5.1"), client("203.0.113.1"), client(subnet="10.0.5.0/24")):
        one, other = _plan(few), _plan(lots)
        assert one.decide(asker).cohort == other.decide(asker).cohort
        assert _calls(partial(one.decide, asker)) == _calls(partial(other.decide, asker))
    named = from_text("n5.shop.test")
    few.plan(named, A), lots.plan(named, A)
    assert _calls(partial(few.plan, named, A)) == _calls(partial(lots.plan, named, A))


def test_decisions_of_a_plan_know_it() -> None:
    """Every Decision carries what belongs to the name: whether it varies and what it reads."""
    plan = _plan(
        route(
            {API: service(percent={"canary": 500_000})},
            Rule("r", RuleConditions(client="qa"), RuleOutcome(block="nodata")),
        )
    )
    decisions: set[Decision] = {plan.decide(client(f"192.0.2.{at}")) for at in range(50)} | {plan.decide(QA)}
    assert len(decisions) == 3
    assert {(decision.varies, decision.ecs_scope_v4, decision.ecs_scope_v6) for decision in decisions} == {
        (True, 24, 56)
    }


def test_group_with_the_best_rule_may_match_with_a_worse() -> None:
    """The best ranking match wins even where its group's best rule ranks below that of another group that matches."""
    rules = (
        Rule("far", RuleConditions(source="192.0.2.1/32"), RuleOutcome(block="nodata")),
        Rule("wide", RuleConditions(source="10.0.0.0/8"), RuleOutcome(block="nodata")),
        Rule("middle", RuleConditions(subnet="10.1.0.0/16"), RuleOutcome(block="nodata")),
    )
    assert outcome(route({}, *rules), "www.shop.test", client(subnet="10.1.2.0/24")) == "rule:middle"
    assert outcome(route({}, *rules), "www.shop.test", client("10.1.2.1")) == "rule:wide"


def test_dimensions_come_before_prefix() -> None:
    """Testing source and subnet outranks testing a longer subnet alone."""
    rules = (
        Rule("both", RuleConditions(source="10.0.0.0/8", subnet="10.1.0.0/16"), RuleOutcome(block="nodata")),
        Rule("longer", RuleConditions(subnet="10.1.2.0/24"), RuleOutcome(block="nodata")),
    )
    assert outcome(route({}, *rules), "www.shop.test", client(subnet="10.1.2.0/24")) == "rule:both"


def test_endpoints_that_nobody_comes_to_do_not_count() -> None:
    """Only the endpoints of versions that a client can get make a name read its clients."""
    versions = {"stable": version("192.0.2.1", "192.0.2.2"), "canary": STABLE}
    plan = _plan(route({API: service(versions=versions)}, Rule("all", RuleConditions(), RuleOutcome(version="canary"))))
    assert plan.constant_decision is not None
    assert plan.ecs_scope_v4 == 0


def test_what_counts_of_a_client_with_a_subnet() -> None:
    """The subnet alone, unless a rule tests the transport or the sender's address goes into the client key."""
    shared = {API: service(percent={"canary": 500_000})}
    assert _plan(route(shared)).reads_subnet_only
    assert _plan(
        route(shared, Rule("r", RuleConditions(source="10.0.0.0/8"), RuleOutcome(version="canary")))
    ).reads_subnet_only
    assert not _plan(
        route(shared, Rule("r", RuleConditions(transport="tls"), RuleOutcome(version="canary")))
    ).reads_subnet_only
    by_sender = service(percent={"canary": 500_000}, client_key=("source",))
    assert not _plan(route({API: by_sender})).reads_subnet_only
