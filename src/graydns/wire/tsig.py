"""The reply to a query signed with a key that nobody here knows (RFC 8945)."""

from __future__ import annotations

import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from graydns.model.query import Query
from graydns.model.rcode import FORMERR, NOTAUTH
from graydns.model.rrtype import ANY, TSIG
from graydns.wire import edns
from graydns.wire.header import CD, FIXED, HEADER, QR, RD
from graydns.wire.reject import reply
from graydns.wire.walk import Names

_BADKEY = 17


def refuse_key(query: Query, payload: int) -> bytes:
    """The reply to *query*, which has a TSIG record: NOTAUTH and BADKEY, unsigned (sections 5.2.1 and 5.3.2).

    Key, algorithm and time are the asker's. FORMERR if the record makes no sense. *payload*: octets over UDP,
    advertised.
    """
    wire = query.wire
    owner, at = Names(wire).read(query.tsig)
    at += FIXED.size
    try:
        asked = dns.rdata.from_wire(dns.rdataclass.ANY, dns.rdatatype.TSIG, wire, at, len(wire) - at)
    except dns.exception.DNSException:
        return reply(wire, FORMERR, payload)
    rdata = asked.replace(mac=b"", error=_BADKEY, other=b"").to_wire() or b""
    flags = QR | NOTAUTH | (RD if query.recursion_desired else 0) | (CD if query.checking_disabled else 0)
    # A query with OPT is answered with OPT (RFC 6891 section 6.1.1); TSIG stays the last record.
    opt = b"" if query.edns is None else edns.record(payload, query.edns.dnssec_ok)
    tail = opt + owner + FIXED.pack(TSIG, ANY, 0, len(rdata)) + rdata
    return HEADER.pack(query.id, flags, 1, 0, 0, 2 if opt else 1) + query.question + tail
