"""Many regular expressions matched against a name at once, by RE2: linear time, whatever a name holds.

Rules that see the same names, grouped by what they test of the client.

Which rules see a name: an index over name patterns, one for each zone and one for the tenant.

The scopes of a tenant: a zone's rules see the names of that zone, the tenant's own rules see every name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import re2
from attrs import define, field

from graydns.gray.dimensions.question import make_regex_options
from graydns.gray.name_patterns import NamePattern, PatternForm, to_presentation, to_wire
from graydns.gray.network_index import NetworkIndex
from graydns.gray.rule_groups import RuleGroup, RuleGroupBuilder, TestedDimensions, tested_dimensions
from graydns.gray.rules import CompiledRule
from graydns.model.name import ROOT, suffixes
from graydns.runtime.steps import reclaim

#: Expressions in one RE2 set, and the bytes it may use for its program and its states.
MAX_SET_EXPRESSIONS = 1_000
MAX_SET_BYTES = 64 << 20

#: First in each set: RE2 answers None both to "nothing matches" and to "out of memory", and this always matches.
_MATCH_ALL = "(?s).*"


class RegexSets:
    """A fixed set of expressions, each of which `re2.compile` has taken. Raises re2.error if they are too large."""

    def __init__(self, expressions: Sequence[str]) -> None:
        starts = range(0, len(expressions), MAX_SET_EXPRESSIONS)
        self._sets = [_Re2Set(expressions[start : start + MAX_SET_EXPRESSIONS]) for start in starts]

    def matching(self, text: str) -> Iterator[str]:
        """The expressions that match all of *text*."""
        for one in self._sets:
            yield from one.matching(text)


class _Re2Set:
    def __init__(self, expressions: Sequence[str]) -> None:
        self._expressions = expressions
        self._set = re2.Set.FullMatchSet(make_regex_options(memory=MAX_SET_BYTES))
        for expression in (_MATCH_ALL, *expressions):
            self._set.Add(expression)
        self._set.Compile()

    def matching(self, text: str) -> Iterator[str]:
        found: list[int] | None = self._set.Match(text)
        if found is None:
            yield from (expression for expression in self._expressions if _matches_regex(expression, text))
        else:
            yield from (self._expressions[at - 1] for at in found if at)


def _matches_regex(expression: str, text: str) -> bool:
    return re2.fullmatch(expression, text, make_regex_options()) is not None


#: Bundles of more rules than this are indexed when the router is compiled, smaller ones when first needed.
MAX_LAZY_RULES = 64

#: What is known of a query before its client: type (None = any) and version that a rule names (None = another outcome).
TypeAndVersion = tuple[int | None, str | None]


@define(eq=False)
class RuleBundle:
    """All rules of one scope with one name pattern and one regex (None = not tested); plans share it."""

    regex: str | None
    networks: NetworkIndex = field(repr=False)
    rules: list[CompiledRule] = field(factory=list, repr=False)
    _groups: dict[TypeAndVersion, list[RuleGroup]] | None = field(default=None, init=False, repr=False)

    def groups(self, qtype: int, versions: Iterable[str | None]) -> Iterator[RuleGroup]:
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
        builders: dict[tuple[TypeAndVersion, TestedDimensions], RuleGroupBuilder] = {}
        for rule in self.rules:
            facet, shape = (rule.conditions.qtype, rule.version), tested_dimensions(rule.conditions)
            if (builder := builders.get((facet, shape))) is None:
                builder = builders[facet, shape] = RuleGroupBuilder(shape, rule.version)
            builder.add(rule, self.networks)
            yield
        self._groups = {facet: [] for facet, _ in builders}
        for (facet, _), builder in builders.items():
            self._groups[facet].append(builder.build())


#: Different places of a single ``*`` in first labels that are tried one by one; the rest goes through RE2.
MAX_STAR_SHAPES = 64

_BundlesByName = defaultdict[bytes, list[RuleBundle]]

#: What a first label begins and ends with, and the rest of the name (None = any).
_StarKey = tuple[bytes, bytes, bytes | None]


class NameIndex:
    """The rules that stand in one place (a zone's file, a tenant's list), by the names they see."""

    def __init__(self, networks: NetworkIndex) -> None:
        self._networks = networks
        self._bundles: dict[tuple[NamePattern | None, str | None], RuleBundle] = {}
        self._any_name: list[RuleBundle] = []
        self._tests_names = False
        self._exact, self._label, self._suffix = _BundlesByName(list), _BundlesByName(list), _BundlesByName(list)
        self._star: defaultdict[_StarKey, list[RuleBundle]] = defaultdict(list)
        self._star_shapes: list[tuple[int, int]] = []
        self._by_expression: defaultdict[str, list[RuleBundle]] = defaultdict(list)
        self._expressions = RegexSets(())

    def add(self, rule: CompiledRule) -> RuleBundle:
        """Add *rule* to the bundle of its pattern and regex, which is returned."""
        pattern, regex = key = rule.conditions.pattern, rule.conditions.regex
        if (bundle := self._bundles.get(key)) is None:
            bundle = self._bundles[key] = RuleBundle(regex, self._networks)
            self._bundles_for(pattern, regex).append(bundle)
            self._tests_names = self._tests_names or key != (None, None)
        bundle.rules.append(rule)
        return bundle

    def build(self) -> Iterator[None]:
        """Build what many rules share, in small steps; nothing may be added afterwards. Raises re2.error."""
        self._expressions = RegexSets(list(self._by_expression))
        for bundle in self._bundles.values():
            if len(bundle.rules) > MAX_LAZY_RULES:
                yield from bundle.index()
        self._bundles.clear()

    def reclaim_steps(self) -> Iterator[None]:
        """Take it apart in small steps, when it is not used any more."""
        return reclaim(self._exact, self._label, self._suffix, self._star, self._by_expression)

    def matching(self, qname: bytes) -> list[RuleBundle]:
        """The bundles whose pattern and regex match *qname*, always in the same order."""
        found = self._any_name.copy()
        if not self._tests_names:
            return found
        if qname in self._exact:
            found += self._exact[qname]
        if qname != ROOT:
            self._match_first_label(qname, found)
            self._match_ancestors(qname, found)
        if not self._by_expression:
            return found
        matching = dict.fromkeys(self._expressions.matching(to_presentation(qname)))
        for expression in matching:
            found += self._by_expression[expression]
        return [bundle for bundle in found if bundle.regex is None or bundle.regex in matching]

    def _match_first_label(self, qname: bytes, found: list[RuleBundle]) -> None:
        if not self._label and not self._star:
            return
        end = 1 + qname[0]
        label, rest = qname[1:end], qname[end:]
        if label in self._label:
            found += self._label[label]
        for head, tail in self._star_shapes:
            if head + tail <= len(label):
                ends = label[:head], label[len(label) - tail :]
                found += self._star.get((*ends, None), ())
                found += self._star.get((*ends, rest), ())

    def _match_ancestors(self, qname: bytes, found: list[RuleBundle]) -> None:
        if not self._suffix:
            return
        at = 0
        while length := qname[at]:
            at += 1 + length
            if (ancestor := qname[at:]) in self._suffix:
                found += self._suffix[ancestor]

    def _bundles_for(self, pattern: NamePattern | None, regex: str | None) -> list[RuleBundle]:
        """The list that a bundle belongs on."""
        expression = self._by_expression[regex] if regex is not None else self._any_name
        if pattern is None:
            return expression
        match pattern.form:
            case PatternForm.EXACT:
                return self._exact[to_wire(pattern.labels)]
            case PatternForm.LABEL:
                return self._label[pattern.labels[0]]
            case PatternForm.SUFFIX:
                return self._suffix[to_wire(pattern.labels)]
            case PatternForm.STAR if (star := self._star_key(pattern)) is not None:
                return self._star[star]
        return self._by_expression[pattern.to_regex()]

    def _star_key(self, pattern: NamePattern) -> _StarKey | None:
        """Where to look a starred first label up; None if there are too many different places of the star."""
        head, tail = pattern.labels[0].split(b"*")
        if (place := (len(head), len(tail))) not in self._star_shapes:
            if len(self._star_shapes) == MAX_STAR_SHAPES:
                return None
            self._star_shapes.append(place)
        return head, tail, None if pattern.any_suffix else to_wire(pattern.labels[1:])


class RuleIndex:
    """One NameIndex for each zone and one for the tenant."""

    def __init__(self, zones: Iterable[bytes], networks: NetworkIndex) -> None:
        self._tenant_index = NameIndex(networks)
        self._zone_indexes = {zone: NameIndex(networks) for zone in zones}

    def add(self, rule: CompiledRule) -> RuleBundle:
        """File *rule* in its scope; returns the bundle it is in."""
        return (self._tenant_index if rule.zone is None else self._zone_indexes[rule.zone]).add(rule)

    def build(self) -> Iterator[None]:
        """Build what many rules share, in small steps; nothing may be added afterwards. Raises re2.error."""
        for scope in (self._tenant_index, *self._zone_indexes.values()):
            yield from scope.build()

    def find_zone(self, qname: bytes) -> bytes | None:
        """The zone that *qname* belongs to: the tenant's longest that it is in."""
        if not self._zone_indexes:
            return None
        return next((suffix for suffix in suffixes(qname) if suffix in self._zone_indexes), None)

    def matching(self, qname: bytes) -> list[RuleBundle]:
        """The bundles of rules that see *qname*, always in the same order."""
        found = self._tenant_index.matching(qname)
        if (zone := self.find_zone(qname)) is not None:
            found += self._zone_indexes[zone].matching(qname)
        return found

    def reclaim_steps(self) -> Iterator[None]:
        """What takes all of it apart in small steps, once this object is gone: it does not hold it."""
        return _reclaim_indexes((self._tenant_index, *self._zone_indexes.values()))


def _reclaim_indexes(scopes: Iterable[NameIndex]) -> Iterator[None]:
    for scope in scopes:
        yield from scope.reclaim_steps()
