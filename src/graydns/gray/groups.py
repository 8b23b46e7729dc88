"""Tuple-space search: rules that test the same things are found by one dictionary lookup.

All rules of a Group test the same dimensions with values that must be equal, so those that match a client differ in
their network only, and the one with the longest prefix ranks highest: the innermost network that the group knows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from graydns.gray.conditions import Conditions
from graydns.gray.geo import Place
from graydns.gray.networks import Nets, Networks
from graydns.gray.rules import CompiledRule, Order
from graydns.model.query import Client

#: Finds the rule that wins for a client, given the networks its address is in and its place.
Find = Callable[[Client, Nets, Place], CompiledRule | None]

_Read = Callable[[Client, Place], Hashable]

_T = TypeVar("_T")

#: The key of rules that test nothing that must be equal.
_NO_VALUES = ()


class Shape(NamedTuple):
    """Which dimensions of a client the rules of a group test (name and type are settled before)."""

    network: bool
    subnet_only: bool
    identity: bool
    tags: tuple[str, ...]
    country: bool
    city: bool
    transport: bool
    subdivision: bool
    dimensions: int

    @property
    def is_unconditional(self) -> bool:
        """Whether every client matches."""
        return not any(self[:-1])

    @property
    def is_geographic(self) -> bool:
        """Whether it takes a client's place to find a match."""
        return self.country or self.city or self.subdivision


class Group(NamedTuple):
    """Rules of one shape, all naming *version* (None = all with another outcome).

    *first*: the best order among them. *always*: the one rule of an unconditional group. *reach4*, *reach6*: the
    longest prefixes they read.
    """

    shape: Shape
    version: str | None
    first: Order
    find: Find
    always: CompiledRule | None
    reach4: int
    reach6: int


def shape_of(conditions: Conditions) -> Shape:
    """The shape of the group that a rule belongs to."""
    return Shape(
        conditions.network is not None,
        conditions.subnet_only,
        conditions.identity is not None,
        tuple(key for key, _ in conditions.tags),
        conditions.country is not None,
        conditions.city is not None,
        conditions.transport is not None,
        conditions.subdivision is not None,
        conditions.dimensions,
    )


class GroupBuilder:
    """Takes rules, all of *shape* and naming *version*, one by one, then makes their Group."""

    def __init__(self, shape: Shape, version: str | None) -> None:
        self._shape = shape
        self._version = version
        self._table = _Table(shape)
        self._first: Order | None = None
        self._always: CompiledRule | None = None
        self._reach = {4: 0, 16: 0}

    def add(self, rule: CompiledRule, networks: Networks) -> None:
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

    def build(self) -> Group:
        """The Group of all that was added, which is at least one rule."""
        assert self._first is not None
        return Group(
            shape=self._shape,
            version=self._version,
            first=self._first,
            find=self._table.finder(),
            always=self._always if self._shape.is_unconditional else None,
            reach4=self._reach[4],
            reach6=self._reach[16],
        )


def seek(groups: Sequence[Group]) -> Find:
    """Find the highest ranking match in *groups*, which are sorted by ``first``."""
    if len(groups) == 1:
        return groups[0].find
    pairs = tuple((group.first, group.find) for group in groups)

    def find(client: Client, nets: Nets, place: Place) -> CompiledRule | None:
        best: CompiledRule | None = None
        for first, find_in_group in pairs:
            if best is not None and best.order < first:
                break
            rule = find_in_group(client, nets, place)
            if rule is not None and (best is None or rule.order < best.order):
                best = rule
        return best

    return find


class _Table:
    """The rules of one shape by the values that must be equal; of two with equal conditions, the one that wins.

    With networks there is a table by number of network for each combination of values; with subdivisions there is a
    _Table for each, since a place lies in several (ISO 3166-2 has up to two levels).
    """

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._rules: dict[Hashable, CompiledRule] = {}
        self._by_network: defaultdict[Hashable, dict[int, CompiledRule]] = defaultdict(dict)
        self._by_subdivision: dict[str | None, _Table] = {}

    def add(self, rule: CompiledRule, networks: Networks) -> None:
        conditions = rule.conditions
        if self._shape.subdivision:
            plain = self._shape._replace(subdivision=False)
            self._by_subdivision.setdefault(conditions.subdivision, _Table(plain)).add(rule, networks)
        elif conditions.network is None:
            _keep_best(self._rules, _key(conditions), rule)
        else:
            _keep_best(self._by_network[_key(conditions)], networks.number(conditions.network), rule)

    def finder(self) -> Find:
        if self._shape.subdivision:
            return _find_by_subdivision({code: table.finder() for code, table in self._by_subdivision.items()})
        if not self._shape.network:
            return _find_exact(_reader(self._shape), self._rules)
        if _NO_VALUES in self._by_network:
            found = _find_network(self._by_network[_NO_VALUES])
        else:
            found = _find_both(_reader(self._shape), self._by_network)
        return _only_with_subnet(found) if self._shape.subnet_only else found


def _keep_best(rules: dict[_T, CompiledRule], key: _T, rule: CompiledRule) -> None:
    known = rules.setdefault(key, rule)
    if rule.order < known.order:
        rules[key] = rule


def _find_exact(read: _Read, table: Mapping[Hashable, CompiledRule]) -> Find:
    look_up = table.get

    def find(client: Client, nets: Nets, place: Place) -> CompiledRule | None:
        return look_up(read(client, place))

    return find


def _find_network(leaf: Mapping[int, CompiledRule]) -> Find:
    def find(client: Client, nets: Nets, place: Place) -> CompiledRule | None:
        for number in nets:
            if number in leaf:
                return leaf[number]
        return None

    return find


def _find_both(read: _Read, leaves: Mapping[Hashable, Mapping[int, CompiledRule]]) -> Find:
    def find(client: Client, nets: Nets, place: Place) -> CompiledRule | None:
        if (leaf := leaves.get(read(client, place))) is not None:
            for number in nets:
                if number in leaf:
                    return leaf[number]
        return None

    return find


def _only_with_subnet(inner: Find) -> Find:
    def find(client: Client, nets: Nets, place: Place) -> CompiledRule | None:
        subnet = client.subnet
        return None if subnet is None or not subnet.prefix else inner(client, nets, place)

    return find


def _find_by_subdivision(inner: Mapping[str | None, Find]) -> Find:
    def find(client: Client, nets: Nets, place: Place) -> CompiledRule | None:
        found = [inner[code](client, nets, place) for code in place.subdivisions if code in inner]
        return min((rule for rule in found if rule is not None), key=lambda rule: rule.order, default=None)

    return find


def _key(conditions: Conditions) -> Hashable:
    """The values that must be equal, in the order of `_reader`; a single one stands for itself."""
    tags = (value for _, value in conditions.tags)
    wanted = (conditions.identity, *tags, conditions.country, conditions.city, conditions.transport)
    values = tuple(value for value in wanted if value is not None)
    return values[0] if len(values) == 1 else values


def _reader(shape: Shape) -> _Read:
    """What reads a client's values for `_key`; an absent value reads as None, which no key holds."""
    reads: list[_Read] = []
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


def _tag_reader(key: str) -> _Read:
    def read(client: Client, place: Place) -> Hashable:
        return dict(client.tags).get(key)

    return read
