"""Proof: what the validator found out about an answer, for its client (RFC 8914) and for an auditor.

Trust anchors as a user writes them: records in presentation format.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import dns.exception
import dns.rdata
from attrs import evolve, field, frozen
from dns.rdataclass import IN
from dns.rdatatype import RdataType

from graydns.model.name import from_text


class Security(Enum):
    """RFC 4035 section 4.3."""

    SECURE = "secure"
    INSECURE = "insecure"
    BOGUS = "bogus"
    INDETERMINATE = "indeterminate"


@frozen
class RrsigInfo:
    """The signature of an answer, or the one that fails.

    *zone*: wire form, lowered. *tag*: of the key (RFC 4034 appendix B). *ttl*: seconds, of the RRSIG. *expiration*,
    *inception*: Unix seconds.
    """

    zone: bytes
    tag: int
    algorithm: int
    ttl: int
    expiration: int
    inception: int = 0


@frozen
class ValidationStatus:
    """*signer*: None where no signature was involved. *reason* and *ede* (RFC 8914): where the answer is not secure.
    *expires_at*: Unix seconds at which the first of the signatures that it rests on expires, None without any. *since*:
    when the answer came, or the failure, that was judged (monotonic seconds), None = just now; however its TTLs run
    since.
    """

    security: Security
    signer: RrsigInfo | None = None
    reason: str = ""
    ede: int | None = None
    expires_at: int | None = None
    since: float | None = field(default=None, eq=False)

    def with_unsigned_part(self) -> ValidationStatus:
        """The ValidationStatus of a chain of which a part, found here or further on, is of a zone of ours, which is not
        signed."""
        if self.security is not Security.SECURE:
            return self
        return evolve(self, security=Security.INSECURE, reason="a part of the chain is of a zone that is served here")


_ANCHOR_TYPES = ("DS", "DNSKEY")

#: Flags of a DNSKEY (RFC 4034 section 2.1.1, RFC 5011 section 7).
ZONE_KEY_FLAG, REVOKE_FLAG = 0x0100, 0x0080


class TrustAnchor(NamedTuple):
    """A DS or DNSKEY record of *zone* (wire form, lowered); *rdata*: canonical."""

    zone: bytes
    rdtype: int
    rdata: bytes


def parse_trust_anchor(text: str) -> TrustAnchor:
    """A record such as ``test. IN DS 12345 13 2 …``; its TTL and class may be missing. Raises ValueError."""
    owner, *rest = text.split(";", 1)[0].split() or [""]
    for _ in range(2):
        if rest and (rest[0].isdecimal() or rest[0].upper() == "IN"):
            del rest[0]
    if len(rest) < 2 or rest[0].upper() not in _ANCHOR_TYPES:
        raise ValueError("neither a DS nor a DNSKEY record")
    rdtype = RdataType.from_text(rest[0])
    try:
        rdata = dns.rdata.from_text(IN, rdtype, " ".join(rest[1:])).to_digestable()
    except (dns.exception.DNSException, ValueError) as error:
        raise ValueError(f"not a {rest[0].upper()} record: {error}") from error
    if rdtype == RdataType.DNSKEY and int.from_bytes(rdata[:2]) & (ZONE_KEY_FLAG | REVOKE_FLAG) != ZONE_KEY_FLAG:
        raise ValueError(f"flags {int.from_bytes(rdata[:2])} are not those of a zone's key in use")
    return TrustAnchor(from_text(owner), int(rdtype), rdata)
