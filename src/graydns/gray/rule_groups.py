"""Tuple-space search: rules that test the same things are found by one dictionary lookup.

All rules of a RuleGroup test the same dimensions with values that must be equal, so those that match a client differ in
their network only, and the one with the longest prefix ranks highest: the innermost network that the group knows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from graydns.gray.conditions import CompiledConditions
from graydns.gray.geo import GeoLocation
from graydns.gray.network_index import NetworkIndex, NetworkNumbers
from graydns.gray.rules import CompiledRule, RuleOrder
from graydns.model.client import Client

#: Finds the rule that wins for a client, given the networks its address is in and its place.
FindRule = Callable[[Client, NetworkNumbers, GeoLocation], CompiledRule | None]

_ReadValues = Callable[[Client, GeoLocation], Hashable]

_KeyT = TypeVar("_KeyT")

#: The key of rules that test nothing that must be equal.
_NO_VALUES = ()


class TestedDimensions(NamedTuple):
    """Which dimensions of a client the rules of a group test (name and type are settled before)."""

    network: bool
    subnet_only: bool
    identity: bool
    tags: tuple[str, ...]
    country: bool
    city: bool
    transport: bool
    subdivision: bool
    dimension_count: int

    @property
    def is_unconditional(self) -> bool:
        """Whether every client matches."""
        return not any(self[:-1])

    @property
    def is_geographic(self) -> bool:
        """Whether it takes a client's place to find a match."""
        return self.country or self.city or self.subdivision


class RuleGroup(NamedTuple):
    """Rules of one shape, all naming *version* (None = all with another outcome).

    *first*: the best order among them. *always*: the one rule of an unconditional group. *reach4*, *reach6*: the
    longest prefixes they read.
    """

    tested: TestedDimensions
    version: str | None
    best_order: RuleOrder
    find: FindRule
    unconditional_rule: CompiledRule | None
    ecs_scope_v4: int
    ecs_scope_v6: int


def tested_dimensions(conditions: CompiledConditions) -> TestedDimensions:
    """The shape of the group that a rule belongs to."""
    return TestedDimensions(
        conditions.network is not None,
        conditions.subnet_only,
        conditions.identity is not None,
        tuple(key for key, _ in conditions.tags),
        conditions.country is not None,
        conditions.city is not None,
        conditions.transport is not None,
        conditions.subdivision is not None,
        conditions.dimension_count,
    )


class RuleGroupBuilder:
    """Takes rules, all of *shape* and naming *version*, one by one, then makes their Group."""

    def __init__(self, shape: TestedDimensions, version: str | None) -> None:
        self._shape = shape
        self._version = version
        self._table = _RuleTable(shape)
        self._first: RuleOrder | None = None
        self._always: CompiledRule | None = None
        self._reach = {4: 0, 16: 0}

    def add(self, rule: CompiledRule, networks: NetworkIndex) -> None:
        """Index *rule*."""
        conditions = rule.conditions
        if self._first is None or rule.order < self._first:
            self._first = rule.order
            self._always = rule
        if conditions.is_geographic:  # a place depends on all bits
            self._reach = {4: 32, 16: 128}
        elif (network := conditions.network) is not None:
            size = len(network.address)
            self._reach[size] = max(self._reach[size], network.prefix)
        self._table.add(rule, networks)

    def build(self) -> RuleGroup:
        """The RuleGroup of all that was added, which is at least one rule."""
        assert self._first is not None
        return RuleGroup(
            tested=self._shape,
            version=self._version,
            best_order=self._first,
            find=self._table.finder(),
            unconditional_rule=self._always if self._shape.is_unconditional else None,
            ecs_scope_v4=self._reach[4],
            ecs_scope_v6=self._reach[16],
        )


def combine_groups(groups: Sequence[RuleGroup]) -> FindRule:
    """Find the highest ranking match in *groups*, which are sorted by ``first``."""
    if len(groups) == 1:
        return groups[0].find
    pairs = tuple((group.best_order, group.find) for group in groups)

    def find(client: Client, nets: NetworkNumbers, place: GeoLocation) -> CompiledRule | None:
        best: CompiledRule | None = None
        for first, find_in_group in pairs:
            if best is not None and best.order < first:
                break
            rule = find_in_group(client, nets, place)
            if rule is not None and (best is None or rule.order < best.order):
                best = rule
        return best

    return find


