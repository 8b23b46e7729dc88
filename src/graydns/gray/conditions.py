"""The conditions of a rule in canonical form, and how specific they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from graydns.gray.dimensions import ADDRESS_FIELD, IDENTITY_FIELD, NAME_FIELD, RANK_ORDER, RankField
from graydns.gray.dimensions.dimension import Dimension, Reads, ValueT
from graydns.gray.dimensions.network import SOURCE, SUBNET, narrow_networks
from graydns.gray.dimensions.question import NAME, QTYPE, REGEX
from graydns.gray.name_patterns import NamePattern
from graydns.model.client import Subnet
from graydns.model.errors import PolicyIssues
from graydns.model.policy import RuleConditions

#: Bits of the rank for the number of dimensions, and for which of the pairs is tested.
_COUNT_BITS, _PAIR_BITS = 4, 2


class CompiledConditions(NamedTuple):
    """What a rule tests; equal conditions match equal queries.

    *values*: dimensions with the values they are tested for. *network*: of ``source`` and ``subnet`` together.
    *reads*: what the tests read. *is_personal*: whether that is something that no cache can key by.
    """

    values: tuple[tuple[Dimension[Any], Any], ...] = ()
    network: Subnet | None = None
    reads: Reads = Reads.NOTHING
    is_personal: bool = False

    def get(self, dimension: Dimension[ValueT]) -> ValueT | None:
        """The value that *dimension* is tested for, None = not tested."""
        return next((value for tested, value in self.values if tested is dimension), None)

    @property
    def dimension_count(self) -> int:
        """How many dimensions are tested."""
        return len(self.values)

    @property
    def subnet_only(self) -> bool:
        """Whether clients without a subnet do not match."""
        return self.get(SUBNET) is not None

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
        return Reads.LOCATION in self.reads


def compile_conditions(
    when: RuleConditions, issues: PolicyIssues, rank_order: Sequence[RankField] = RANK_ORDER
) -> CompiledConditions:
    """The canonical form of *when*; what is wrong in it is added to *issues*."""
    values: dict[Dimension[Any], Any] = {}
    reads = Reads.NOTHING
    for rank_field in rank_order:
        for dimension in rank_field.dimensions:
            written = getattr(when, dimension.key)
            if written is None or written == {}:
                continue
            if (value := dimension.parse(written, issues)) is not None:
                values[dimension] = value
                reads |= dimension.reads
    network = narrow_networks(values.get(SOURCE), values.get(SUBNET), issues)
    for dimension in (SOURCE, SUBNET):
        if dimension in values:
            values[dimension] = network
    return CompiledConditions(tuple(values.items()), network, reads, Reads.IDENTITY in reads)


def rank_conditions(conditions: CompiledConditions, rank_order: Sequence[RankField] = RANK_ORDER) -> int:
    """How specific *conditions* are: of two rules that match, the higher rank wins (``gray.dimensions``).

    Each part of the rank has bits of its own, the most important leftmost.
    """
    ranks = {dimension: dimension.rank(value) for dimension, value in conditions.values}
    fields = {field: field.combine([ranks.get(each, 0) for each in field.dimensions]) for field in rank_order}
    identity, address, name = (fields[field] for field in (IDENTITY_FIELD, ADDRESS_FIELD, NAME_FIELD))
    pair = 2 if identity and address else 1 if name and address else 0
    rank = pair << _COUNT_BITS | len(ranks)
    for field, value in fields.items():
        rank = rank << field.bits | value
    return rank
