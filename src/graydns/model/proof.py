"""Proof: what the validator found out about an answer, for its client (RFC 8914) and for an auditor."""

from __future__ import annotations

from enum import Enum, IntEnum

from attrs import evolve, field, frozen


class Security(Enum):
    """RFC 4035 section 4.3."""

    SECURE = "secure"
    INSECURE = "insecure"
    BOGUS = "bogus"
    INDETERMINATE = "indeterminate"


class EdeCode(IntEnum):
    """Why an answer is not secure, as an info code of RFC 8914 section 4."""

    UNSUPPORTED_ALGORITHM = 1
    UNSUPPORTED_DIGEST = 2
    BOGUS = 6
    EXPIRED = 7
    NOT_YET_VALID = 8
    DNSKEY_MISSING = 9
    RRSIGS_MISSING = 10
    NO_ZONE_KEY = 11
    NSEC_MISSING = 12
    ITERATIONS = 27


@frozen
class Signer:
    """The signature that vouches for an answer, or, where one fails, that does not.

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
class Proof:
    """*signer*: None where no signature was involved. *reason* and *ede* (RFC 8914): where the answer is not secure.
    *until*: Unix seconds at which the first of the signatures that it rests on expires, None without any. *since*: when
    the answer came, or the failure, that was judged (monotonic seconds), None = just now; however its TTLs run since.
    """

    security: Security
    signer: Signer | None = None
    reason: str = ""
    ede: int | None = None
    until: int | None = None
    since: float | None = field(default=None, eq=False)

    def beside_ours(self) -> Proof:
        """The Proof of a chain of which a part, found here or further on, is of a zone of ours, which nobody signed."""
        if self.security is not Security.SECURE:
            return self
        return evolve(self, security=Security.INSECURE, reason="a part of the chain is of a zone that is served here")
