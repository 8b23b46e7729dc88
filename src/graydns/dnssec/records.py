"""RRsets with their signatures, read from the body of an Answer, in the canonical form that was signed."""

from __future__ import annotations

from typing import NamedTuple


class Signature(NamedTuple):
    """An RRSIG (RFC 4034 section 3).

    *signed*: its rdata up to the signature, signer lowered: what the signature begins with. *signer*: wire form,
    lowered. *ttl*: seconds, of the RRSIG record itself.
    """

    covered: int
    algorithm: int
    labels: int
    original_ttl: int
    expiration: int
    inception: int
    tag: int
    signer: bytes
    octets: bytes
    signed: bytes
    ttl: int


class RRset(NamedTuple):
    """Records of one owner and type.

    *section*: as in ``model.answer``. *owner*: wire form, lowered. *ttl*: seconds, as received. *rdatas*: canonical
    (RFC 4034 section 6.2, RFC 6840 section 5.1), sorted, none twice.
    """

    section: int
    owner: bytes
    rdtype: int
    rdclass: int
    ttl: int
    rdatas: tuple[bytes, ...]
    signatures: tuple[Signature, ...] = ()
