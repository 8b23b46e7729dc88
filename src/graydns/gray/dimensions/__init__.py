"""All dimensions that rules can test, in the order of rank: this list is the only place where they are named.

Of two rules that match a query the one with the higher rank wins: (identity and address) over (name and address) over
the number of dimensions, and then field by field as they stand here, the most important first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen

from graydns.gray.dimensions.address import CITY, COUNTRY, SOURCE, SUBDIVISION, SUBNET
from graydns.gray.dimensions.dimension import Dimension
from graydns.gray.dimensions.identity import CLIENT, TAG, combine_identity_ranks
from graydns.gray.dimensions.question import NAME, QTYPE, REGEX, TRANSPORT


@frozen(eq=False)
class RankField:
    """Dimensions that share one field of the rank, *bits* wide. *combine*: the field's value, from
    the ranks of its dimensions in order, 0 where one is not tested."""

    bits: int
    dimensions: tuple[Dimension[Any], ...]
    combine: Callable[[Sequence[int]], int] = max


IDENTITY_FIELD = RankField(8, (CLIENT, TAG), combine_identity_ranks)
ADDRESS_FIELD = RankField(8, (SOURCE, SUBNET, SUBDIVISION, COUNTRY, CITY))
NAME_FIELD = RankField(11, (NAME, REGEX))

#: A new dimension takes one line here: ``RankField(1, (WEEKDAY,))``.
RANK_ORDER: tuple[RankField, ...] = (
    IDENTITY_FIELD,
    ADDRESS_FIELD,
    NAME_FIELD,
    RankField(1, (QTYPE,)),
    RankField(1, (TRANSPORT,)),
)
