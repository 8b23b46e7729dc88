"""The fixed parts of a message: header fields and flags (RFC 1035 section 4.1)."""

from __future__ import annotations

import struct

#: ID, flags, QDCOUNT, ANCOUNT, NSCOUNT, ARCOUNT.
HEADER = struct.Struct("!6H")

#: TYPE, CLASS, TTL, RDLENGTH of a record, after its owner name.
FIXED = struct.Struct("!HHIH")

#: QTYPE, QCLASS of a question, after its name.
QUESTION = struct.Struct("!HH")

#: Where the question's name starts.
START = HEADER.size

QR = 0x8000
OPCODE = 0x7800
AA = 0x0400
TC = 0x0200
RD = 0x0100
RA = 0x0080
AD = 0x0020  # RFC 4035 section 3.2.3
CD = 0x0010  # RFC 4035 section 3.2.2

#: The largest encoded name, in octets (RFC 1035 section 3.1).
LONGEST_NAME = 255
