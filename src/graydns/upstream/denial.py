"""The records of an authority section that may be believed: the SOA of a negative answer, and signed proofs."""

from __future__ import annotations

from typing import NamedTuple

import dns.rdtypes.ANY.SOA

from graydns.model.name import is_within
from graydns.model.query import Query
from graydns.model.rrtype import NSEC, NSEC3, RRSIG, SOA
from graydns.upstream.chain import Chain, covered
from graydns.upstream.reply import Reply, Unbelievable
from graydns.wire.walk import Record

#: Records of an authority section past which a reply is refused. An answer needs an SOA and three NSEC3, each with a
#: signature by each algorithm, and as much again for each alias from a wildcard.
MOST_PROOFS = 100


class Denial(NamedTuple):
    """*records*: in the order of the message. *soa*: the one among them, None without."""

    records: list[Record]
    soa: Record | None


_NOTHING = Denial([], None)


def believe(reply: Reply, query: Query, chain: Chain, *, signatures: bool) -> Denial:
    """What of the authority section belongs to *chain*.

    Where the chain found no records: the SOA of a zone at or above its last name (RFC 2308 section 2). With
    *signatures* also RRSIGs of that, and NSEC and NSEC3 that are signed by a zone at or above a name of the chain
    (RFC 4035 section 3.1.3: answers from wildcards have such proofs, too). Raises Unbelievable.
    """
    if chain.complete and not signatures:
        return _NOTHING
    if len(reply.authorities) > MOST_PROOFS:
        raise Unbelievable("more records in the authority section than any proof needs")
    authorities = [each for each in reply.authorities if each.rdclass == query.qclass]
    last = chain.names[-1]
    soa = None
    if not chain.complete:
        soa = next((each for each in authorities if each.rdtype == SOA and is_within(last, each.owner)), None)
    if not signatures:
        return Denial([] if soa is None else [soa], soa)
    signed = {
        (each.owner, covered(reply, each))
        for each in authorities
        if each.rdtype == RRSIG and _is_above(reply, each, chain.names)
    }
    sets = {(each.owner, each.rdtype) for each in authorities if each.rdtype in (NSEC, NSEC3)} & signed
    if soa is not None:
        sets.add((soa.owner, SOA))
    kept = [
        each
        for each in authorities
        if ((each.owner, covered(reply, each) or each.rdtype) in sets) and (each.rdtype != SOA or each is soa)
    ]
    return Denial(kept, soa)


def negative_ttl(reply: Reply, soa: Record) -> int:
    """Seconds for which a negative answer with *soa* holds (RFC 2308 section 5)."""
    rdata = reply.rdata(soa)
    assert isinstance(rdata, dns.rdtypes.ANY.SOA.SOA)
    return min(soa.ttl, int(rdata.minimum))


def _is_above(reply: Reply, signature: Record, names: list[bytes]) -> bool:
    """Whether the zone that made *signature* holds its owner and one of *names*."""
    zone = reply.signer(signature)
    return is_within(signature.owner, zone) and any(is_within(name, zone) for name in names)
