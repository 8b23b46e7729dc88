"""DNS parameters as plain integers: response codes, the record types that the code treats specially, the class IN.

Response codes: RFC 1035 section 4.1.1, RFC 2136 section 2.2, RFC 6891 section 9.
"""

from __future__ import annotations

import dns.rcode
import dns.rdatatype
from dns.rdatatype import RdataType

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, YXDOMAIN, NOTAUTH = 0, 1, 2, 3, 4, 5, 6, 9
BADVERS = 16

#: The largest TTL; one with the highest bit set counts as 0 (RFC 2181 section 8).
MAX_TTL_SECONDS = (1 << 31) - 1


A = int(RdataType.A)
NS = int(RdataType.NS)
CNAME = int(RdataType.CNAME)
SOA = int(RdataType.SOA)
MX = int(RdataType.MX)
TXT = int(RdataType.TXT)
AAAA = int(RdataType.AAAA)
SRV = int(RdataType.SRV)
DNAME = int(RdataType.DNAME)
DS = int(RdataType.DS)
RRSIG = int(RdataType.RRSIG)
NSEC = int(RdataType.NSEC)
DNSKEY = int(RdataType.DNSKEY)
NSEC3 = int(RdataType.NSEC3)
SVCB = int(RdataType.SVCB)
HTTPS = int(RdataType.HTTPS)
OPT = int(RdataType.OPT)
TSIG = int(RdataType.TSIG)
IXFR = int(RdataType.IXFR)
AXFR = int(RdataType.AXFR)
ANY = int(RdataType.ANY)

#: Of a name that is not there, in the bitmap of an NSEC (RFC 9824).
NXNAME = 128

#: The class that every zone of ours has.
IN = 1

#: Types that a service's version or a rule's records own at their name: one it lacks is NODATA, never the zone's.
SERVICE_RDTYPES = frozenset((A, AAAA, CNAME))


def format_rdtype(qtype: int) -> str:
    """The mnemonic of a record type; ``TYPE65280`` for one without (RFC 3597)."""
    return dns.rdatatype.to_text(dns.rdatatype.RdataType.make(qtype))


def format_rcode(rcode: int) -> str:
    """The mnemonic of a response code."""
    return dns.rcode.to_text(dns.rcode.Rcode.make(rcode))
