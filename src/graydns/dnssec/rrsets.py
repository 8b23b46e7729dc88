"""RRsets with their signatures, read from the body of an Answer, in the canonical form that was signed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import dns.exception
import dns.rdata
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType

from graydns.model.dns_parameters import MAX_TTL_SECONDS, RRSIG
from graydns.wire import rdata_layout
from graydns.wire.message import QUESTION_OFFSET, MalformedMessageError, NameReader, records
from graydns.wire.rdata_layout import NAME_LAYOUT_BY_TYPE, canonicalize_rdata

#: Has strings before its name.
_NAPTR = 35


class RrsigRecord(NamedTuple):
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
RRsetPosition = tuple[int, bytes, int]


class SignedRRset(NamedTuple):
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
    signatures: tuple[RrsigRecord, ...] = ()

    @property
    def position(self) -> RRsetPosition:
        """Where it is in its answer."""
        return self.section, self.owner, self.rdtype


def parse_rrsets(
    qname: bytes, question_size: int, body: bytes, counts: tuple[int, int, int], qtype: int = 0
) -> tuple[SignedRRset, ...]:
    """The SignedRRsets of a *body* that follows a question of *question_size* octets for *qname*, in order of
    appearance.

    A signature goes to the SignedRRset of its section, owner and class that it covers, and nowhere without one. Where
    *qtype* is RRSIG, those of the answer section are a SignedRRset too, which nothing signs. *counts*: as in the header
    of the message. Raises MalformedMessageError.
    """
    message = b"".join((bytes(QUESTION_OFFSET), qname, bytes(question_size - len(qname)), body))
    names = NameReader(message)
    found: dict[tuple[int, bytes, int, int], tuple[list[bytes], list[int]]] = {}
    signatures: dict[tuple[int, bytes, int, int], list[RrsigRecord]] = {}
    for section, owner, rdtype, rdclass, ttl, _, at, end, _ in records(
        message, QUESTION_OFFSET + question_size, counts, names
    ):
        if ttl > MAX_TTL_SECONDS:
            ttl = 0
        if rdtype == RRSIG:
            signature = _parse_rrsig(message, at, end, ttl)
            signatures.setdefault((section, owner, signature.covered, rdclass), []).append(signature)
            if qtype != RRSIG or section:
                continue
            rdata = signature.signed + signature.octets
        elif rdtype in NAME_LAYOUT_BY_TYPE:
            rdata = canonicalize_rdata(message, names, rdtype, at, end)
        elif rdtype == _NAPTR:
            rdata = _canonical_naptr(message, rdclass, at, end)
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
            SignedRRset(*key, min(ttls), _canonical_rdatas(rdatas), tuple(signatures.get(key, ())))
            for key, (rdatas, ttls) in found.items()
        ]
    )


def find_rrset(rrsets: Iterable[SignedRRset], owner: bytes, rdtype: int) -> SignedRRset | None:
    """The first RRset of *owner* and *rdtype*."""
    for rrset in rrsets:
        if rrset.rdtype == rdtype and rrset.owner == owner:
            return rrset
    return None


def _canonical_rdatas(rdatas: list[bytes]) -> tuple[bytes, ...]:
    return tuple(rdatas) if len(rdatas) == 1 else tuple(sorted(set(rdatas)))


def _parse_rrsig(message: bytes, at: int, end: int, ttl: int) -> RrsigRecord:
    """The RRSIG whose rdata is ``message[at:end]``."""
    signer, past = rdata_layout.read_signer(message, at, end)
    covered, algorithm, labels, original_ttl, expiration, inception, tag = rdata_layout.RRSIG_STRUCT.unpack_from(
        message, at
    )
    octets, signed = message[past:end], message[at : at + rdata_layout.RRSIG_STRUCT.size] + signer
    return RrsigRecord(
        covered, algorithm, labels, original_ttl, expiration, inception, tag, signer, octets, signed, ttl
    )


def _canonical_naptr(message: bytes, rdclass: int, at: int, end: int) -> bytes:
    try:
        return dns.rdata.from_wire(RdataClass(rdclass), RdataType.NAPTR, message, at, end - at).to_digestable()
    except dns.exception.DNSException as error:
        raise MalformedMessageError(f"rdata of type NAPTR: {error}") from None
