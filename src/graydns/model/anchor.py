"""Trust anchors as a user writes them: records in presentation format."""

from __future__ import annotations

from typing import NamedTuple

import dns.exception
import dns.rdata
from dns.rdataclass import IN
from dns.rdatatype import RdataType

from graydns.model.name import from_text

_TYPES = ("DS", "DNSKEY")

#: Flags of a DNSKEY (RFC 4034 section 2.1.1, RFC 5011 section 7).
_ZONE, _REVOKE = 0x0100, 0x0080


class TrustAnchor(NamedTuple):
    """A DS or DNSKEY record of *zone* (wire form, lowered); *rdata*: canonical."""

    zone: bytes
    rdtype: int
    rdata: bytes


def read_anchor(text: str) -> TrustAnchor:
    """A record such as ``test. IN DS 12345 13 2 …``; its TTL and class may be missing. Raises ValueError."""
    owner, *rest = text.split(";", 1)[0].split() or [""]
    for _ in range(2):
        if rest and (rest[0].isdecimal() or rest[0].upper() == "IN"):
            del rest[0]
    if len(rest) < 2 or rest[0].upper() not in _TYPES:
        raise ValueError("neither a DS nor a DNSKEY record")
    rdtype = RdataType.from_text(rest[0])
    try:
        rdata = dns.rdata.from_text(IN, rdtype, " ".join(rest[1:])).to_digestable()
    except (dns.exception.DNSException, ValueError) as error:
        raise ValueError(f"not a {rest[0].upper()} record: {error}") from error
    if rdtype == RdataType.DNSKEY and int.from_bytes(rdata[:2]) & (_ZONE | _REVOKE) != _ZONE:
        raise ValueError(f"flags {int.from_bytes(rdata[:2])} are not those of a zone's key in use")
    return TrustAnchor(from_text(owner), int(rdtype), rdata)
