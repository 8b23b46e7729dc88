"""The short way for plain lines of a zone file: one record, no parentheses, no escapes, owner in plain ASCII.

Nearly all lines of a large zone are such. dnspython's reader goes through a line character by character (50 µs a record);
here one regular expression takes it apart, and dnspython turns the rdata into wire form (5 µs). Whatever is not plainly
right is left to the reader, errors too, so that there is one judge of what a line means.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import dns.exception
import dns.ipv4
import dns.ipv6
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from graydns.authority.rrtype import AAAA, SOA, A

#: Owner (empty: as before), TTL and class in either order, type, rdata without a trailing comment.
LINE = re.compile(
    r"(@|[A-Za-z0-9_*/.-]*)[ \t]+(?:([0-9]{1,10})[ \t]+)?(?:[Ii][Nn][ \t]+)?(?:([0-9]{1,10})[ \t]+)?"
    r'([A-Za-z][A-Za-z0-9-]*)[ \t]+((?:[^"();\\\x00-\x08\x0a-\x1f\x7f-\U0010ffff]++|"[ !#-\[\]-~]*+")++)(?:;.*)?'
)

#: Rdata remembered by its text: in a zone full of delegations or mail hosts the same few come again and again.
_REMEMBERED = 65_536

_LENGTHS = tuple(bytes((length,)) for length in range(64))

#: What dnspython's own classes do for these two, without the object.
_ADDRESSES: dict[int, Callable[[str], bytes]] = {A: dns.ipv4.inet_aton, AAAA: dns.ipv6.inet_aton}


def owner_wire(text: str, origin: bytes) -> bytes | None:
    """The wire form of a plain owner name, lowered; None if it is none."""
    if text == "@":
        return origin
    labels = text.lower().split(".")
    if labels[-1]:
        tail = origin
    else:
        labels.pop()
        tail = b"\0"
    wire = b"".join([_LENGTHS[len(label)] + label.encode() for label in labels if 0 < len(label) < 64]) + tail
    if len(wire) != len(text) + len(tail) + (tail is origin) or len(wire) > 255:
        return None
    return wire


class PlainRdata:
    """Rdata in wire form from its text, remembered. *origin*: completes relative names."""

    def __init__(self) -> None:
        self.origin = dns.name.root
        self._types: dict[str, int] = {}
        self._known: dict[tuple[int, str], bytes] = {}

    def set_origin(self, origin: dns.name.Name) -> None:
        """Relative names are relative to *origin* from here on."""
        self.origin = origin
        self._known.clear()

    def type_of(self, mnemonic: str) -> int:
        """The type a mnemonic means; SOA, which sets defaults, and what is no type of records are 0."""
        try:
            return self._types[mnemonic]
        except KeyError:
            rdtype = self._types[mnemonic] = _rdtype(mnemonic)
            return rdtype

    def wire(self, rdtype: int, text: str) -> bytes:
        """Raises ``dns.exception.DNSException`` or ValueError for text that the type does not allow."""
        if rdtype in _ADDRESSES:
            return _ADDRESSES[rdtype](text)
        key = rdtype, text
        if (wire := self._known.get(key)) is None:
            rdata = dns.rdata.from_text(
                dns.rdataclass.IN, dns.rdatatype.RdataType.make(rdtype), text, self.origin, relativize=False
            )
            wire = rdata.to_wire() or b""
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = wire
        return wire


def _rdtype(mnemonic: str) -> int:
    try:
        rdtype = dns.rdatatype.from_text(mnemonic)
    except (dns.exception.DNSException, ValueError):
        return 0
    return 0 if rdtype == SOA or dns.rdatatype.is_metatype(rdtype) else int(rdtype)
