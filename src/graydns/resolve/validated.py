"""From an upstream's answer and the Verdict on it to what a client of the validator gets (RFC 4035 section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from graydns.dnssec.records import RRset
from graydns.dnssec.validator import Verdict
from graydns.model.answer import AUTHORITY, Answer, Ede, Span
from graydns.model.proof import Security
from graydns.model.query import Query
from graydns.model.rrtype import ANY, NSEC, NSEC3, RRSIG
from graydns.wire import body as wire

#: What those get only who ask for DNSSEC records, or for the very type.
_PROOFS = (RRSIG, NSEC, NSEC3)


def validated(query: Query, answer: Answer, verdict: Verdict, lasts: int | None) -> Answer:
    """*answer*, which is not bogus, with the records that *query* is to get.

    *lasts*: seconds since it came for which all signatures hold, None where there are none.
    """
    with_proofs = query.dnssec_ok or query.qtype in (RRSIG, ANY)
    kept = [each for each in verdict.rrsets if with_proofs or each.rdtype not in _PROOFS or each.rdtype == query.qtype]
    if verdict.proof.security is Security.SECURE:
        # What else was in the authority section nobody vouches for, and all that is given must be authentic.
        kept = [each for each in kept if each.section != AUTHORITY or each.place in verdict.ttls]
    ttls = [min(each.ttl, verdict.ttls.get(each.place, each.ttl)) for each in kept]
    if lasts is not None:
        ttls = [min(ttl, lasts) for ttl in ttls]
    body, spans = answer.body, answer.spans
    # An RRset whose records are not neighbours, and signatures of nothing that is here, are put in order or left out.
    scattered = len(spans) != sum(1 + bool(each.signatures) for each in verdict.rrsets)
    if scattered or any(ttl != each.ttl for ttl, each in zip(ttls, kept, strict=True)):
        body, spans = _built(query, kept, ttls, with_proofs)
    elif with_proofs and len(kept) == len(verdict.rrsets):
        pass  # all of it
    elif not with_proofs and _come_first(query, answer, len(kept)):
        spans = spans[: len(kept)]
        body = body[: spans[-1].end] if spans else b""
    else:
        body, spans = _built(query, kept, ttls, with_proofs)
    proof = verdict.proof
    return evolve(
        answer,
        body=body,
        spans=spans,
        ttl=min([answer.ttl, *ttls]),
        security=proof.security,
        proof=proof,
        edes=answer.edes if proof.ede is None else (*answer.edes, Ede(proof.ede, proof.reason)),
    )


def _come_first(query: Query, answer: Answer, number: int) -> bool:
    """Whether the first *number* RRsets of *answer* are those that are no proofs."""
    types = [wire.rdtype_of(answer.body, span) for span in answer.spans[:number]]
    return all(rdtype not in _PROOFS or rdtype == query.qtype for rdtype in types)


def _built(
    query: Query, rrsets: Sequence[RRset], ttls: Sequence[int], with_proofs: bool
) -> tuple[bytes, tuple[Span, ...]]:
    """The body of *rrsets* in their canonical form, which nobody can tell from another, and its spans."""
    sets = []
    for rrset, ttl in zip(rrsets, ttls, strict=True):
        sets.append(wire.RRset(rrset.section, rrset.owner, rrset.rdtype, rrset.rdclass, ttl, rrset.rdatas))
        if with_proofs and rrset.signatures:
            signatures = tuple(each.signed + each.octets for each in rrset.signatures)
            sets.append(wire.RRset(rrset.section, rrset.owner, RRSIG, rrset.rdclass, ttl, signatures))
    return wire.build(query.qname, sets)
