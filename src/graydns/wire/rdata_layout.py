"""The layout of rdata: names that may be compressed, by type; and the fields of an RRSIG (RFC 4034 section 3.1).

RRSIGs are read by hand: every RRset of a signed answer has one, and dnspython takes longer to parse it than OpenSSL to
verify it.
"""

from __future__ import annotations

import struct

from graydns.wire.message import MAX_NAME_BYTES, MalformedMessageError, NameReader

#: Types whose names may be compressed (RFC 3597 section 4) and are lowered before they are signed (RFC 4034 section
#: 6.2): octets before them, how many there are, octets after them. NS, MD, MF, CNAME, SOA, MB, MG, MR, PTR, MINFO, MX,
#: RP, AFSDB, RT, PX, SRV, KX, DNAME. Every other type but NAPTR is signed as it is, NSEC included (RFC 6840 section
#: 5.1).
NAME_LAYOUT_BY_TYPE = {
    2: (0, 1, 0),
    3: (0, 1, 0),
    4: (0, 1, 0),
    5: (0, 1, 0),
    6: (0, 2, 20),
    7: (0, 1, 0),
    8: (0, 1, 0),
    9: (0, 1, 0),
    12: (0, 1, 0),
    14: (0, 2, 0),
    15: (2, 1, 0),
    17: (0, 2, 0),
    18: (2, 1, 0),
    21: (2, 1, 0),
    26: (2, 2, 0),
    33: (6, 1, 0),
    36: (2, 1, 0),
    39: (0, 1, 0),
}


def canonicalize_rdata(message: bytes, names: NameReader, rdtype: int, at: int, end: int) -> bytes:
    """The rdata ``message[at:end]`` of a type in NAME_LAYOUT_BY_TYPE with its names decompressed and lowered. Raises
    MalformedMessageError."""
    before, count, after = NAME_LAYOUT_BY_TYPE[rdtype]
    parts = [message[at : at + before]]
    at += before
    for _ in range(count):
        name, at = names.read(at)
        parts.append(name)
    if at + after != end:
        raise MalformedMessageError(f"rdata of type {rdtype} is too long or too short")
    parts.append(message[at:end])
    return b"".join(parts)


#: Type covered, algorithm, labels, original TTL, expiration, inception, key tag: the fields before the signer.
RRSIG_STRUCT = struct.Struct("!HBBIIIH")

#: Half of the range of serial numbers (RFC 1982).
_SERIAL_HALF = 1 << 31


def read_type_covered(data: bytes, at: int) -> int:
    """The type that the RRSIG whose rdata start at *at* covers."""
    return data[at] << 8 | data[at + 1]


def read_expiration(data: bytes, at: int) -> int:
    """When the RRSIG whose rdata start at *at* expires: a serial number, of Unix seconds."""
    found: int = RRSIG_STRUCT.unpack_from(data, at)[4]
    return found


def subtract_serials(one: int, other: int) -> int:
    """Seconds by which *one* is after *other*, negative if before: times of signatures wrap around (RFC 1982).

    Of the times that a serial number may mean, the one nearest to the other is taken (RFC 4034 section 3.1.5).
    """
    return (one - other + _SERIAL_HALF) % (2 * _SERIAL_HALF) - _SERIAL_HALF


def read_signer(data: bytes, at: int, end: int) -> tuple[bytes, int]:
    """The signer of the RRSIG with rdata ``data[at:end]``, wire form, lowered; and where its signature starts.

    A signer is never compressed (RFC 4034 section 3.1.7). Raises MalformedMessageError.
    """
    name = past = at + RRSIG_STRUCT.size
    try:
        while 0 < (length := data[past]) < 64:
            past += length + 1
    except IndexError:
        raise MalformedMessageError("an RRSIG goes past the end") from None
    past += 1
    if length or past > end or past - name > MAX_NAME_BYTES:
        raise MalformedMessageError("the signer of an RRSIG is no name")
    return data[name:past].lower(), past
