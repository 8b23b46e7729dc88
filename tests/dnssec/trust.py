"""What a validator may say of answers about the islands: by its anchors, and by what an attacker has got hold of."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import dns.name
from attrs import frozen
from dns.name import Name
from hypothesis import strategies as st

from graydns.dnssec.key_trust import NegativeTrustAnchors, TrustAnchors
from graydns.model.dnssec_values import Security
from graydns.model.name import from_text
from tests.dnssec import answering, islands
from tests.dnssec.drawing import pick, some, upto
from tests.dnssec.islands import APEXES, NAMES, NXDOMAIN, Part, domain, side

SECURE, INSECURE, INDETERMINATE, BOGUS = (
    Security.SECURE,
    Security.INSECURE,
    Security.INDETERMINATE,
    Security.BOGUS,
)

#: An answer is worth as much as the last of its parts here.
ORDER = (SECURE, INSECURE, INDETERMINATE, BOGUS)


@frozen
class Trust:
    """*anchors*: zones that are trusted. *negatives*: names with a negative trust anchor. *owned*: zones whose keys the
    attacker has."""

    anchors: frozenset[Name]
    negatives: frozenset[Name] = frozenset()
    owned: frozenset[Name] = frozenset()

    @classmethod
    def of(cls, *anchors: str, negatives: Iterable[str] = (), owned: Iterable[str] = ()) -> Trust:
        """From text."""
        return cls(*(frozenset(map(dns.name.from_text, names)) for names in (anchors, negatives, owned)))

    def floor(self, name: Name) -> Name | None:
        """The deepest anchor, negative or not, at or above *name*: a zone further up has no say in it."""
        found = (each for each in self.anchors | self.negatives if name.is_subdomain(each))
        return max(found, key=len, default=None)

    def is_watched(self, name: Name) -> bool:
        """Whether anything is validated there."""
        floor = self.floor(name)
        return floor is not None and floor not in self.negatives

    def status(self, name: Name, rdtype: str) -> Security:
        """What the truth about *name* is worth. BOGUS: of a zone that a trusted one above says is not there."""
        return _status(self, name, rdtype)

    def controls(self, name: Name, rdtype: str) -> bool:
        """Whether the attacker can have believed what he likes: a zone of his is believed, and has a say."""
        inside = side(name, rdtype)
        floor = self.floor(inside)
        if floor is None:
            return False
        having_a_say = (zone for zone in self.owned if inside.is_subdomain(zone) and zone.is_subdomain(floor))
        return any(self.status(zone, "SOA") is SECURE for zone in having_a_say)

    def verdicts(self, parts: Iterable[Part]) -> frozenset[Security]:
        """What an answer of *parts* may be found to be, whatever the attacker does."""
        each = [self._verdicts(part) for part in parts]
        best = max(min(map(ORDER.index, found)) for found in each)
        return frozenset(verdict for found in each for verdict in found if ORDER.index(verdict) >= best)

    def _verdicts(self, part: Part) -> frozenset[Security]:
        status = self.status(part.name, part.rdtype)
        if not self.is_watched(side(part.name, part.rdtype)):
            return frozenset({status})
        if self.controls(part.name, part.rdtype):
            return frozenset({SECURE, INSECURE, BOGUS})
        if status is BOGUS:  # the zone above proves that the name is not there, and is right as far as it is concerned
            absent = not part.rdatas and part.rcode == NXDOMAIN
            return frozenset({SECURE, BOGUS} if absent else {BOGUS})
        if status is SECURE and not islands.is_true(part):
            return frozenset({BOGUS})
        return frozenset({status, BOGUS})

    @property
    def given(self) -> tuple[TrustAnchors, NegativeTrustAnchors]:
        """The same for the validator."""
        names = frozenset(from_text(str(name)) for name in self.negatives)
        return answering.anchors(*(domain(apex).zone for apex in sorted(self.anchors))), NegativeTrustAnchors(names)


def worst(statuses: Iterable[Security]) -> Security:
    """What the whole is worth."""
    return max(statuses, key=ORDER.index)


@cache
def _status(trust: Trust, name: Name, rdtype: str) -> Security:
    inside = side(name, rdtype)
    floor = trust.floor(inside)
    if floor is None:
        return INDETERMINATE
    if floor in trust.negatives:
        return INSECURE
    for upper, apex in _links(floor, domain(name, rdtype).apex):
        types = domain(upper).model.nodes.get(apex)
        if types is None:
            return BOGUS
        if "DS" not in types:
            return INSECURE
    return INSECURE if domain(name, rdtype).is_opted_out(name) else SECURE


def _links(top: Name, apex: Name) -> list[tuple[Name, Name]]:
    """Each zone from *top* to *apex* with the one below it, in that order."""
    links: list[tuple[Name, Name]] = []
    while apex != top and (upper := islands.above(apex)) is not None:
        links.insert(0, (upper, apex))
        apex = upper
    return links


SIGNED = tuple(apex for apex in APEXES if domain(apex).is_signed)

#: Where trust begins, mostly.
_TOPS = (*[frozenset(APEXES[:1])] * 4, frozenset(APEXES[1:2]), frozenset[Name]())


@st.composite
def trusts(draw: st.DrawFn, *, attacked: bool = True) -> Trust:
    """Some anchors, fewer negative ones; where *attacked* a zone or two are the attacker's."""
    anchors = pick(draw, _TOPS) | frozenset(some(draw, SIGNED, draw(upto(3))))
    owned = some(draw, SIGNED, 2) if attacked else ()
    return Trust(anchors, frozenset(some(draw, NAMES, draw(upto(2)))), frozenset(owned))
