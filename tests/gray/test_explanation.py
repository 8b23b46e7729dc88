"""Explanations: the verdict, and what became of every rule."""

from __future__ import annotations

import json

import pytest

from graydns.model.client import Client
from graydns.model.policy import Rule, RuleConditions, RuleOutcome
from tests.gray.making import API, TENANT, client, compile_router, query, route, service, zone
from tests.gray.strategies import Atlas

BLOCK = RuleOutcome(block="nodata")
ASKER = client(subnet="10.3.2.0/24", identity="tls:b", tags={"env": "y"})


def _reason(when: RuleConditions, asker: Client = ASKER, then: RuleOutcome = BLOCK) -> str:
    """What the explanation says of one rule."""
    explanation = route({API: service()}, Rule("r", when, then), geo=Atlas()).explain(query(API, asker))
    (note,) = explanation.rules
    assert note.matched is not note.reason.startswith("no: ")
    assert (explanation.decided_by == "rule r") is note.matched
    return note.reason


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        (RuleConditions(name="www"), "no: name: api.shop.test is not www"),
        (RuleConditions(regex="w.*"), "no: regex: api.shop.test is not w.*"),
        (RuleConditions(qtype="AAAA"), "no: qtype: A is not AAAA"),
        (RuleConditions(client="a"), "no: client: tls:b is not client:a"),
        (RuleConditions(tag={"env": "x"}), "no: tag env: y is not x"),
        (RuleConditions(tag={"team": "x"}), "no: tag team: none is not x"),
        (RuleConditions(source="11.0.0.0/8"), "no: source: 10.3.2.0/24 is not in 11.0.0.0/8"),
        (RuleConditions(source="2001:db8::/32"), "no: source: 10.3.2.0/24 is not in 2001:db8::/32"),
        (RuleConditions(subnet="10.3.2.0/25"), "no: subnet: 10.3.2.0/24 is wider than 10.3.2.0/25"),
        (RuleConditions(country="GB"), "no: country: CN is not GB"),
        (RuleConditions(subdivision="GB-ENG"), "no: subdivision: CN-BJ is not GB-ENG"),
        (RuleConditions(city="London"), "no: city: beijing is not london"),
        (RuleConditions(transport="tcp"), "no: transport: udp is not tcp"),
        (RuleConditions(), "decides"),
        (
            RuleConditions(source="10.0.0.0/8", country="CN", client="tls:b", tag={"env": "y"}, name="api*", qtype="A"),
            "decides",
        ),
    ],
)
def test_reasons(when: RuleConditions, reason: str) -> None:
    """Every rule says what kept it from matching, or that it decided."""
    assert _reason(when) == reason


def test_reason_without_subnet() -> None:
    """A rule on the subnet says that there is none."""
    assert (
        _reason(RuleConditions(subnet="10.0.0.0/8"), client("10.3.2.1"))
        == "no: subnet: there is no trusted client subnet"
    )


def test_reason_without_database() -> None:
    """Without a geo database rules on places never match, say so, and are warned of."""
    router = route({}, Rule("r", RuleConditions(country="CN"), BLOCK))
    assert router.warnings == ("rule 'r' tests a place, but there is no geo database",)
    assert router.explain(query(API, ASKER)).rules[0].reason == "no: there is no geo database"
    assert router.plan(b"\0", 1).constant_decision is not None


def test_reason_of_other_zone_and_other_service() -> None:
    """Rules that stand elsewhere, or name what the service lacks, say so."""
    elsewhere = zone({}, [Rule("there", RuleConditions(), BLOCK)], "b.test")
    here = zone({API: service()}, [Rule("here", RuleConditions(name="api*"), RuleOutcome(version="v9"))])
    explanation = compile_router(TENANT, [here, elsewhere], []).explain(query(API, ASKER))
    assert {note.rule: note.reason for note in explanation.rules} == {
        "there": "no: sees only names in b.test",
        "here": "no: then: api.shop.test is no service with a version v9",
    }


