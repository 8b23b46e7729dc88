"""Tuple-space search: rules that test the same things are found by one dictionary lookup.

All rules of a Group test the same dimensions with values that must be equal, so those that match a client differ in
their network only, and the one with the longest prefix ranks highest: the innermost network that the group knows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

from graydns.gray.conditions import Conditions
from graydns.gray.geo import Place
from graydns.gray.networks import Nets, Networks
from graydns.gray.rules import CompiledRule, Order
from graydns.model.query import Client

#: Finds the rule that wins for a client, given the networks its address is in and its place.
Find = Callable[[Client, Nets, Place], CompiledRule | None]

_Read = Callable[[Client, Place], Hashable]


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


def build_group(shape: Shape, rules: Iterable[CompiledRule], networks: Networks) -> Group:
    """Index *rules*, all of *shape* and one version; of two with equal conditions only the one that wins is kept."""
    winners: dict[Conditions, CompiledRule] = {}
    for rule in rules:
        known = winners.get(rule.conditions)
        if known is None or rule.order < known.order:
            winners[rule.conditions] = rule
    kept = list(winners.values())
    return Group(
        shape=shape,
        version=kept[0].version,
        first=min(rule.order for rule in kept),
        find=_find(shape, kept, networks),
        always=kept[0] if shape.is_unconditional else None,
        reach4=_reach(kept, 4),
        reach6=_reach(kept, 16),
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


def _reach(rules: Iterable[CompiledRule], size: int) -> int:
    """The longest prefix that *rules* read of addresses of *size* bytes; a place depends on all bits."""
    reach = 0
    for rule in rules:
        network = rule.conditions.network
        if rule.conditions.is_geographic:
            return 8 * size
        if network is not None and len(network.address) == size:
            reach = max(reach, network.prefix)
    return reach


def _find(shape: Shape, rules: Iterable[CompiledRule], networks: Networks) -> Find:
    if shape.subdivision:
        return _find_by_subdivision(shape, rules, networks)
    if not shape.network:
        return _find_exact(_reader(shape), {_key(rule.conditions): rule for rule in rules})
    leaves: defaultdict[Hashable, dict[int, CompiledRule]] = defaultdict(dict)
    for rule in rules:
        if (network := rule.conditions.network) is not None:
            leaves[_key(rule.conditions)][networks.number(network)] = rule
    found = _find_network(leaves[()]) if () in leaves else _find_both(_reader(shape), leaves)
    return _only_with_subnet(found) if shape.subnet_only else found


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


def _find_by_subdivision(shape: Shape, rules: Iterable[CompiledRule], networks: Networks) -> Find:
    """A place lies in several subdivisions (ISO 3166-2 has up to two levels): look in each."""
    by_code: defaultdict[str | None, list[CompiledRule]] = defaultdict(list)
    for rule in rules:
        by_code[rule.conditions.subdivision].append(rule)
    inner = {code: _find(shape._replace(subdivision=False), listed, networks) for code, listed in by_code.items()}

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
