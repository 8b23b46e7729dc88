"""Headers and tails of queries that the frontend answers without a full parse.

Nearly all queries end, after the question, in nothing, in an OPT record without options, or in one whose only
option is a client subnet. The first 19 octets of that tail fix everything about it but the subnet's address, and
a server meets few of them, so what they mean is worked out once. A client with tags sends the same tail every
time; such tails are cached whole. What has no TailShape is parsed by ``wire.parse``.
"""

from __future__ import annotations

import struct

from graydns.fast.client_counter import CLIENT_SUBNET_BITS
from graydns.fast.hot_entry import AD_BIT, OPT_BIT, RD_BIT
from graydns.model.dns_parameters import OPT
from graydns.model.query import Edns
from graydns.wire import edns
from graydns.wire.edns import BadVersError
from graydns.wire.message import MalformedMessageError

#: Octets of the tail that are the key of a shape: an OPT record up to the address of a client subnet.
SHAPE_KEY_BYTES = 19

#: Offset in the tail of the data of a client subnet option, if it is the only option.
SUBNET_OFFSET = 15

#: Shapes cached; clients can make up any number, so the table is cleared when it is full.
MAX_SHAPES = 2048

#: Octets of the longest tail with tags that is cached.
MAX_TAGGED_TAIL_BYTES = 128

_CD_BIT = 8
_TAGS_CODE = edns.TAGS.to_bytes(2, "big")

_OPT_STRUCT = struct.Struct("!BHHBBHH")
_SUBNET_STRUCT = struct.Struct("!HHHBB")


def _enumerate_headers() -> dict[bytes, int]:
    headers = {}
    for bits in range(16):
        flags = (1 if bits & RD_BIT else 0, (0x20 if bits & AD_BIT else 0) | (0x10 if bits & _CD_BIT else 0))
        headers[bytes((*flags, 0, 1, 0, 0, 0, 0, 0, 1 if bits & OPT_BIT else 0))] = bits
    return headers


#: Header octets 2 to 11 of the queries with a TailShape, to their RD | OPT | AD | CD bits.
KNOWN_HEADERS = _enumerate_headers()


class TailShape:
    """The meaning of a query's tail.

    *opt*: whether there is an OPT record (as OPT_BIT of ``hot_entry``). *question_table*: 1 for OPT, 2 for DO.
    *length*: octets of the whole tail. *limit*: octets the client takes over UDP. *flags*: table index bit for DO.
    *reply_opt*: OPT record of the reply; if *family* is 4 or 6 (0: no subnet), up to before the scope octet. *prefix*:
    SOURCE PREFIX-LENGTH. *host_bits_mask*: bits of the last octet that must be 0. *address_padding*: zero octets that
    complete the address. *is_counting_key*: whether the subnet is no longer than those that are counted
    (``client_counter``). *tagged*: None, or the options of a tail with tags; *address*: then, that of its subnet.
    """

    __slots__ = (
        "address",
        "address_padding",
        "family",
        "flags",
        "host_bits_mask",
        "is_counting_key",
        "length",
        "limit",
        "opt",
        "prefix",
        "question_table",
        "reply_opt",
        "tagged",
    )

    def __init__(self, opt: int, length: int, limit: int, flags: int, reply: bytes) -> None:
        self.opt, self.length, self.limit, self.flags, self.reply_opt = opt, length, limit, flags, reply
        self.question_table = opt >> 1 | flags
        self.family = self.prefix = self.host_bits_mask = 0
        self.address = self.address_padding = b""
        self.is_counting_key = True
        self.tagged: Edns | None = None


def parse_tail_shape(head: bytes, payload: int) -> TailShape | None:
    """The TailShape that a tail with these first octets has, None if only a full parse can tell.

    *payload*: octets that this server sends at most over UDP, and advertises.
    """
    if not head:
        return TailShape(0, 0, edns.MIN_UDP_PAYLOAD_BYTES, 0, b"")
    if len(head) not in (11, SHAPE_KEY_BYTES):
        return None
    root, rdtype, size, rcode, version, flags, length = _OPT_STRUCT.unpack_from(head)
    if root or rdtype != OPT or rcode or version:
        return None
    dnssec_ok = flags & 0x8000
    limit = min(max(size, edns.MIN_UDP_PAYLOAD_BYTES), payload)
    reply = _OPT_STRUCT.pack(0, OPT, payload, 0, 0, dnssec_ok, length)
    shape = TailShape(2, 11 + length, limit, 2 if dnssec_ok else 0, reply)
    if len(head) == 11:
        return None if length else shape
    code, octets, family, prefix, scope = _SUBNET_STRUCT.unpack_from(head, 11)
    width = {1: 4, 2: 16}.get(family, 0)
    if code != edns.ECS or scope or not width or prefix > width * 8:
        return None
    if octets != 4 + (prefix + 7) // 8 or length != 4 + octets:
        return None
    shape.reply_opt = reply + head[11:18]
    shape.family = 4 if width == 4 else 6
    shape.prefix = prefix
    shape.host_bits_mask = 0xFF >> (prefix % 8) if prefix % 8 else 0
    shape.is_counting_key = prefix <= CLIENT_SUBNET_BITS[family]
    shape.address_padding = bytes(width - (octets - 4))
    return shape


def parse_tagged_tail(tail: bytes, payload: int) -> TailShape | None:
    """The TailShape of this whole *tail*, which has tags and perhaps a client subnet; None for all others.

    *payload*: as for :func:`parse_tail_shape`.
    """
    if _TAGS_CODE not in tail or not _OPT_STRUCT.size <= len(tail) <= MAX_TAGGED_TAIL_BYTES:
        return None
    root, rdtype, size, rcode, version, flags, length = _OPT_STRUCT.unpack_from(tail)
    if root or rdtype != OPT or rcode or length != len(tail) - _OPT_STRUCT.size:
        return None
    try:
        options = edns.parse_opt(size, version << 16 | flags, tail[_OPT_STRUCT.size :])
    except (MalformedMessageError, BadVersError):
        return None
    subnet_wire = options.subnet_wire
    if options.tags is None or not edns.parse_tags(options.tags):
        return None
    if any(code not in (edns.ECS, edns.TAGS) for code, _ in options.options):
        return None
    if (subnet_wire is None) != (options.subnet is None):
        return None
    dnssec_ok = flags & 0x8000
    reply = _OPT_STRUCT.pack(
        0, OPT, payload, 0, 0, dnssec_ok, 0 if subnet_wire is None else edns.OPTION_HEADER_BYTES + len(subnet_wire)
    )
    shape = TailShape(2, len(tail), min(options.payload, payload), 2 if dnssec_ok else 0, reply)
    shape.tagged = options
    if subnet_wire is not None and options.subnet is not None:
        shape.reply_opt = reply + edns.encode_option(edns.ECS, subnet_wire)[:7]
        shape.family = 4 if len(options.subnet.address) == 4 else 6
        shape.prefix, shape.address = options.subnet.prefix, subnet_wire[4:]
    return shape
