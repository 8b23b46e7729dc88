"""Tuple-space search: rules that test the same things are found by one dictionary lookup.

All rules of a RuleGroup test the same dimensions for values that must be equal, so those that match a client differ in
their network only, and the one with the longest prefix ranks highest: the innermost network that the group knows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from graydns.gray.conditions import CompiledConditions
from graydns.gray.dimensions.dimension import ClientFacts, Dimension, EqualityTest, Reads, ReadValue
from graydns.gray.network_index import NetworkIndex, NetworkNumbers
from graydns.gray.rules import CompiledRule, RuleOrder
from graydns.model.client import Client

#: Finds the rule that wins for a client, given the networks its address is in and what else is known of it.
FindRule = Callable[[Client, NetworkNumbers, ClientFacts], CompiledRule | None]

_KeyT = TypeVar("_KeyT")

#: The key of rules that test nothing that must be equal.
_NO_VALUES = ()


class TestedDimensions(NamedTuple):
    """What the rules of a group test of a client (name and type are settled before).

    *tokens*: of what must be equal. *many*: dimensions of which a client has several values. *dimension_count*: how
    many dimensions the rules test in all, as it decides between groups.
    """

    network: bool
    subnet_only: bool
    tokens: tuple[Hashable, ...]
    many: tuple[Dimension[Any], ...]
    reads: Reads
    dimension_count: int

    @property
    def is_unconditional(self) -> bool:
        """Whether every client matches."""
        return not (self.network or self.tokens or self.many)


class RuleGroup(NamedTuple):
    """Rules that test the same and name *version* (None = all with another outcome).

    *best_order*: the best among them. *unconditional_rule*: the one rule of an unconditional group. *ecs_scope_v4*,
    *ecs_scope_v6*: the longest prefixes that they read.
    """

    tested: TestedDimensions
    version: str | None
    best_order: RuleOrder
    find: FindRule
    unconditional_rule: CompiledRule | None
    ecs_scope_v4: int
    ecs_scope_v6: int


def tested_dimensions(conditions: CompiledConditions) -> TestedDimensions:
    """What the group of a rule tests."""
    layout = conditions.layout
    return TestedDimensions(
        conditions.network is not None,
        conditions.subnet_only,
        tuple([test.token for test in _equality_tests(conditions)]),
        layout.many,
        layout.reads,
        len(layout.dimensions),
    )


class RuleGroupBuilder:
    """Takes rules that test the same and name *version*, one by one, then makes their RuleGroup."""

    def __init__(self, tested: TestedDimensions, version: str | None) -> None:
        self._tested = tested
        self._version = version
        self._table = _RuleTable(tested)
        self._first: RuleOrder | None = None
        self._always: CompiledRule | None = None
        self._reach = {4: 0, 16: 0}

    def add(self, rule: CompiledRule, networks: NetworkIndex) -> None:
        """Index *rule*."""
        conditions = rule.conditions
        if self._first is None or rule.order < self._first:
            self._first = rule.order
            self._always = rule
        if conditions.is_geographic:  # a location depends on all bits
            self._reach = {4: 32, 16: 128}
        elif (network := conditions.network) is not None:
            size = len(network.address)
            self._reach[size] = max(self._reach[size], network.prefix)
        self._table.add(rule, networks)

    def build(self) -> RuleGroup:
        """The RuleGroup of all that was added, which is at least one rule."""
        assert self._first is not None
        return RuleGroup(
            tested=self._tested,
            version=self._version,
            best_order=self._first,
            find=self._table.finder(),
            unconditional_rule=self._always if self._tested.is_unconditional else None,
            ecs_scope_v4=self._reach[4],
            ecs_scope_v6=self._reach[16],
        )


def combine_groups(groups: Sequence[RuleGroup]) -> FindRule:
    """Find the highest ranking match in *groups*, which are sorted by ``best_order``."""
    if len(groups) == 1:
        return groups[0].find
    pairs = tuple((group.best_order, group.find) for group in groups)

    def find(client: Client, nets: NetworkNumbers, facts: ClientFacts) -> CompiledRule | None:
        best: CompiledRule | None = None
        for first, find_in_group in pairs:
            if best is not None and best.order < first:
                break
            rule = find_in_group(client, nets, facts)
            if rule is not None and (best is None or rule.order < best.order):
                best = rule
        return best

    return find


class _RuleTable:
    """The rules of one group by the values that must be equal; of two with equal conditions, the one that wins.

    With networks there is a table by number of network for each combination of values. For a dimension of which a
    client has several values there is a _RuleTable for each value that a rule wants.
    """

    def __init__(self, tested: TestedDimensions) -> None:
        self._tested = tested
        self._reads: list[ReadValue] = []
        self._rules: dict[Hashable, CompiledRule] = {}
        self._by_network: defaultdict[Hashable, dict[int, CompiledRule]] = defaultdict(dict)
        self._by_value: dict[Hashable, _RuleTable] = {}

    def add(self, rule: CompiledRule, networks: NetworkIndex) -> None:
        conditions = rule.conditions
        if self._tested.many:
            dimension, *others = self._tested.many
            inner = self._tested._replace(many=tuple(others))
            self._by_value.setdefault(conditions.get(dimension), _RuleTable(inner)).add(rule, networks)
            return
        tests = _equality_tests(conditions)
        self._reads = [test.read for test in tests]  # the same for all rules of the group
        wanted = tuple([test.wanted for test in tests])
        key = wanted[0] if len(wanted) == 1 else wanted
        if conditions.network is None:
            _insert_best(self._rules, key, rule)
        else:
            _insert_best(self._by_network[key], networks.assign_number(conditions.network), rule)

    def finder(self) -> FindRule:
        if self._tested.many:
            read_many = self._tested.many[0].read_many
            assert read_many is not None
            return _find_by_value(read_many, {value: table.finder() for value, table in self._by_value.items()})
        if not self._tested.network:
            return _find_exact(_combine_reads(self._reads), self._rules)
        if _NO_VALUES in self._by_network:
            found = _find_network(self._by_network[_NO_VALUES])
        else:
            found = _find_exact_and_network(_combine_reads(self._reads), self._by_network)
        return _require_subnet(found) if self._tested.subnet_only else found


def _insert_best(rules: dict[_KeyT, CompiledRule], key: _KeyT, rule: CompiledRule) -> None:
    known = rules.setdefault(key, rule)
    if rule.order < known.order:
        rules[key] = rule


def _find_exact(read: ReadValue, table: Mapping[Hashable, CompiledRule]) -> FindRule:
    look_up = table.get

    def find(client: Client, nets: NetworkNumbers, facts: ClientFacts) -> CompiledRule | None:
        return look_up(read(client, facts))

    return find


def _find_network(leaf: Mapping[int, CompiledRule]) -> FindRule:
    def find(client: Client, nets: NetworkNumbers, facts: ClientFacts) -> CompiledRule | None:
        for number in nets:
            if number in leaf:
                return leaf[number]
        return None

    return find


def _find_exact_and_network(read: ReadValue, leaves: Mapping[Hashable, Mapping[int, CompiledRule]]) -> FindRule:
    def find(client: Client, nets: NetworkNumbers, facts: ClientFacts) -> CompiledRule | None:
        if (leaf := leaves.get(read(client, facts))) is not None:
            for number in nets:
                if number in leaf:
                    return leaf[number]
        return None

    return find


def _require_subnet(inner: FindRule) -> FindRule:
    def find(client: Client, nets: NetworkNumbers, facts: ClientFacts) -> CompiledRule | None:
        subnet = client.subnet
        return None if subnet is None or not subnet.prefix else inner(client, nets, facts)

    return find


def _find_by_value(
    read_many: Callable[[ClientFacts], Iterable[Hashable]], inner: Mapping[Hashable, FindRule]
) -> FindRule:
    def find(client: Client, nets: NetworkNumbers, facts: ClientFacts) -> CompiledRule | None:
        found = [inner[value](client, nets, facts) for value in read_many(facts) if value in inner]
        return min((rule for rule in found if rule is not None), key=lambda rule: rule.order, default=None)

    return find


def _equality_tests(conditions: CompiledConditions) -> list[EqualityTest]:
    """What must be equal, in the order of the dimensions."""
    pairs = zip(conditions.layout.dimensions, conditions.values, strict=True)
    return [test for dimension, value in pairs if dimension.tests for test in dimension.tests(value)]


def _combine_reads(reads: Sequence[ReadValue]) -> ReadValue:
    """What reads a client's values as the keys of a table are made; a single one stands for itself."""
    if len(reads) == 1:
        return reads[0]
    return lambda client, facts: tuple([read(client, facts) for read in reads])
