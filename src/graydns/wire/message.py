"""The format of a message: header fields and flags (RFC 1035 section 4.1), its records and their names, unchecked.

A compressed name may only point to an offset before its own start, so every chain of pointers ends; each offset is
decompressed once and cached, so the work grows with the length of the message and not with its pointers.

A pointer may not lead into a TTL: the TTL of a cached answer counts down, and the name would become another one after
its signature has been verified.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from graydns.model.errors import GraydnsError
from graydns.model.name import ROOT

#: ID, flags, QDCOUNT, ANCOUNT, NSCOUNT, ARCOUNT.
HEADER_STRUCT = struct.Struct("!6H")

#: TYPE, CLASS, TTL, RDLENGTH of a record, after its owner name.
RECORD_STRUCT = struct.Struct("!HHIH")

#: QTYPE, QCLASS of a question, after its name.
QUESTION_STRUCT = struct.Struct("!HH")

#: Where the question's name starts.
QUESTION_OFFSET = HEADER_STRUCT.size

QR = 0x8000
OPCODE_MASK = 0x7800
AA = 0x0400
TC = 0x0200
RD = 0x0100
RA = 0x0080
AD = 0x0020  # RFC 4035 section 3.2.3
CD = 0x0010  # RFC 4035 section 3.2.2

#: The largest encoded name, in octets (RFC 1035 section 3.1).
MAX_NAME_BYTES = 255


#: Pointers followed for one name. A useful pointer brings at least one label, and a name has at most 127.
_MAX_POINTERS = 127


class MalformedMessageError(GraydnsError):
    """The bytes are no DNS message (RFC 1035 section 4.1)."""


class MessageRecord(NamedTuple):
    """The offsets of a record in a message.

    *section*: ANSWER, AUTHORITY or ADDITIONAL. *owner*: decompressed and lowered. *ttl*: the 32 bits, at
    offset *ttl_at* (for OPT they are flags). The rdata is ``data[rdata_at:rdata_end]``, names in it may be
    compressed (see :meth:`NameReader.read`); *end*: where the next record starts.
    """

    section: int
    owner: bytes
    rdtype: int
    rdclass: int
    ttl: int
    ttl_at: int
    rdata_at: int
    rdata_end: int
    end: int


def records(
    data: bytes, offset: int, counts: tuple[int, int, int], names: NameReader | None = None
) -> Iterator[MessageRecord]:
    """Iterate over the records of message *data* from *offset*, the end of the question. *counts*: of each section.

    *names*: reads the owners; None = one of its own.

    Raises MalformedMessageError at the first that is out of bounds; those yielded before are valid.
    """
    names = names or NameReader(data)
    read, ttls = names.read, names.ttl_offsets
    try:
        for section, count in enumerate(counts):
            for _ in range(count):
                owner, at = read(offset)
                rdtype, rdclass, ttl, size = RECORD_STRUCT.unpack_from(data, at)
                rdata_at = at + RECORD_STRUCT.size
                offset = rdata_at + size
                if offset > len(data):
                    raise MalformedMessageError("rdata goes past the end")
                ttls.append(at + 4)
                yield MessageRecord(section, owner, rdtype, rdclass, ttl, at + 4, rdata_at, offset, offset)
    except struct.error:
        raise MalformedMessageError("a record goes past the end") from None


class NameReader:
    """Reads the names of one message, each offset at most once. *ttl_offsets*: of the TTLs found so far."""

    __slots__ = ("_data", "_known", "ttl_offsets")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._known: dict[int, tuple[bytes, int]] = {}
        self.ttl_offsets: list[int] = []

    def read(self, at: int) -> tuple[bytes, int]:
        """The name at offset *at*, decompressed and lowered, and the offset past it. Raises MalformedMessageError."""
        data = self._data
        try:
            if data[at] >= 0xC0:  # most owners: a pointer to a name that has been read
                target = (data[at] & 0x3F) << 8 | data[at + 1]
                if target < at and (found := self._known.get(target)) is not None:
                    return found[0], at + 2
            elif not data[at]:
                return ROOT, at + 1
            return self._read(at, _MAX_POINTERS)
        except IndexError:
            raise MalformedMessageError("a name goes past the end") from None

    def _read(self, start: int, jumps: int) -> tuple[bytes, int]:
        data, known = self._data, self._known
        at = start
        labels = []
        while 0 < (length := data[at]) < 64 and at not in known:
            labels.append(at)
            at += length + 1
        if at in known:
            tail, end = known[at]
        elif length:
            tail, end = self._follow_pointer(at, start, jumps), at + 2
        else:
            tail, end = ROOT, at + 1
        # Lowering the octets of lengths changes nothing: they are all below "A".
        name = data[start:at].lower() + tail
        if len(name) > MAX_NAME_BYTES:
            raise MalformedMessageError("a name of more than 255 octets")
        for label in labels:
            known[label] = name[label - start :], end
        return name, end

    def _follow_pointer(self, at: int, start: int, jumps: int) -> bytes:
        """The name that the pointer at *at* leads to, in a name that starts at *start*."""
        high, low = self._data[at], self._data[at + 1]
        if high < 0xC0:
            raise MalformedMessageError("a label of unknown type")
        return self.read_pointer_target((high & 0x3F) << 8 | low, start, jumps)

    def read_pointer_target(self, target: int, start: int, jumps: int = _MAX_POINTERS) -> bytes:
        """The name that a pointer to *target* leads to, in a name that starts at *start*. Raises
        MalformedMessageError."""
        if not QUESTION_OFFSET <= target < start:
            raise MalformedMessageError("a pointer that does not point back")
        found = self._known.get(target)
        if found is None:
            if not jumps:
                raise MalformedMessageError("too many pointers in a name")
            found = self._read(target, jumps - 1)
            end, ttls = found[1], self.ttl_offsets
            if end > start or (ttls and (before := bisect_right(ttls, end - 1)) and ttls[before - 1] + 4 > target):
                raise MalformedMessageError("a pointer to what is no name")
            self._known[target] = found
        return found[0]
