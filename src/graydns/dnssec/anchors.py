"""Where trust begins, and where it is switched off: anchors (RFC 4033 section 2) and negative ones (RFC 7646)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import field, frozen
from dns.rdatatype import RdataType

from graydns.dnssec.delegation import DS
from graydns.model.anchor import TrustAnchor, read_anchor
from graydns.model.name import suffixes

#: The keys of the root, of 2017 and 2024, as IANA publishes them (https://data.iana.org/root-anchors/root-anchors.xml).
ROOT_ANCHORS = tuple(
    read_anchor(text)
    for text in (
        ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
        ". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
    )
)


@frozen
class Anchor:
    """What vouches for the keys of *zone*. A DNSKEY anchor is kept as the DS of exactly that key."""

    zone: bytes
    ds: tuple[DS, ...]


@frozen
class Anchors:
    """Every anchor, by zone."""

    by_zone: Mapping[bytes, Anchor] = field(factory=dict)

    @classmethod
    def of(cls, anchors: Iterable[TrustAnchor]) -> Anchors:
        """Those that were configured."""
        found: dict[bytes, Anchor] = {}
        for zone, rdtype, rdata in anchors:
            ds = DS.read(rdata) if rdtype == RdataType.DS else DS.of_key(zone, rdata)
            before = found[zone].ds if zone in found else ()
            found[zone] = Anchor(zone, before if ds in before else (*before, ds))
        return cls(found)


@frozen
class Negatives:
    """The *names* of the negative trust anchors that count: each and all below it are taken for unsigned."""

    names: frozenset[bytes] = frozenset()

    def covering(self, name: bytes) -> bytes | None:
        """The deepest one at or above *name*."""
        return next((suffix for suffix in suffixes(name) if suffix in self.names), None) if self.names else None
