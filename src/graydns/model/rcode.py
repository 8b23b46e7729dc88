"""Response codes (RFC 1035 section 4.1.1, RFC 2136 section 2.2, RFC 6891 section 9), as plain integers."""

from __future__ import annotations

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, YXDOMAIN, NOTAUTH = 0, 1, 2, 3, 4, 5, 6, 9
BADVERS = 16