class _RuleTable:
    """The rules of one shape by the values that must be equal; of two with equal conditions, the one that wins.

    With networks there is a table by number of network for each combination of values; with subdivisions there is a
    _Table for each, since a place lies in several (ISO 3166-2 has up to two levels).
    """

    def __init__(self, shape: TestedDimensions) -> None:
        self._shape = shape
        self._rules: dict[Hashable, CompiledRule] = {}
        self._by_network: defaultdict[Hashable, dict[int, CompiledRule]] = defaultdict(dict)
        self._by_subdivision: dict[str | None, _RuleTable] = {}

    def add(self, rule: CompiledRule, networks: NetworkIndex) -> None:
        conditions = rule.conditions
        if self._shape.subdivision:
            plain = self._shape._replace(subdivision=False)
            self._by_subdivision.setdefault(conditions.subdivision, _RuleTable(plain)).add(rule, networks)
        elif conditions.network is None:
            _insert_best(self._rules, _lookup_key(conditions), rule)
        else:
            _insert_best(self._by_network[_lookup_key(conditions)], networks.assign_number(conditions.network), rule)

    def finder(self) -> FindRule:
        if self._shape.subdivision:
            return _find_by_subdivision({code: table.finder() for code, table in self._by_subdivision.items()})
        if not self._shape.network:
            return _find_exact(_key_reader(self._shape), self._rules)
        if _NO_VALUES in self._by_network:
            found = _find_network(self._by_network[_NO_VALUES])
        else:
            found = _find_exact_and_network(_key_reader(self._shape), self._by_network)
        return _require_subnet(found) if self._shape.subnet_only else found


def _insert_best(rules: dict[_KeyT, CompiledRule], key: _KeyT, rule: CompiledRule) -> None:
    known = rules.setdefault(key, rule)
    if rule.order < known.order:
        rules[key] = rule


def _find_exact(read: _ReadValues, table: Mapping[Hashable, CompiledRule]) -> FindRule:
    look_up = table.get

    def find(client: Client, nets: NetworkNumbers, place: GeoLocation) -> CompiledRule | None:
        return look_up(read(client, place))

    return find


def _find_network(leaf: Mapping[int, CompiledRule]) -> FindRule:
    def find(client: Client, nets: NetworkNumbers, place: GeoLocation) -> CompiledRule | None:
        for number in nets:
            if number in leaf:
                return leaf[number]
        return None

    return find


def _find_exact_and_network(read: _ReadValues, leaves: Mapping[Hashable, Mapping[int, CompiledRule]]) -> FindRule:
    def find(client: Client, nets: NetworkNumbers, place: GeoLocation) -> CompiledRule | None:
        if (leaf := leaves.get(read(client, place))) is not None:
            for number in nets:
                if number in leaf:
                    return leaf[number]
        return None

    return find


def _require_subnet(inner: FindRule) -> FindRule:
    def find(client: Client, nets: NetworkNumbers, place: GeoLocation) -> CompiledRule | None:
        subnet = client.subnet
        return None if subnet is None or not subnet.prefix else inner(client, nets, place)

    return find


def _find_by_subdivision(inner: Mapping[str | None, FindRule]) -> FindRule:
    def find(client: Client, nets: NetworkNumbers, place: GeoLocation) -> CompiledRule | None:
        found = [inner[code](client, nets, place) for code in place.subdivisions if code in inner]
        return min((rule for rule in found if rule is not None), key=lambda rule: rule.order, default=None)

    return find


def _lookup_key(conditions: CompiledConditions) -> Hashable:
    """The values that must be equal, in the order of `_key_reader`; a single one stands for itself."""
    tags = (value for _, value in conditions.tags)
    wanted = (conditions.identity, *tags, conditions.country, conditions.city, conditions.transport)
    values = tuple(value for value in wanted if value is not None)
    return values[0] if len(values) == 1 else values


def _key_reader(shape: TestedDimensions) -> _ReadValues:
    """What reads a client's values for `_lookup_key`; an absent value reads as None, which no key holds."""
    reads: list[_ReadValues] = []
    if shape.identity:
        reads.append(lambda client, place: client.identity)
    reads += [_tag_reader(key) for key in shape.tags]
    if shape.country:
        reads.append(lambda client, place: place.country)
    if shape.city:
        reads.append(lambda client, place: place.city)
    if shape.transport:
        reads.append(lambda client, place: client.transport)
    if len(reads) == 1:
        return reads[0]
    return lambda client, place: tuple([read(client, place) for read in reads])


def _tag_reader(key: str) -> _ReadValues:
    def read(client: Client, place: GeoLocation) -> Hashable:
        return dict(client.tags).get(key)

    return read
