"""EDNS: the OPT record and the options in it that graydns knows (RFC 6891).

Server cookies (RFC 9018): all servers with the same secret make the same ones. A server cookie is version 1, three
reserved octets, a timestamp (Unix seconds) and a SipHash-2-4 over the client's cookie, these and the client's address.
Secrets have 16 octets.
"""

from __future__ import annotations

import re
import struct
from functools import lru_cache

from siphash24 import siphash24

from graydns.model.client import Subnet
from graydns.model.dns_parameters import OPT
from graydns.model.errors import GraydnsError
from graydns.model.query import Edns
from graydns.wire.message import MalformedMessageError

NSID = 3  # RFC 5001
ECS = 8  # RFC 7871
COOKIE = 10  # RFC 7873
KEEPALIVE = 11  # RFC 7828
PADDING = 12  # RFC 7830
EDE = 15  # RFC 8914
TAGS = 65001  # local use (RFC 6891 section 9): ``key=value`` pairs of a client

#: Octets of an option before its data.
OPTION_HEADER_BYTES = 4

#: Octets over UDP that graydns advertises and sends unless configured otherwise (DNS flag day 2020).
DEFAULT_UDP_PAYLOAD_BYTES = 1232

#: A smaller payload counts as this one (RFC 6891 section 6.2.3).
MIN_UDP_PAYLOAD_BYTES = 512

#: The flag DO in the TTL field of an OPT record (RFC 3225).
DO_FLAG = 0x8000

#: Octets of the longest options whose meaning is cached, and how many are: most clients send the same few every time.
MAX_CACHED_OPTIONS_BYTES, MAX_CACHED_OPTIONS = 64, 4096

#: Bounds of option 65001, all its occurrences in a message taken together.
MAX_TAGS, MAX_TAGS_BYTES = 16, 512

#: An OPT record up to its options: root name, TYPE, payload, TTL, RDLENGTH.
OPT_STRUCT = struct.Struct("!BHHIH")

_OPTION_STRUCT = struct.Struct("!HH")
_SUBNET_STRUCT = struct.Struct("!HBB")
_ADDRESS_BYTES_BY_FAMILY = {1: 4, 2: 16}  # ECS address family -> octets of a whole address
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class BadVersError(GraydnsError):
    """The query uses a version of EDNS other than 0 (RFC 6891 section 6.1.3)."""


def encode_option(code: int, data: bytes) -> bytes:
    """One encoded option."""
    return _OPTION_STRUCT.pack(code, len(data)) + data


def encode_opt_record(payload: int, dnssec_ok: bool, options: bytes = b"", rcode: int = 0) -> bytes:
    """An OPT record of version 0, DO its only flag; it has the upper bits of *rcode*."""
    ttl = rcode >> 4 << 24 | (DO_FLAG if dnssec_ok else 0)
    return OPT_STRUCT.pack(0, OPT, payload, ttl, len(options)) + options


def parse_opt(payload: int, ttl: int, rdata: bytes) -> Edns:
    """The meaning of a query's OPT record: its class, TTL and rdata.

    Unknown flags and options are ignored. A COOKIE option counts only the first time it appears (RFC 7873
    section 5.2); two client subnets are an error. Raises BadVersError before the options are read, as another version
    may encode them differently; and MalformedMessageError.
    """
    return (
        _parse_opt_cached(payload, ttl, rdata)
        if len(rdata) <= MAX_CACHED_OPTIONS_BYTES
        else _parse_opt(payload, ttl, rdata)
    )


def _parse_opt(payload: int, ttl: int, rdata: bytes) -> Edns:
    if ttl >> 16 & 0xFF:
        raise BadVersError(f"EDNS version {ttl >> 16 & 0xFF}")
    payload = max(payload, MIN_UDP_PAYLOAD_BYTES)
    dnssec_ok = ttl & DO_FLAG != 0
    if not rdata:
        return Edns(payload, dnssec_ok)
    options = _split_options(rdata)
    subnet = subnet_wire = cookie = tags = None
    nsid = keepalive = padding = False
    for code, data in options:
        if code == COOKIE:
            cookie = _check_cookie(data) if cookie is None else cookie
        elif code == ECS:
            if subnet_wire is not None:
                raise MalformedMessageError("two client subnets")
            subnet, subnet_wire = parse_client_subnet(data), data
        elif code == TAGS and tags is None:
            tags = b",".join([data for code, data in options if code == TAGS])
        elif code == NSID:
            nsid = True
        elif code == KEEPALIVE:
            keepalive = True
        elif code == PADDING:
            padding = True
    return Edns(payload, dnssec_ok, subnet, subnet_wire, cookie, tags, nsid, keepalive, padding, options)


