"""Rules that see the same names, grouped by what they test of the client."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from attrs import define, field

from graydns.gray.groups import Group, Shape, build_group, shape_of
from graydns.gray.networks import Networks
from graydns.gray.rules import CompiledRule

#: Bundles of more rules than this are indexed when the router is compiled, smaller ones when first needed.
EAGER = 64

#: What is known of a query before its client: type (None = any) and version that a rule names (None = another outcome).
Facet = tuple[int | None, str | None]


@define(eq=False)
class Bundle:
    """All rules of one scope with one name pattern and one regex (None = not tested); plans share it."""

    regex: str | None
    networks: Networks = field(repr=False)
    rules: list[CompiledRule] = field(factory=list, repr=False)
    _groups: dict[Facet, list[Group]] | None = field(default=None, init=False, repr=False)

    def groups(self, qtype: int, versions: Iterable[str | None]) -> Iterator[Group]:
        """The groups that can apply to *qtype* and name one of *versions*."""
        if self._groups is None:
            for _ in self.index():
                pass
        indexed = self._groups or {}
        for version in versions:
            yield from indexed.get((None, version), ())
            yield from indexed.get((qtype, version), ())

    def index(self) -> Iterator[None]:
        """Build the groups, in small steps but for the largest group."""
        sorted_out: defaultdict[tuple[Facet, Shape], list[CompiledRule]] = defaultdict(list)
        for rule in self.rules:
            facet = (rule.conditions.qtype, rule.version)
            sorted_out[facet, shape_of(rule.conditions)].append(rule)
            yield
        groups: defaultdict[Facet, list[Group]] = defaultdict(list)
        for (facet, shape), rules in sorted_out.items():
            groups[facet].append(build_group(shape, rules, self.networks))
            yield
        self._groups = dict(groups)