def _busy(*rules: Rule) -> dict[str, str]:
    router = route({API: service(whitelist={"canary": ("net:10.0.0.0/8",)}, percent={"canary": 500_000})}, *rules)
    explanation = router.explain(query(API, ASKER))
    return {note.rule: note.reason for note in explanation.rules} | {"": explanation.decided_by}


def test_losers_say_to_whom_they_lost() -> None:
    """A rule that matches and does not decide names what came first."""
    named = Rule("named", RuleConditions(source="10.3.0.0/16"), RuleOutcome(version="stable"))
    wide = Rule("wide", RuleConditions(source="10.0.0.0/8"), BLOCK)
    narrow = Rule("narrow", RuleConditions(source="10.3.2.0/24"), BLOCK)
    assert _busy(named) == {"": "whitelist net:10.0.0.0/8", "named": "matches, but the whitelist comes first"}
    assert _busy(named, wide, narrow) == {
        "": "rule narrow",
        "narrow": "decides",
        "named": "matches, but rule narrow names no version and so comes first",
        "wide": "matches, but rule narrow ranks higher",
    }


def test_rules_stand_best_rank_first() -> None:
    """Rules are listed in the order in which they win."""
    rules = [
        Rule("c", RuleConditions(), BLOCK),
        Rule("b", RuleConditions(source="10.0.0.0/8"), BLOCK),
        Rule("a", RuleConditions(name=API), BLOCK),
    ]
    listed = [note.rule for note in route({}, *rules).explain(query(API, ASKER)).rules]
    assert listed == ["b", "a", "c"]


def test_decided_by_split_default_or_nothing() -> None:
    """Where no rule and no whitelist speaks, the explanation says what did."""
    router = route({API: service(percent={"canary": 1}), "www.shop.test": service()})
    decided = [router.explain(query(name, ASKER)).decided_by for name in (API, "www.shop.test", "mail.shop.test")]
    assert decided == ["split", "default", "nothing: no rule matches and the name is no service"]


def test_text() -> None:
    """The text tells the whole story in lines."""
    router = route(
        {API: service(percent={"canary": 100_000})},
        Rule("vip", RuleConditions(client="vip"), RuleOutcome(version="canary", ttl=1)),
    )
    assert router.explain(query(API, client(subnet="192.0.2.0/25"))).to_text().splitlines() == [
        "api.shop.test A in tenant t-demo, zone shop.test",
        "  verdict    version stable of api.shop.test, first endpoint 192.0.2.10",
        "  decided by split",
        "  client key network 192.0.2.0/24 (010118c0000200), bucket 738372",
        "  split      0 to 99999: canary, 100000 to 999999: stable",
        "  ttl        at most 5 s",
        "  scope      24 (the name reads /24 of IPv4, /56 of IPv6)",
        "  cohort     t-demo/api.shop.test/stable/192.0.2.10",
        "  rule 1: vip -> version canary: no: client: none is not client:vip",
    ]
    private = router.explain(query(API, client(identity="client:vip", subnet="192.0.2.0/25"))).to_text()
    assert "client key identity client:vip" in private
    assert "scope      25, private" in private
    assert "in zone" not in router.explain(query("www.example.com", ASKER)).to_text()


def test_data_is_plain() -> None:
    """The data form is what JSON can say, and has all of it."""
    explanation = route({API: service()}, Rule("r", RuleConditions(name="www"), BLOCK)).explain(query(API, ASKER))
    data = json.loads(json.dumps(explanation.to_data()))
    assert data["cohort"] == ["t-demo", "api.shop.test", "stable", "192.0.2.10"]
    assert data["rules"][0]["rule"] == "r"
    assert "decision" not in data
    without_key = route({API: service(client_key=("identity",))}).explain(query(API, client()))
    assert without_key.key == "none"
