"""The conditions of a rule in canonical form, and how specific they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, reduce
from operator import or_
from typing import Any, NamedTuple

from attrs import field, frozen

from graydns.gray.dimensions import ADDRESS_FIELD, IDENTITY_FIELD, NAME_FIELD, RANK_ORDER, RankField
from graydns.gray.dimensions.address import SOURCE, SUBNET, narrow_networks
from graydns.gray.dimensions.dimension import Dimension, Reads, ValueT, overlaps_always
from graydns.gray.dimensions.question import NAME, QTYPE, REGEX
from graydns.gray.name_patterns import NamePattern
from graydns.model.client import Subnet
from graydns.model.errors import PolicyIssues
from graydns.model.policy import RuleConditions

#: Bits of the rank for the number of dimensions.
_COUNT_BITS = 4

#: Combinations of dimensions whose layout is remembered.
_MAX_LAYOUTS = 4096


@frozen
class ConditionsLayout:
    """What conditions have in common that test the same *dimensions*; there is one for each combination.

    *positions*: of each dimension in the values. *reads*: of the client, without the question. *many*: dimensions of
    which a client has several values. *compared*: positions of those whose values tell whether two rules may overlap.
    *base_rank*: what the combination itself is worth. *fields*: for each field of the rank its lowest bit, how ranks
    are combined, and the positions of its dimensions, None for one that is not tested.
    """

    dimensions: tuple[Dimension[Any], ...]
    positions: dict[Dimension[Any], int] = field(repr=False, eq=False)
    reads: Reads = field(eq=False)
    many: tuple[Dimension[Any], ...] = field(eq=False)
    compared: tuple[int, ...] = field(eq=False)
    base_rank: int = field(eq=False)
    fields: tuple[tuple[int, Callable[[Sequence[int]], int], tuple[int | None, ...]], ...] = field(repr=False, eq=False)


class CompiledConditions(NamedTuple):
    """What a rule tests; equal conditions match equal queries.

    *values*: what the dimensions of *layout* are tested for. *network*: of ``source`` and ``subnet`` together.
    *subnet_only*: clients without a subnet do not match. *is_personal*: they test something of the client that no cache
    can key by.
    """

    layout: ConditionsLayout
    values: tuple[Any, ...]
    network: Subnet | None
    subnet_only: bool
    is_personal: bool

    def get(self, dimension: Dimension[ValueT]) -> ValueT | None:
        """The value that *dimension* is tested for, None = not tested."""
        at = self.layout.positions.get(dimension)
        return None if at is None else self.values[at]

    @property
    def pattern(self) -> NamePattern | None:
        """The pattern that names are tested for."""
        return self.get(NAME)

    @property
    def regex(self) -> str | None:
        """The expression that names are tested for."""
        return self.get(REGEX)

    @property
    def qtype(self) -> int | None:
        """The type that is tested for."""
        return self.get(QTYPE)

    @property
    def is_geographic(self) -> bool:
        """Whether it takes a geo database to test them."""
        return Reads.LOCATION in self.layout.reads

    @property
    def rank(self) -> int:
        """How specific they are: of two rules that match, the higher rank wins (``gray.dimensions``).

        Each part of the rank has bits of its own, the most important leftmost.
        """
        layout, rank = self.layout, self.layout.base_rank
        ranks = [dimension.rank(value) for dimension, value in zip(layout.dimensions, self.values, strict=True)]
        for lowest_bit, combine, positions in layout.fields:
            rank |= combine([0 if at is None else ranks[at] for at in positions]) << lowest_bit
        return rank


def compile_conditions(
    when: RuleConditions, issues: PolicyIssues, rank_order: tuple[RankField, ...] = RANK_ORDER
) -> CompiledConditions:
    """The canonical form of *when*; what is wrong in it is added to *issues*."""
    tested: list[Dimension[Any]] = []
    values: list[Any] = []
    for dimension in _list_dimensions(rank_order):
        written = getattr(when, dimension.key)
        if written is None or written == {} or (value := dimension.parse(written, issues)) is None:
            continue
        tested.append(dimension)
        values.append(value)
    layout = _find_layout(tuple(tested), rank_order)
    source_at, subnet_at = layout.positions.get(SOURCE), layout.positions.get(SUBNET)
    network = None
    if source_at is not None or subnet_at is not None:
        source = None if source_at is None else values[source_at]
        subnet = None if subnet_at is None else values[subnet_at]
        network = narrow_networks(source, subnet, issues)
        for at in (source_at, subnet_at):
            if at is not None:
                values[at] = network
    return CompiledConditions(layout, tuple(values), network, subnet_at is not None, Reads.IDENTITY in layout.reads)


@lru_cache(_MAX_LAYOUTS)
def _list_dimensions(rank_order: tuple[RankField, ...]) -> tuple[Dimension[Any], ...]:
    return tuple(dimension for rank_field in rank_order for dimension in rank_field.dimensions)


@lru_cache(_MAX_LAYOUTS)
def _find_layout(dimensions: tuple[Dimension[Any], ...], rank_order: tuple[RankField, ...]) -> ConditionsLayout:
    positions = {dimension: at for at, dimension in enumerate(dimensions)}
    reads = reduce(or_, (dimension.reads for dimension in dimensions), Reads.NOTHING)
    bits, fields = 0, []
    for rank_field in reversed(rank_order):
        if positions.keys() & set(rank_field.dimensions):
            fields.append((bits, rank_field.combine, tuple(positions.get(each) for each in rank_field.dimensions)))
        bits += rank_field.bits
    identity, address, name = (
        not positions.keys().isdisjoint(each.dimensions) for each in (IDENTITY_FIELD, ADDRESS_FIELD, NAME_FIELD)
    )
    pair = 2 if identity and address else 1 if name and address else 0
    return ConditionsLayout(
        dimensions=dimensions,
        positions=positions,
        reads=reads & ~Reads.QUESTION,
        many=tuple(dimension for dimension in dimensions if dimension.read_many is not None),
        compared=tuple(at for at, each in enumerate(dimensions) if each.may_overlap is not overlaps_always),
        base_rank=(pair << _COUNT_BITS | len(dimensions)) << bits,
        fields=tuple(fields),
    )