_parse_opt_cached = lru_cache(maxsize=MAX_CACHED_OPTIONS)(_parse_opt)


def _split_options(rdata: bytes) -> tuple[tuple[int, bytes], ...]:
    options = []
    at, end = 0, len(rdata)
    while at < end:
        if end - at < OPTION_HEADER_BYTES:
            raise MalformedMessageError("an option cut short")
        code, length = _OPTION_STRUCT.unpack_from(rdata, at)
        at += OPTION_HEADER_BYTES + length
        options.append((code, rdata[at - length : at]))
    if at != end:
        raise MalformedMessageError("an option goes past its record")
    return tuple(options)


def _check_cookie(data: bytes) -> bytes:
    if len(data) != 8 and not 16 <= len(data) <= 40:
        raise MalformedMessageError("a cookie of impossible length")  # RFC 7873 section 5.2.2
    return data


def parse_client_subnet(data: bytes) -> Subnet | None:
    """The client subnet of a query (RFC 7871 sections 6 and 7.2.1); raises MalformedMessageError.

    FAMILY 0 with SOURCE PREFIX-LENGTH 0 is accepted, as None: by section 7.1.2 clients that want no address passed on
    set SOURCE to 0; FAMILY is irrelevant then and only SHOULD be that of the transport.
    """
    if len(data) < _SUBNET_STRUCT.size:
        raise MalformedMessageError("a client subnet cut short")
    family, source, scope = _SUBNET_STRUCT.unpack_from(data)
    address = data[_SUBNET_STRUCT.size :]
    if scope:
        raise MalformedMessageError("a client subnet with a scope in a query")
    if not family and not source and not address:
        return None
    width = _ADDRESS_BYTES_BY_FAMILY.get(family)
    if width is None:
        raise MalformedMessageError(f"a client subnet of unknown family {family}")
    if source > width * 8 or len(address) != (source + 7) // 8:
        raise MalformedMessageError("a client subnet whose address does not fit its prefix length")
    if source % 8 and address[-1] & 0xFF >> source % 8:
        raise MalformedMessageError("a client subnet with bits set past its prefix")
    return Subnet(address.ljust(width, b"\0"), source)


def encode_subnet_reply(wire: bytes, scope: int) -> bytes:
    """The client subnet option for a reply: *wire* as in the query, but for the scope (RFC 7871 section 7.2.1)."""
    return b"".join((_OPTION_STRUCT.pack(ECS, len(wire)), wire[:3], bytes((scope,)), wire[4:]))


@lru_cache(maxsize=MAX_CACHED_OPTIONS // 4)
def parse_tags(data: bytes) -> tuple[tuple[str, str], ...] | None:
    """The pairs in the joined data of the 65001 options: UTF-8, ``key=value``, separated by commas.

    A value may be empty and may contain "="; a key neither. None if any of it is malformed, a key is given twice, a
    control character appears, or there are more than 16 pairs or 512 octets: then all of it is ignored.
    """
    if len(data) > MAX_TAGS_BYTES:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    pairs = [pair.partition("=") for pair in text.split(",")]
    if _CONTROL_CHARACTERS.search(text) or len(pairs) > MAX_TAGS or not all(key and equals for key, equals, _ in pairs):
        return None
    tags = {key: value for key, _, value in pairs}
    return tuple(tags.items()) if len(tags) == len(pairs) else None


#: Octets of the client's cookie, with which a COOKIE option begins.
CLIENT_COOKIE_BYTES = 8

_COOKIE_VERSION = b"\1\0\0\0"
_TIMESTAMP_STRUCT = struct.Struct("!I")


def make_cookie(secret: bytes, client_cookie: bytes, source: bytes, now: float) -> bytes:
    """The data of a COOKIE option for the client at *source* (packed address): its cookie (8 octets) and ours.

    *now*: Unix seconds; 32 bits overflow in 2106.
    """
    head = client_cookie + _COOKIE_VERSION + _TIMESTAMP_STRUCT.pack(int(now) & 0xFFFFFFFF)
    digest: bytes = siphash24(head + source, key=secret).digest()
    return head + digest
