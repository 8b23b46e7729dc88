"""Rules, compiled: normal conditions, one outcome, and a place in the order in which they win.

Rules that stand in each other's way: errors where the order says nothing, warnings where only names decide.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence

from attrs import field, frozen

from graydns.gray.conditions import CompiledConditions, compile_conditions
from graydns.gray.dimensions import RANK_ORDER, RankField
from graydns.gray.policy_records import RdataByType, parse_records
from graydns.model.decision import BlockAction
from graydns.model.dns_parameters import MAX_TTL_SECONDS
from graydns.model.errors import PolicyIssues
from graydns.model.policy import Rule, RuleOutcome
from graydns.runtime.steps import reclaim

#: Of two rules that match, the one with the smaller order wins: rank, then priority, then name (zone last).
RuleOrder = tuple[int, int, str, bytes]

#: Seconds that records given by a rule may be kept, if neither the rule nor a service says.
DEFAULT_RECORDS_TTL_SECONDS = 5


@frozen(eq=False)
class CompiledRule:
    """A rule ready to be indexed; the ``origin`` of the answers it gives.

    *zone*: the zone whose names alone it sees, None = every name asked in the tenant. Exactly one of *version*,
    *records*, *block* and *upstream* is set.
    """

    name: str
    zone: bytes | None
    conditions: CompiledConditions
    order: RuleOrder = field(repr=False)
    priority: int = 0
    version: str | None = None
    records: RdataByType | None = field(default=None, repr=False)
    block: BlockAction | None = None
    upstream: str | None = None
    ttl: int | None = None

    @property
    def outcome_text(self) -> str:
        """What it does, for people."""
        if self.version is not None:
            return f"version {self.version}"
        if self.block is not None:
            return f"block {self.block.value}"
        return "records" if self.upstream is None else f"upstream {self.upstream}"


def compile_rule(
    rule: Rule, zone: bytes | None, faults: PolicyIssues, rank_order: tuple[RankField, ...] = RANK_ORDER
) -> CompiledRule:
    """Normalise *rule*; what is wrong in it is added to *faults*."""
    conditions = compile_conditions(rule.when, faults.under("when"), rank_order)
    then, place = rule.then, faults.under("then")
    return CompiledRule(
        name=rule.name,
        zone=zone,
        conditions=conditions,
        order=(-conditions.rank, -rule.priority, rule.name, zone or b""),
        priority=rule.priority,
        version=then.version,
        records=None if then.records is None else parse_records(then.records, place.under("records")),
        block=None if then.block is None else _parse_block(then.block, place),
        upstream=then.upstream,
        ttl=_check_outcome(then, place),
    )


def _parse_block(text: str, faults: PolicyIssues) -> BlockAction | None:
    try:
        return BlockAction(text)
    except ValueError:
        faults.add(f"{text!r}", f"one of {', '.join(block.value for block in BlockAction)}", "block")
        return None


def _check_outcome(then: RuleOutcome, faults: PolicyIssues) -> int | None:
    given = [way for way in ("version", "records", "block", "upstream") if getattr(then, way) is not None]
    if len(given) != 1:
        faults.add(" and ".join(given) or "no outcome", "exactly one of version, records, block, upstream")
    if then.ttl is not None and not 0 <= then.ttl <= MAX_TTL_SECONDS:
        faults.add(f"{then.ttl} s", f"0 to {MAX_TTL_SECONDS} s", "ttl")
    return then.ttl


#: A rule and the place it was written at.
LocatedRule = tuple[CompiledRule, PolicyIssues]

#: Rules with which a rule of the same rank is compared, comparisons in all, and warnings at most: finding every
#: overlap among 100,000 rules would take too long.
MAX_COMPARED_RULES = 16
MAX_COMPARISONS = 200_000
MAX_OVERLAP_WARNINGS = 100


def check_duplicates(placed: Sequence[LocatedRule]) -> Iterator[None]:
    """Add a fault for every name that is used twice and every two rules with equal conditions and priority.

    Rules of the tenant come first in *placed*; they share names and conditions with those of each zone.
    """
    names: dict[tuple[bytes | None, str], CompiledRule] = {}
    conditions: dict[tuple[bytes | None, CompiledConditions, int], CompiledRule] = {}
    for rule, faults in placed:
        for zone in {None, rule.zone}:
            if (zone, rule.name) in names:
                faults.add(f"another rule {rule.name!r}", "a name of its own", "name")
            twin = conditions.get((zone, rule.conditions, rule.priority))
            if twin is not None:
                faults.add(
                    f"rule {rule.name!r} with the conditions of rule {twin.name!r}", _EXPECTED_DIFFERENCE, "when"
                )
        names.setdefault((rule.zone, rule.name), rule)
        conditions.setdefault((rule.zone, rule.conditions, rule.priority), rule)
        yield
    yield from reclaim(names, conditions)


_EXPECTED_DIFFERENCE = "other conditions, or another priority"


def find_overlaps(rules: Iterable[CompiledRule]) -> Iterator[str | None]:
    """Warn of rules of the same rank and priority that can match the same query: their names decide.

    None is a pause. Regular expressions are not compared. The search is bounded, so that it may miss some.
    """
    alike: defaultdict[Hashable, list[CompiledRule]] = defaultdict(list)
    comparisons = warnings = 0
    for rule in rules:
        neighbours = alike[_overlap_key(rule)]
        for other in neighbours:
            comparisons += 1
            if _may_overlap(rule, other):
                warnings += 1
                first, second = sorted((rule.name, other.name))
                yield f"rules {first!r} and {second!r} have the same rank and can match the same query: {first!r} wins"
        if warnings >= MAX_OVERLAP_WARNINGS or comparisons >= MAX_COMPARISONS:
            yield "there may be more rules of the same rank that can match the same query"
            return
        if len(neighbours) < MAX_COMPARED_RULES:
            neighbours.append(rule)
        yield None
    yield from reclaim(alike)


def _overlap_key(rule: CompiledRule) -> Hashable:
    """What two rules of the same rank must share to match the same query."""
    layout, values = rule.conditions.layout, rule.conditions.values
    pairs = zip(layout.dimensions, values, strict=True)
    keys = [(each.key, key) for each, value in pairs if (key := each.overlap_key(value)) is not None]
    return rule.order[:2], rule.conditions.network, tuple(keys)


def _may_overlap(one: CompiledRule, other: CompiledRule) -> bool:
    """Whether two rules that are `_overlap_key` can match the same query."""
    if one.zone is not None and other.zone is not None and one.zone != other.zone:
        return False
    mine, theirs = one.conditions, other.conditions
    compared = [mine.layout.dimensions[at] for at in mine.layout.compared]
    if theirs.layout is not mine.layout:
        compared += [theirs.layout.dimensions[at] for at in theirs.layout.compared]
    return all(each.may_overlap(mine.get(each), theirs.get(each)) for each in compared)
