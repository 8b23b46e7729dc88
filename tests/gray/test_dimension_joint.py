"""A dimension from outside: the weekday, declared here, tested, ranked, explained and answered by it."""

from __future__ import annotations

import pytest
from attrs import field, frozen

from graydns.gray.dimensions import RANK_ORDER, RankField
from graydns.gray.dimensions.dimension import Dimension, Reads, equals
from graydns.gray.router import Router
from graydns.model.errors import ConfigError, PolicyIssues
from graydns.model.name import from_text
from graydns.model.policy import Rule, RuleConditions, RuleOutcome
from tests.gray.making import API, client, compile_router, outcome, query, service, zone

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

#: Midnight UTC of Thursday 1 January 1970, and seconds of a day.
THURSDAY, DAY = 0.0, 86_400.0


def parse_day(text: str, issues: PolicyIssues) -> str | None:
    """A weekday's first three letters."""
    if (day := text.lower()) in DAYS:
        return day
    issues.add(f"{text!r}", f"one of {', '.join(DAYS)}", "weekday")
    return None


def read_day(now: float) -> str:
    """The weekday of a Unix time, UTC."""
    return DAYS[(int(now // DAY) + 3) % 7]


WEEKDAY = Dimension[str](
    key="weekday",
    parse=parse_day,
    reads=Reads.CLOCK,
    tests=equals("weekday", lambda client, facts: read_day(facts.now)),
)

WITH_WEEKDAY = (*RANK_ORDER, RankField(1, (WEEKDAY,)))


@frozen
class Conditions(RuleConditions):
    """The conditions, and this one."""

    weekday: str | None = field(default=None)


def route(now: list[float], *rules: Rule) -> Router:
    """A router whose rules may test the weekday. *now*: the time, which the test sets."""
    zones = [zone({API: service()}, rules)]
    return compile_router("t", zones, [], clock=lambda: now[0], rank_order=WITH_WEEKDAY)


CANARY = RuleOutcome(version="canary")
ON_SUNDAY = Rule("sunday", Conditions(weekday="Sun"), CANARY)


def test_a_rule_decides_by_it() -> None:
    """At the time of the query, and not at that of the plan."""
    now = [THURSDAY]
    router = route(now, ON_SUNDAY)
    plan = router.plan(from_text(API), 1)
    found = []
    for day in range(8):
        now[0] = THURSDAY + day * DAY
        found.append(plan.decide(client()).cohort.outcome)
    assert found == ["stable", "stable", "stable", "canary", "stable", "stable", "stable", "stable"]


def test_what_caches_must_know_follows() -> None:
    """Answers vary, and no client's subnet stands for them."""
    plan = route([THURSDAY], ON_SUNDAY).plan(from_text(API), 1)
    assert plan.varies
    assert not plan.reads_subnet_only
    assert (plan.ecs_scope_v4, plan.ecs_scope_v6) == (0, 0)


def test_it_has_a_rank_and_combines_with_others() -> None:
    """Two conditions outrank one; alone it is behind a transport."""
    now = [THURSDAY + 3 * DAY]
    both = Rule("both", Conditions(weekday="sun", source="198.51.100.0/24"), RuleOutcome(block="nodata"))
    router = route(now, ON_SUNDAY, both)
    assert outcome(router, API, client("198.51.100.1")) == "rule:both"
    assert outcome(router, API, client("192.0.2.1")) == "canary"
    over_udp = Rule("udp", Conditions(transport="udp"), RuleOutcome(version="stable"))
    assert outcome(route(now, ON_SUNDAY, over_udp), API, client()) == "stable"


def test_explain_says_why_it_does_not_match() -> None:
    """With its key first."""
    explanation = route([THURSDAY], ON_SUNDAY).explain(query(API, client()))
    assert [rule.reason for rule in explanation.rules] == ["no: weekday: thu is not sun"]


def test_what_is_wrong_is_an_issue_at_its_key() -> None:
    """As for any other condition."""
    zones = [zone({API: service()}, [Rule("r", Conditions(weekday="someday"), CANARY)])]
    with pytest.raises(ConfigError, match=r"rules\.0\.when\.weekday: found 'someday', expected one of mon"):
        compile_router("t", zones, [], rank_order=WITH_WEEKDAY)
