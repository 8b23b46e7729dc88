"""EDNS: the OPT record and the options in it that graydns knows (RFC 6891)."""

from __future__ import annotations

import re
import struct
from functools import lru_cache

from graydns.model.errors import GraydnsError
from graydns.model.query import Edns, Subnet
from graydns.model.rrtype import OPT
from graydns.wire.walk import Malformed

NSID = 3  # RFC 5001
ECS = 8  # RFC 7871
COOKIE = 10  # RFC 7873
KEEPALIVE = 11  # RFC 7828
PADDING = 12  # RFC 7830
EDE = 15  # RFC 8914
TAGS = 65001  # local use (RFC 6891 section 9): ``key=value`` pairs of a client

#: Octets of an option before its data.
OPTION_SIZE = 4

#: Octets over UDP that graydns advertises and sends unless configured otherwise (DNS flag day 2020).
DEFAULT_PAYLOAD = 1232

#: A smaller payload counts as this one (RFC 6891 section 6.2.3).
LEAST_PAYLOAD = 512

#: The flag DO in the TTL field of an OPT record (RFC 3225).
DNSSEC_OK = 0x8000

#: Octets of options up to which what they mean is remembered, and how often: most clients write the same few again and
#: again, and one that is told from others by a subnet and a tag always the same.
SHARED, REMEMBERED = 64, 4096

#: Bounds of option 65001, all its occurrences in a message taken together.
MOST_TAGS, MOST_TAG_OCTETS = 16, 512

#: An OPT record up to its options: root name, TYPE, payload, TTL, RDLENGTH.
RECORD = struct.Struct("!BHHIH")

_OPTION = struct.Struct("!HH")
_SUBNET = struct.Struct("!HBB")
_WIDTHS = {1: 4, 2: 16}  # ECS address family -> octets of a whole address
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class BadVersion(GraydnsError):
    """The query speaks a version of EDNS other than 0 (RFC 6891 section 6.1.3)."""


def option(code: int, data: bytes) -> bytes:
    """One encoded option."""
    return _OPTION.pack(code, len(data)) + data


def record(payload: int, dnssec_ok: bool, options: bytes = b"", rcode: int = 0) -> bytes:
    """An OPT record of version 0, DO its only flag; of *rcode* it carries what the header's four bits do not."""
    ttl = rcode >> 4 << 24 | (DNSSEC_OK if dnssec_ok else 0)
    return RECORD.pack(0, OPT, payload, ttl, len(options)) + options


def read(payload: int, ttl: int, rdata: bytes) -> Edns:
    """The meaning of a query's OPT record: its class, TTL and rdata.

    Unknown flags and options mean nothing here. A COOKIE option counts only the first time it appears (RFC 7873
    section 5.2); two client subnets contradict each other. Raises BadVersion before it looks into the options, as
    another version may write them differently; then Malformed.
    """
    return _shared(payload, ttl, rdata) if len(rdata) <= SHARED else _read(payload, ttl, rdata)


def _read(payload: int, ttl: int, rdata: bytes) -> Edns:
    if ttl >> 16 & 0xFF:
        raise BadVersion(f"EDNS version {ttl >> 16 & 0xFF}")
    payload = max(payload, LEAST_PAYLOAD)
    dnssec_ok = ttl & DNSSEC_OK != 0
    if not rdata:
        return Edns(payload, dnssec_ok)
    options = _split(rdata)
    subnet = subnet_wire = cookie = tags = None
    nsid = keepalive = padding = False
    for code, data in options:
        if code == COOKIE:
            cookie = _check_cookie(data) if cookie is None else cookie
        elif code == ECS:
            if subnet_wire is not None:
                raise Malformed("two client subnets")
            subnet, subnet_wire = parse_subnet(data), data
        elif code == TAGS and tags is None:
            tags = b",".join([data for code, data in options if code == TAGS])
        elif code == NSID:
            nsid = True
        elif code == KEEPALIVE:
            keepalive = True
        elif code == PADDING:
            padding = True
    return Edns(payload, dnssec_ok, subnet, subnet_wire, cookie, tags, nsid, keepalive, padding, options)


_shared = lru_cache(maxsize=REMEMBERED)(_read)


def _split(rdata: bytes) -> tuple[tuple[int, bytes], ...]:
    options = []
    at, end = 0, len(rdata)
    while at < end:
        if end - at < OPTION_SIZE:
            raise Malformed("an option cut short")
        code, length = _OPTION.unpack_from(rdata, at)
        at += OPTION_SIZE + length
        options.append((code, rdata[at - length : at]))
    if at != end:
        raise Malformed("an option goes past its record")
    return tuple(options)


def _check_cookie(data: bytes) -> bytes:
    if len(data) != 8 and not 16 <= len(data) <= 40:
        raise Malformed("a cookie of impossible length")  # RFC 7873 section 5.2.2
    return data


def parse_subnet(data: bytes) -> Subnet | None:
    """The client subnet of a query (RFC 7871 sections 6 and 7.2.1); raises Malformed.

    FAMILY 0 with SOURCE PREFIX-LENGTH 0 is taken, as None: section 7.1.2 has clients that want no address passed on
    set SOURCE to 0, and says of FAMILY that it is irrelevant then and only SHOULD be that of the transport.
    """
    if len(data) < _SUBNET.size:
        raise Malformed("a client subnet cut short")
    family, source, scope = _SUBNET.unpack_from(data)
    address = data[_SUBNET.size :]
    if scope:
        raise Malformed("a client subnet with a scope in a query")
    if not family and not source and not address:
        return None
    width = _WIDTHS.get(family)
    if width is None:
        raise Malformed(f"a client subnet of unknown family {family}")
    if source > width * 8 or len(address) != (source + 7) // 8:
        raise Malformed("a client subnet whose address does not fit its prefix length")
    if source % 8 and address[-1] & 0xFF >> source % 8:
        raise Malformed("a client subnet with bits set past its prefix")
    return Subnet(address.ljust(width, b"\0"), source)


def echo_subnet(wire: bytes, scope: int) -> bytes:
    """The client subnet option for a reply: *wire* as it was asked with, but for the scope (RFC 7871 section 7.2.1)."""
    return b"".join((_OPTION.pack(ECS, len(wire)), wire[:3], bytes((scope,)), wire[4:]))


@lru_cache(maxsize=REMEMBERED // 4)
def parse_tags(data: bytes) -> tuple[tuple[str, str], ...] | None:
    """The pairs in the joined data of the 65001 options: UTF-8, ``key=value``, separated by commas.

    A value may be empty and may hold "="; a key may neither. None if any of it is malformed, a key is given twice, a
    control character appears, or there are more than 16 pairs or 512 octets: then none of it counts.
    """
    if len(data) > MOST_TAG_OCTETS:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    pairs = [pair.partition("=") for pair in text.split(",")]
    if _CONTROL.search(text) or len(pairs) > MOST_TAGS or not all(key and equals for key, equals, _ in pairs):
        return None
    tags = {key: value for key, _, value in pairs}
    return tuple(tags.items()) if len(tags) == len(pairs) else None
