"""Validator: what an upstream's answer is worth (RFC 4035 section 5, RFC 5155 section 8, RFC 6840).

::

    answer ─┬─ each RRset of the answer section: its zone, its signature; from a wildcard: no closer name
            └─ no records of the type where the chain ends: the zone of that name, the proof that it is so
    the whole is worth as much as the least of its parts
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from attrs import define, evolve, field, frozen

from graydns.dnssec.budget import Exceeded
from graydns.dnssec.chain import DENIALS, Proofs, Walk, read_answer
from graydns.dnssec.denial import Denial, Kind, Outcome
from graydns.dnssec.records import Place, RRset
from graydns.dnssec.signature import Failed, Verified
from graydns.dnssec.zones import Zone
from graydns.model.answer import ANSWER, AUTHORITY, Answer
from graydns.model.name import is_within, parent
from graydns.model.proof import EdeCode, Proof, Security
from graydns.model.rcode import NXDOMAIN
from graydns.model.rrtype import ANY, CNAME, DNAME, DS, RRSIG, SOA
from graydns.wire.walk import Malformed

#: Signers that are claimed for one RRset and whose zones are looked for, before the zone of the RRset itself is.
MOST_SIGNERS = 2

#: The least of these is what an answer is worth.
_WORTH = {Security.BOGUS: 0, Security.INDETERMINATE: 1, Security.INSECURE: 2, Security.SECURE: 3}


@frozen
class Verdict:
    """What an answer is worth, and why.

    *rrsets*: all of it. *ttls*: of those that signatures vouch for, the seconds since the answer came for which they
    may be kept, unless ``proof.until`` comes first (RFC 4035 section 5.3.3).
    """

    proof: Proof
    rrsets: tuple[RRset, ...]
    ttls: Mapping[Place, int]


async def validate(walk: Walk, qname: bytes, qtype: int, answer: Answer) -> Verdict:
    """The Verdict on *answer* to a question for *qname* and *qtype*. Raises UpstreamError, Overloaded.

    *answer* does not contradict itself (``upstream.scrub``): what is NXDOMAIN has no records of the type.
    """
    try:
        rrsets = read_answer(qname, answer, qtype)
    except Malformed as error:
        return Verdict(Proof(Security.BOGUS, reason=str(error), ede=EdeCode.BOGUS), (), {})
    judge = _Judge(walk, qtype, answer.rcode, rrsets)
    try:
        await judge.judge(qname)
    except (Exceeded, Malformed) as error:
        judge.take(Proof(Security.BOGUS, reason=str(error), ede=EdeCode.BOGUS))
    return Verdict(judge.proof, rrsets, judge.ttls)


@define(eq=False)
class _Judge:
    """Judges one answer. *proof*: what has been found of it so far."""

    _walk: Walk
    _qtype: int
    _rcode: int
    _rrsets: tuple[RRset, ...]
    proof: Proof = field(init=False, default=Proof(Security.SECURE))
    ttls: dict[Place, int] = field(init=False, factory=dict)
    _proofs: dict[bytes, Proofs] = field(init=False, factory=dict)

    async def judge(self, qname: bytes) -> None:
        """All of it, or until some of it is bogus. Raises Exceeded and what asking raises."""
        answers = {(each.owner, each.rdtype): each for each in self._rrsets if each.section == ANSWER}
        # Aliases without signatures come last, when it is known what their DNAMEs are worth.
        for rrset in sorted(answers.values(), key=lambda each: each.rdtype == CNAME and not each.signatures):
            if rrset.rdtype == CNAME and not rrset.signatures and (dname := self._maker_of(rrset, answers)) is not None:
                self.ttls[rrset.place] = min(rrset.ttl, self.ttls[dname.place])  # RFC 6672 section 3.1
                continue
            await self._judge_rrset(rrset)
            if self.proof.security is Security.BOGUS:
                return
        name, seen = qname, {qname}
        while not self._is_there(name, answers) and (alias := answers.get((name, CNAME))) is not None:
            name = alias.rdatas[0]
            if name in seen:
                break
            seen.add(name)
        if not self._is_there(name, answers):
            await self._judge_absence(name, is_aliased=name != qname)

    def _maker_of(self, alias: RRset, answers: Mapping[tuple[bytes, int], RRset]) -> RRset | None:
        """The DNAME above *alias* that makes it of its owner (RFC 6672 section 5.3.1), one that is signed and has a say
        about that: another may be of a zone that has none."""
        for (owner, rdtype), rrset in answers.items():
            if rdtype == DNAME and owner != alias.owner and is_within(alias.owner, owner):
                made = alias.owner[: -len(owner)] + rrset.rdatas[0]
                has_say = rrset.place in self.ttls and is_within(owner, self._walk.floor(alias.owner))
                return rrset if has_say and alias.rdatas == (made,) else None
        return None

    def _is_there(self, name: bytes, answers: Mapping[tuple[bytes, int], RRset]) -> bool:
        """Whether *answers* have what was asked for at *name*; for ANY whatever they have is (RFC 8482)."""
        return (name, self._qtype) in answers or (self._qtype == ANY and any(owner == name for owner, _ in answers))

    def take(self, proof: Proof) -> None:
        """Another part is worth *proof*."""
        until = min((each.until for each in (self.proof, proof) if each.until is not None), default=None)
        least = proof if _WORTH[proof.security] <= _WORTH[self.proof.security] else self.proof
        self.proof = evolve(least, until=until)

    async def _judge_rrset(self, rrset: RRset) -> None:
        owner, rdtype = rrset.owner, rrset.rdtype
        if rdtype == RRSIG:
            self.take(Proof(Security.INSECURE, reason="signatures themselves are not signed"))
            return
        inside = parent(owner) if rdtype == DS else owner  # RFC 4035 section 3.1.4.1: DS belongs to the parent
        failed: Failed | None = None
        signers = _signers((rrset,), inside, self._walk.floor(inside))
        for signer in (*signers[:MOST_SIGNERS], None):
            if signer is None and failed is not None:
                break
            zone = await self._walk.zone_of(signer or inside)
            if zone.security is not Security.SECURE:
                self._take_zone(zone)  # and so is all below it
                return
            if signer in (None, zone.name):
                found = await self._walk.verify(rrset, zone)
                if isinstance(found, Verified):
                    await self._accept(rrset, zone, found)
                    return
                failed = failed or found
        assert failed is not None
        self._blame(failed, owner, rdtype)

    async def _accept(self, rrset: RRset, zone: Zone, found: Verified) -> None:
        """*zone* signed *rrset*; as a wildcard's it stands for the name only if there is none closer."""
        if found.wildcard is not None:
            proofs = await self._proofs_of(zone)
            question = partial(proofs.denial.no_closer, rrset.owner, found.wildcard)
            if not self._take_outcome(
                await self._walk.proven(proofs.denial, question), proofs, rrset.owner, rrset.rdtype
            ):
                return
        self._walk.note(rrset.owner, rrset.rdtype, Security.SECURE, "signed", found.signer)
        self._count(rrset, found)

    async def _judge_absence(self, name: bytes, *, is_aliased: bool) -> None:
        """There is nothing of the type at *name*, the end of a chain where *is_aliased*."""
        inside = parent(name) if self._qtype == DS else name
        denials = [each for each in self._rrsets if each.section == AUTHORITY and each.rdtype in (SOA, *DENIALS)]
        signers = _signers(denials, inside, self._walk.floor(inside))
        for signer in (*signers[:MOST_SIGNERS], None):
            zone = await self._walk.zone_of(signer or inside)
            if zone.security is not Security.SECURE:
                self._take_zone(zone)
                return
            if signer in (None, zone.name):
                proofs = await self._proofs_of(zone)
                outcome = await self._walk.proven(proofs.denial, partial(self._absence, proofs.denial, name))
                if signer is not None and self._may_be_anothers(outcome, proofs, is_aliased):
                    continue
                await self._deny(zone, name, outcome, proofs)
                return

    @staticmethod
    def _may_be_anothers(outcome: Outcome, proofs: Proofs, is_aliased: bool) -> bool:
        """Whether the name may be in a zone further down, whose word it is then: what is signed here may be about an
        alias on the way, and hashes that are not computed prove nothing of any name."""
        if outcome.kind is Kind.UNPROVEN:
            return is_aliased and proofs.failed is None
        return outcome.ede is EdeCode.ITERATIONS

    def _absence(self, denial: Denial, name: bytes) -> Outcome:
        """Whether *denial* proves what the answer says of *name*."""
        return denial.nxdomain(name) if self._rcode == NXDOMAIN else denial.nodata(name, self._qtype)

    async def _deny(self, zone: Zone, name: bytes, outcome: Outcome, proofs: Proofs) -> None:
        """*zone*, that of *name*, says so."""
        if not self._take_outcome(outcome, proofs, name, self._qtype):
            return
        for rrset in self._rrsets:
            if rrset.section == AUTHORITY and rrset.rdtype == SOA:
                found = await self._walk.verify(rrset, zone)
                if isinstance(found, Failed):
                    self._blame(found, rrset.owner, SOA)
                    return
                self._count(rrset, found)
        self._walk.note(name, self._qtype, Security.SECURE, "proven not to exist", proofs.signer)

    async def _proofs_of(self, zone: Zone) -> Proofs:
        if (proofs := self._proofs.get(zone.name)) is None:
            proofs = self._proofs[zone.name] = await self._walk.proofs(zone, self._rrsets)
        return proofs

    def _take_outcome(self, outcome: Outcome, proofs: Proofs, name: bytes, rdtype: int) -> bool:
        """Take what the *proofs* came to; whether it is a proof."""
        if outcome.kind is Kind.UNPROVEN:
            failed = proofs.failed or Failed(EdeCode.NSEC_MISSING, outcome.reason)
            self._blame(failed, name, rdtype)
            return False
        for rrset, found in proofs.verified.items():
            self._count(rrset, found)
        if outcome.kind is Kind.INSECURE:
            self._walk.note(name, rdtype, Security.INSECURE, outcome.reason)
            self.take(Proof(Security.INSECURE, reason=outcome.reason, ede=outcome.ede))
        return True

    def _take_zone(self, zone: Zone) -> None:
        self.take(Proof(zone.security, zone.signer, zone.reason, zone.ede))

    def _blame(self, failed: Failed, name: bytes, rdtype: int) -> None:
        self._walk.note(name, rdtype, Security.BOGUS, failed.reason, failed.signer)
        self.take(Proof(Security.BOGUS, failed.signer, failed.reason, failed.ede))

    def _count(self, rrset: RRset, found: Verified) -> None:
        self.ttls[rrset.place] = min(rrset.ttl, found.signature.original_ttl)
        self.take(Proof(Security.SECURE, found.signer, until=self._walk.moment(found.signature.expiration)))


def _signers(rrsets: Iterable[RRset], inside: bytes, floor: bytes) -> list[bytes]:
    """The zones that are said to have signed *rrsets* and hold the name *inside*, none above *floor*, deepest first."""
    signers = {signature.signer for rrset in rrsets for signature in rrset.signatures}
    may = (signer for signer in signers if is_within(inside, signer) and is_within(signer, floor))
    return sorted(may, key=len, reverse=True)
