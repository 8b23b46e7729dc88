"""RRsets with their signatures, read from the body of an Answer, in the canonical form that was signed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import dns.exception
import dns.rdata
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType

from graydns.model.rrtype import RRSIG
from graydns.wire import rrsig
from graydns.wire.header import START
from graydns.wire.layout import NAMES, plain
from graydns.wire.walk import Malformed, Names, records

#: Has strings before its name.
_NAPTR = 35

#: A TTL with the highest bit set counts as 0 (RFC 2181 section 8).
_LARGEST_TTL = 0x7FFFFFFF


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


#: Section, owner, type.
Place = tuple[int, bytes, int]


class RRset(NamedTuple):
    """Records of one owner and type.

    *section*: as in ``model.answer``. *owner*: wire form, lowered. *ttl*: seconds, as received, the lowest. *rdatas*:
    canonical (RFC 4034 section 6.2, RFC 6840 section 5.1), sorted, none twice.
    """

    section: int
    owner: bytes
    rdtype: int
    rdclass: int
    ttl: int
    rdatas: tuple[bytes, ...]
    signatures: tuple[Signature, ...] = ()

    @property
    def place(self) -> Place:
        """Where it is in its answer."""
        return self.section, self.owner, self.rdtype


def read(
    qname: bytes, question_size: int, body: bytes, counts: tuple[int, int, int], qtype: int = 0
) -> tuple[RRset, ...]:
    """The RRsets of a *body* that follows a question of *question_size* octets for *qname*, in order of appearance.

    A signature goes to the RRset of its section, owner and class that it covers, and nowhere without one. Where *qtype*
    is RRSIG, those of the answer section are an RRset too, which nothing signs. *counts*: as in the header of the
    message. Raises Malformed.
    """
    message = b"".join((bytes(START), qname, bytes(question_size - len(qname)), body))
    names = Names(message)
    found: dict[tuple[int, bytes, int, int], tuple[list[bytes], list[int]]] = {}
    signatures: dict[tuple[int, bytes, int, int], list[Signature]] = {}
    for section, owner, rdtype, rdclass, ttl, _, at, end, _ in records(message, START + question_size, counts, names):
        if ttl > _LARGEST_TTL:
            ttl = 0
        if rdtype == RRSIG:
            signature = _signature(message, at, end, ttl)
            signatures.setdefault((section, owner, signature.covered, rdclass), []).append(signature)
            if qtype != RRSIG or section:
                continue
            rdata = signature.signed + signature.octets
        elif rdtype in NAMES:
            rdata = plain(message, names, rdtype, at, end)
        elif rdtype == _NAPTR:
            rdata = _naptr(message, rdclass, at, end)
        else:
            rdata = message[at:end]
        key = (section, owner, rdtype, rdclass)
        if key in found:
            rdatas, ttls = found[key]
            rdatas.append(rdata)
            ttls.append(ttl)
        else:
            found[key] = [rdata], [ttl]
    return tuple(
        [
            RRset(*key, min(ttls), _sorted(rdatas), tuple(signatures.get(key, ())))
            for key, (rdatas, ttls) in found.items()
        ]
    )


def find(rrsets: Iterable[RRset], owner: bytes, rdtype: int) -> RRset | None:
    """The first RRset of *owner* and *rdtype*."""
    for rrset in rrsets:
        if rrset.rdtype == rdtype and rrset.owner == owner:
            return rrset
    return None


def _sorted(rdatas: list[bytes]) -> tuple[bytes, ...]:
    return tuple(rdatas) if len(rdatas) == 1 else tuple(sorted(set(rdatas)))


def _signature(message: bytes, at: int, end: int, ttl: int) -> Signature:
    """The RRSIG whose rdata is ``message[at:end]``."""
    signer, past = rrsig.signer(message, at, end)
    covered, algorithm, labels, original_ttl, expiration, inception, tag = rrsig.FIXED.unpack_from(message, at)
    octets, signed = message[past:end], message[at : at + rrsig.FIXED.size] + signer
    return Signature(covered, algorithm, labels, original_ttl, expiration, inception, tag, signer, octets, signed, ttl)


def _naptr(message: bytes, rdclass: int, at: int, end: int) -> bytes:
    try:
        return dns.rdata.from_wire(RdataClass(rdclass), RdataType.NAPTR, message, at, end - at).to_digestable()
    except dns.exception.DNSException as error:
        raise Malformed(f"rdata of type NAPTR: {error}") from None
