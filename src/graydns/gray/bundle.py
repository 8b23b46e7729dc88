"""Rules that see the same names, grouped by what they test of the client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import define, field

from graydns.gray.groups import Group, GroupBuilder, Shape, shape_of
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
        """Build the groups, in small steps."""
        builders: dict[tuple[Facet, Shape], GroupBuilder] = {}
        for rule in self.rules:
            facet, shape = (rule.conditions.qtype, rule.version), shape_of(rule.conditions)
            if (builder := builders.get((facet, shape))) is None:
                builder = builders[facet, shape] = GroupBuilder(shape, rule.version)
            builder.add(rule, self.networks)
            yield
        self._groups = {facet: [] for facet, _ in builders}
        for (facet, _), builder in builders.items():
            self._groups[facet].append(builder.build())
