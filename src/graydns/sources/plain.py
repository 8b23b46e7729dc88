"""The short way for plain lines of a zone file: one record, no parentheses, no escapes, its owner in plain ASCII.

Nearly all lines of a large zone are such. dnspython's reader goes through a line character by character (some 40 µs a
record); here one regular expression takes it apart, and dnspython turns the rdata into wire form. Whatever is not
plainly right is left to the reader, errors too, so that there is one judge of what a line means.
"""

from __future__ import annotations

import re
import socket

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from dns.rdatatype import RdataType

from graydns.model.dns_parameters import AAAA, SOA, A

#: Owner (empty: as before), TTL before or after the class, type, rdata; a comment may follow.
LINE = re.compile(
    r"(@|[A-Za-z0-9_*/.-]*)[ \t]+(?:([0-9]{1,10})[ \t]+)?(?:[Ii][Nn][ \t]+)?(?:([0-9]{1,10})[ \t]+)?"
    r'([A-Za-z][A-Za-z0-9-]*)[ \t]+((?:[^"();\\\x00-\x08\x0a-\x1f\x7f-\U0010ffff]++|"[ !#-\[\]-~]*+")++)(?:;.*)?'
)

_NAME = re.compile(r"@|[A-Za-z0-9_*/.-]+")

#: Rdata remembered by its text: in a zone full of mail hosts or service bindings the same few come again and again.
_REMEMBERED = 65_536

_LENGTHS = tuple(bytes((length,)) for length in range(64))

#: The C library reads addresses as strictly as dnspython, ten times as fast; what it refuses, dnspython judges.
_FAMILIES = {A: socket.AF_INET, AAAA: socket.AF_INET6}

#: Types whose rdata is one name.
_NAMES = frozenset((RdataType.NS, RdataType.CNAME, RdataType.PTR, RdataType.DNAME))


def name_wire(text: str, origin: bytes) -> bytes | None:
    """The wire form of a name in characters that need no escape, letter case kept; None if it is no name."""
    if text == "@":
        return origin
    labels, tail = text.split("."), origin
    if not labels[-1]:
        labels.pop()
        tail = b"\0"
    try:
        if len(labels) == 1:
            wire = _LENGTHS[len(labels[0])] + labels[0].encode() + tail
        else:
            wire = b"".join([_LENGTHS[len(label)] + label.encode() for label in labels]) + tail
    except IndexError:
        return None
    return wire if len(wire) <= 255 and labels and "" not in labels else None


class PlainRdata:
    """Rdata in wire form from its text, remembered; relative names end in the *origin* last set."""

    def __init__(self) -> None:
        self._origin = dns.name.root
        self._origin_wire = b"\0"
        self._types: dict[str, int] = {}
        self._known: dict[tuple[int, str], bytes] = {}

    def set_origin(self, origin: dns.name.Name) -> None:
        """Relative names are relative to *origin* from here on."""
        self._origin = origin
        self._origin_wire = origin.to_wire() or b""
        self._known.clear()

    def type_of(self, mnemonic: str) -> int:
        """The type a mnemonic means; 0 for SOA, which sets defaults, and for what is no type of records."""
        try:
            return self._types[mnemonic]
        except KeyError:
            rdtype = self._types[mnemonic] = _rdtype(mnemonic)
            return rdtype

    def wire(self, rdtype: int, text: str) -> bytes:
        """Raises ``dns.exception.DNSException``, ValueError or OSError for text that the type does not allow."""
        if (family := _FAMILIES.get(rdtype)) is not None:
            return socket.inet_pton(family, text)
        if rdtype in _NAMES and _NAME.fullmatch(text) and (name := name_wire(text, self._origin_wire)):
            return name
        key = rdtype, text
        if (wire := self._known.get(key)) is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            wire = self._known[key] = _wire(rdtype, text, self._origin)
        return wire


def _wire(rdtype: int, text: str, origin: dns.name.Name) -> bytes:
    rdata = dns.rdata.from_text(dns.rdataclass.IN, RdataType.make(rdtype), text, origin, relativize=False)
    return rdata.to_wire() or b""


def _rdtype(mnemonic: str) -> int:
    try:
        rdtype = dns.rdatatype.from_text(mnemonic)
    except (dns.exception.DNSException, ValueError):
        return 0
    return 0 if rdtype == SOA or dns.rdatatype.is_metatype(rdtype) else int(rdtype)
