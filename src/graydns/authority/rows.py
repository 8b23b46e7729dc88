"""Rows: all RRsets of one owner name in one bytes object.

A zone of a million names is two million bytes objects and nothing else, so that it costs little memory
and nothing to the garbage collector. Per RRset: type u16, TTL u32, number of records u16, then for each record its
length u16 and its rdata, uncompressed. A row may name a type twice while a file is being read (``records``);
``pack`` writes each type once, lowest first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from struct import Struct
from typing import NamedTuple

_HEAD = Struct(">HIH")
_ONE = Struct(">HIHH")
_LENGTH = Struct(">H")


class Stored(NamedTuple):
    """The records of one type at one name: TTL in seconds, rdata in wire form."""

    ttl: int
    rdatas: tuple[bytes, ...]


#: The RRsets of one name by type; empty for an empty non-terminal.
Node = Mapping[int, Stored]


def single(rdtype: int, ttl: int, rdata: bytes) -> bytes:
    """The row of a name with one record. Raises ``struct.error`` for values that no record can have."""
    return _ONE.pack(rdtype, ttl, 1, len(rdata)) + rdata


def pack(node: Node) -> bytes:
    """The row of *node*; raises ``struct.error`` for values that no RRset can have."""
    parts = []
    for rdtype in sorted(node):
        ttl, rdatas = node[rdtype]
        parts.append(_HEAD.pack(rdtype, ttl, len(rdatas)))
        for rdata in rdatas:
            parts += (_LENGTH.pack(len(rdata)), rdata)
    return b"".join(parts)


def rrsets(row: bytes) -> Iterator[tuple[int, Stored]]:
    """What *row* holds, in its order."""
    at, end = 0, len(row)
    while at < end:
        rdtype, ttl, count = _HEAD.unpack_from(row, at)
        at += 8
        rdatas = []
        for _ in range(count):
            start = at + 2
            at = start + (row[at] << 8 | row[at + 1])
            rdatas.append(row[start:at])
        yield rdtype, Stored(ttl, tuple(rdatas))


def unpack(row: bytes) -> dict[int, Stored]:
    """The node of a row in which each type stands once."""
    return dict(rrsets(row))
