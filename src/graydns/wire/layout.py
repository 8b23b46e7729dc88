"""Layout: where names lie in rdata, of the types whose names may be compressed."""

from __future__ import annotations

from graydns.wire.walk import Malformed, Names

#: Types whose names may be compressed (RFC 3597 section 4) and are lowered before they are signed (RFC 4034 section
#: 6.2): octets before them, how many there are, octets after them. NS, MD, MF, CNAME, SOA, MB, MG, MR, PTR, MINFO, MX,
#: RP, AFSDB, RT, PX, SRV, KX, DNAME. Every other type but NAPTR is signed as it is, NSEC included (RFC 6840 section
#: 5.1).
NAMES = {
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


def plain(message: bytes, names: Names, rdtype: int, at: int, end: int) -> bytes:
    """The rdata ``message[at:end]`` of one of NAMES with its names decompressed and lowered. Raises Malformed."""
    before, count, after = NAMES[rdtype]
    parts = [message[at : at + before]]
    at += before
    for _ in range(count):
        name, at = names.read(at)
        parts.append(name)
    if at + after != end:
        raise Malformed(f"rdata of type {rdtype} is too long or too short")
    parts.append(message[at:end])
    return b"".join(parts)
