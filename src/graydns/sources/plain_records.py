"""The short way for plain lines of a zone file: one record, no parentheses, no escapes, its owner in plain ASCII.

Nearly all lines of a large zone are such. dnspython's reader goes through a line character by character (some 40 µs a
record); here one regular expression takes it apart, and dnspython turns the rdata into wire form. Whatever is not
plainly right is left to the reader, errors too, so that one parser decides what a line means.
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
PLAIN_LINE_PATTERN = re.compile(
    r"(@|[A-Za-z0-9_*/.-]*)[ \t]+(?:([0-9]{1,10})[ \t]+)?(?:[Ii][Nn][ \t]+)?(?:([0-9]{1,10})[ \t]+)?"
    r'([A-Za-z][A-Za-z0-9-]*)[ \t]+((?:[^"();\\\x00-\x08\x0a-\x1f\x7f-\U0010ffff]++|"[ !#-\[\]-~]*+")++)(?:;.*)?'
)

_PLAIN_NAME_PATTERN = re.compile(r"@|[A-Za-z0-9_*/.-]+")

#: Rdata remembered by its text: in a zone full of mail hosts or service bindings the same few come again and again.
_MAX_CACHED_RDATA = 65_536

_LENGTH_OCTETS = tuple(bytes((length,)) for length in range(64))

#: The C library reads addresses as strictly as dnspython, ten times as fast; what it refuses, dnspython checks.
_ADDRESS_FAMILIES = {A: socket.AF_INET, AAAA: socket.AF_INET6}

#: Types whose rdata is one name.
_NAME_RDTYPES = frozenset((RdataType.NS, RdataType.CNAME, RdataType.PTR, RdataType.DNAME))


def parse_plain_name(text: str, origin: bytes) -> bytes | None:
    """The wire form of a name in characters that need no escape, letter case kept; None if it is no name."""
    if text == "@":
        return origin
    labels, tail = text.split("."), origin
    if not labels[-1]:
        labels.pop()
        tail = b"\0"
    try:
        if len(labels) == 1:
            wire = _LENGTH_OCTETS[len(labels[0])] + labels[0].encode() + tail
        else:
            wire = b"".join([_LENGTH_OCTETS[len(label)] + label.encode() for label in labels]) + tail
    except IndexError:
        return None
    return wire if len(wire) <= 255 and labels and "" not in labels else None


class PlainRdataParser:
    """Rdata in wire form from its text, remembered; relative names end in the *origin* last set."""

    def __init__(self) -> None:
        self._origin = dns.name.root
        self._origin_wire = b"\0"
        self._types: dict[str, int] = {}
        self._rdata_cache: dict[tuple[int, str], bytes] = {}

    def set_origin(self, origin: dns.name.Name) -> None:
        """Relative names are relative to *origin* from here on."""
        self._origin = origin
        self._origin_wire = origin.to_wire() or b""
        self._rdata_cache.clear()

    def parse_rdtype(self, mnemonic: str) -> int:
        """The type a mnemonic means; 0 for SOA, which sets defaults, and for what is no type of records."""
        try:
            return self._types[mnemonic]
        except KeyError:
            rdtype = self._types[mnemonic] = _parse_rdtype(mnemonic)
            return rdtype

    def parse_rdata(self, rdtype: int, text: str) -> bytes:
        """Raises ``dns.exception.DNSException``, ValueError or OSError for text that the type does not allow."""
        if (family := _ADDRESS_FAMILIES.get(rdtype)) is not None:
            return socket.inet_pton(family, text)
        if (
            rdtype in _NAME_RDTYPES
            and _PLAIN_NAME_PATTERN.fullmatch(text)
            and (name := parse_plain_name(text, self._origin_wire))
        ):
            return name
        key = rdtype, text
        if (wire := self._rdata_cache.get(key)) is None:
            if len(self._rdata_cache) >= _MAX_CACHED_RDATA:
                self._rdata_cache.clear()
            wire = self._rdata_cache[key] = _parse_with_dnspython(rdtype, text, self._origin)
        return wire


def _parse_with_dnspython(rdtype: int, text: str, origin: dns.name.Name) -> bytes:
    rdata = dns.rdata.from_text(dns.rdataclass.IN, RdataType.make(rdtype), text, origin, relativize=False)
    return rdata.to_wire() or b""


def _parse_rdtype(mnemonic: str) -> int:
    try:
        rdtype = dns.rdatatype.from_text(mnemonic)
    except (dns.exception.DNSException, ValueError):
        return 0
    return 0 if rdtype == SOA or dns.rdatatype.is_metatype(rdtype) else int(rdtype)
