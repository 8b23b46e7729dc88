"""Rules that stand in each other's way: errors where the order says nothing, warnings where only names decide."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence

from graydns.gray.conditions import Conditions
from graydns.gray.drop import drop
from graydns.gray.faults import Faults
from graydns.gray.names import Form
from graydns.gray.rules import CompiledRule

#: A rule and the place it was written at.
Placed = tuple[CompiledRule, Faults]

#: Rules with which a rule of the same rank is compared, comparisons in all, and warnings at most: finding every
#: overlap among 100,000 rules would take longer than anybody reads.
NEIGHBOURS = 16
COMPARISONS = 200_000
WARNINGS = 100


def check_rules(placed: Sequence[Placed]) -> Iterator[None]:
    """Add a fault for every name that is used twice and every two rules with equal conditions and priority.

    Rules of the tenant come first in *placed*; they share names and conditions with those of each zone.
    """
    names: dict[tuple[bytes | None, str], CompiledRule] = {}
    conditions: dict[tuple[bytes | None, Conditions, int], CompiledRule] = {}
    for rule, faults in placed:
        for zone in {None, rule.zone}:
            if (zone, rule.name) in names:
                faults.add(f"another rule {rule.name!r}", "a name of its own", "name")
            twin = conditions.get((zone, rule.conditions, rule.priority))
            if twin is not None:
                faults.add(f"rule {rule.name!r} with the conditions of rule {twin.name!r}", _OTHERWISE, "when")
        names.setdefault((rule.zone, rule.name), rule)
        conditions.setdefault((rule.zone, rule.conditions, rule.priority), rule)
        yield
    yield from drop(names, conditions)


_OTHERWISE = "other conditions, or another priority"


def overlaps(rules: Iterable[CompiledRule]) -> Iterator[str | None]:
    """Warn of rules of the same rank and priority that can match the same query: their names decide.

    None is a pause. Regular expressions are not compared. The search is bounded, so that it may miss some.
    """
    alike: defaultdict[Hashable, list[CompiledRule]] = defaultdict(list)
    comparisons = warnings = 0
    for rule in rules:
        neighbours = alike[_alike(rule)]
        for other in neighbours:
            comparisons += 1
            if _may_meet(rule, other):
                warnings += 1
                first, second = sorted((rule.name, other.name))
                yield f"rules {first!r} and {second!r} have the same rank and can match the same query: {first!r} wins"
        if warnings >= WARNINGS or comparisons >= COMPARISONS:
            yield "there may be more rules of the same rank that can match the same query"
            return
        if len(neighbours) < NEIGHBOURS:
            neighbours.append(rule)
        yield None
    yield from drop(alike)


def _alike(rule: CompiledRule) -> Hashable:
    """What two rules of the same rank must share to match the same query."""
    conditions = rule.conditions
    pattern = conditions.pattern
    return (
        rule.order[:2],
        conditions.network,
        conditions.identity,
        conditions.city,
        conditions.qtype,
        conditions.transport,
        pattern if pattern is not None and pattern.form in (Form.EXACT, Form.LABEL) else None,
    )


def _may_meet(one: CompiledRule, other: CompiledRule) -> bool:
    """Whether two rules that are `_alike` can match the same query."""
    if one.zone is not None and other.zone is not None and one.zone != other.zone:
        return False
    mine, theirs = one.conditions, other.conditions
    if mine.regex != theirs.regex:
        return False
    tags = dict(theirs.tags)
    if any(tags.get(key, value) != value for key, value in mine.tags):
        return False
    if mine.pattern and theirs.pattern and not mine.pattern.may_meet(theirs.pattern):
        return False
    return _agree(mine.country, theirs.country) and _agree(mine.subdivision, theirs.subdivision)


def _agree(mine: str | None, theirs: str | None) -> bool:
    return mine is None or theirs is None or mine == theirs
