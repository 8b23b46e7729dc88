"""Which rules see a name: an index over name patterns, one for each zone and one for the tenant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from graydns.gray.bundle import EAGER, Bundle
from graydns.gray.drop import drop
from graydns.gray.expressions import Expressions
from graydns.gray.names import Form, Pattern, presentation, to_wire
from graydns.gray.networks import Networks
from graydns.gray.rules import CompiledRule
from graydns.model.name import ROOT

#: Different places of a single ``*`` in first labels that are tried one by one; the rest goes through RE2.
STAR_PLACES = 64

_Bundles = defaultdict[bytes, list[Bundle]]

#: What a first label begins and ends with, and the rest of the name (None = any).
_Star = tuple[bytes, bytes, bytes | None]


class Scope:
    """The rules that stand in one place (a zone's file, a tenant's list), by the names they see."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self._bundles: dict[tuple[Pattern | None, str | None], Bundle] = {}
        self._always: list[Bundle] = []
        self._names = False
        self._exact, self._label, self._suffix = _Bundles(list), _Bundles(list), _Bundles(list)
        self._star: defaultdict[_Star, list[Bundle]] = defaultdict(list)
        self._star_places: list[tuple[int, int]] = []
        self._by_expression: defaultdict[str, list[Bundle]] = defaultdict(list)
        self._expressions = Expressions(())

    def add(self, rule: CompiledRule) -> Bundle:
        """Add *rule* to the bundle of its pattern and regex, which is returned."""
        pattern, regex = key = rule.conditions.pattern, rule.conditions.regex
        if (bundle := self._bundles.get(key)) is None:
            bundle = self._bundles[key] = Bundle(regex, self._networks)
            self._shelf(pattern, regex).append(bundle)
            self._names = self._names or key != (None, None)
        bundle.rules.append(rule)
        return bundle

    def seal(self) -> Iterator[None]:
        """Build what many rules share, in small steps; nothing may be added afterwards. Raises re2.error."""
        self._expressions = Expressions(list(self._by_expression))
        for bundle in self._bundles.values():
            if len(bundle.rules) > EAGER:
                yield from bundle.index()
        self._bundles.clear()

    def release(self) -> Iterator[None]:
        """Take it apart in small steps, when nobody uses it any more."""
        return drop(self._exact, self._label, self._suffix, self._star, self._by_expression)

    def matching(self, qname: bytes) -> list[Bundle]:
        """The bundles whose pattern and regex match *qname*, always in the same order."""
        found = self._always.copy()
        if not self._names:
            return found
        if qname in self._exact:
            found += self._exact[qname]
        if qname != ROOT:
            self._match_first_label(qname, found)
            self._match_ancestors(qname, found)
        if not self._by_expression:
            return found
        matching = dict.fromkeys(self._expressions.matching(presentation(qname)))
        for expression in matching:
            found += self._by_expression[expression]
        return [bundle for bundle in found if bundle.regex is None or bundle.regex in matching]

    def _match_first_label(self, qname: bytes, found: list[Bundle]) -> None:
        if not self._label and not self._star:
            return
        end = 1 + qname[0]
        label, rest = qname[1:end], qname[end:]
        if label in self._label:
            found += self._label[label]
        for head, tail in self._star_places:
            if head + tail <= len(label):
                ends = label[:head], label[len(label) - tail :]
                found += self._star.get((*ends, None), ())
                found += self._star.get((*ends, rest), ())

    def _match_ancestors(self, qname: bytes, found: list[Bundle]) -> None:
        if not self._suffix:
            return
        at = 0
        while length := qname[at]:
            at += 1 + length
            if (ancestor := qname[at:]) in self._suffix:
                found += self._suffix[ancestor]

    def _shelf(self, pattern: Pattern | None, regex: str | None) -> list[Bundle]:
        """The list that a bundle belongs on."""
        expression = self._by_expression[regex] if regex is not None else self._always
        if pattern is None:
            return expression
        match pattern.form:
            case Form.EXACT:
                return self._exact[to_wire(pattern.labels)]
            case Form.LABEL:
                return self._label[pattern.labels[0]]
            case Form.SUFFIX:
                return self._suffix[to_wire(pattern.labels)]
            case Form.STAR if (star := self._star_key(pattern)) is not None:
                return self._star[star]
        return self._by_expression[pattern.expression()]

    def _star_key(self, pattern: Pattern) -> _Star | None:
        """Where to look a starred first label up; None if there are too many different places of the star."""
        head, tail = pattern.labels[0].split(b"*")
        if (place := (len(head), len(tail))) not in self._star_places:
            if len(self._star_places) == STAR_PLACES:
                return None
            self._star_places.append(place)
        return head, tail, None if pattern.open else to_wire(pattern.labels[1:])
