"""Where trust begins, and where it is switched off: anchors (RFC 4033 section 2) and negative ones (RFC 7646)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import dns.exception
import dns.rdata
from attrs import field, frozen
from dns.rdataclass import IN
from dns.rdatatype import RdataType

from graydns.dnssec.delegation import DS
from graydns.dnssec.keys import REVOKE, ZONE
from graydns.model.name import from_text, suffixes, to_text

#: The keys of the root, of 2017 and 2024, as IANA publishes them (https://data.iana.org/root-anchors/root-anchors.xml).
ROOT_ANCHORS = (
    ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
    ". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
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
    def read(cls, lines: Iterable[str]) -> Anchors:
        """From records in presentation format, DS or DNSKEY; TTL and class may be missing. Raises ValueError."""
        found: dict[bytes, Anchor] = {}
        for line in lines:
            zone, ds = _record(line)
            before = found[zone].ds if zone in found else ()
            found[zone] = Anchor(zone, before if ds in before else (*before, ds))
        return cls(found)

    def closest(self, name: bytes) -> Anchor | None:
        """The anchor of the deepest zone at or above *name*."""
        for suffix in suffixes(name):
            if (anchor := self.by_zone.get(suffix)) is not None:
                return anchor
        return None


@frozen
class Negative:
    """*name* and all below it count as unsigned *until* a moment (Unix seconds; None: until it is removed)."""

    name: bytes
    until: float | None = None


@frozen
class Negatives:
    """Negative trust anchors."""

    entries: tuple[Negative, ...] = ()

    def covering(self, name: bytes, now: float) -> Negative | None:
        """The deepest one at or above *name* that counts *now*."""
        if not self.entries:
            return None
        counting = {each.name: each for each in self.entries if each.until is None or now < each.until}
        return next((counting[suffix] for suffix in suffixes(name) if suffix in counting), None)


def _record(line: str) -> tuple[bytes, DS]:
    owner, *rest = line.split(";", 1)[0].split() or [""]
    if rest and rest[0].isdecimal():
        del rest[0]
    if rest and rest[0].upper() == "IN":
        del rest[0]
    if rest and rest[0].isdecimal() and len(rest) > 1 and rest[1].upper() in ("DS", "DNSKEY"):
        del rest[0]
    if len(rest) < 2 or rest[0].upper() not in ("DS", "DNSKEY"):
        raise ValueError(f"not a trust anchor: {line!r}: neither DS nor DNSKEY record")
    zone = from_text(owner)
    rdtype = RdataType.from_text(rest[0])
    try:
        rdata = dns.rdata.from_text(IN, rdtype, " ".join(rest[1:])).to_digestable()
    except (dns.exception.DNSException, ValueError) as error:
        raise ValueError(f"not a trust anchor: {to_text(zone)}: {error}") from error
    if rdtype == RdataType.DS:
        return zone, DS.read(rdata)
    flags = int.from_bytes(rdata[:2])
    if not flags & ZONE or flags & REVOKE:
        raise ValueError(f"not a trust anchor: {to_text(zone)}: flags {flags} are not those of a zone's key in use")
    return zone, DS.of_key(zone, rdata)
