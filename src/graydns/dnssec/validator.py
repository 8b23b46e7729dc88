"""Validator: what an upstream's answer is worth (RFC 4035 section 5, RFC 5155 section 8, RFC 6840).

::

    answer ─┬─ each SignedRRset of the answer section: its zone, its signature; from a wildcard: no closer name
            └─ no records of the type where the chain ends: the zone of that name, the proof that it is so
    the whole is worth as much as the least of its parts
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from attrs import define, evolve, field, frozen
from dns.edns import EDECode

from graydns.dnssec.chain_of_trust import DENIAL_RDTYPES, ChainOfTrust, DenialProofs, parse_answer
from graydns.dnssec.denial import AuthenticatedDenial, DenialKind, DenialOutcome
from graydns.dnssec.rrsets import RRsetPosition, SignedRRset
from graydns.dnssec.signature import VerificationFailure, VerifiedSignature
from graydns.dnssec.work_budget import WorkLimitExceededError
from graydns.dnssec.zone_status import ZoneStatus
from graydns.model.answer import ANSWER, AUTHORITY, Answer
from graydns.model.dns_parameters import ANY, CNAME, DNAME, DS, NXDOMAIN, RRSIG, SOA
from graydns.model.dnssec_values import Security, ValidationStatus
from graydns.model.name import is_within, parent
from graydns.wire.message import MalformedMessageError

#: Signers that are claimed for one SignedRRset and whose zones are looked for, before the zone of the SignedRRset
#: itself is.
MAX_TRIED_SIGNERS = 2

#: The least of these is what an answer is worth.
_SECURITY_ORDER = {Security.BOGUS: 0, Security.INDETERMINATE: 1, Security.INSECURE: 2, Security.SECURE: 3}


@frozen
class ValidationResult:
    """What an answer is worth, and why.

    *rrsets*: all of it. *ttls*: of those that are signed, the seconds since the answer came for which they
    may be kept, unless ``proof.until`` comes first (RFC 4035 section 5.3.3).
    """

    proof: ValidationStatus
    rrsets: tuple[SignedRRset, ...]
    ttls: Mapping[RRsetPosition, int]


async def validate(walk: ChainOfTrust, qname: bytes, qtype: int, answer: Answer) -> ValidationResult:
    """The ValidationResult on *answer* to a question for *qname* and *qtype*. Raises UpstreamError, OverloadedError.

    *answer* does not contradict itself (``upstream.scrub``): what is NXDOMAIN has no records of the type.
    """
    try:
        rrsets = parse_answer(qname, answer, qtype)
    except MalformedMessageError as error:
        return ValidationResult(ValidationStatus(Security.BOGUS, reason=str(error), ede=EDECode.DNSSEC_BOGUS), (), {})
    judge = _AnswerValidation(walk, qtype, answer.rcode, rrsets)
    try:
        await judge.validate(qname)
    except (WorkLimitExceededError, MalformedMessageError) as error:
        judge.merge_status(ValidationStatus(Security.BOGUS, reason=str(error), ede=EDECode.DNSSEC_BOGUS))
    return ValidationResult(judge.proof, rrsets, judge.ttls)


@define(eq=False)
class _AnswerValidation:
    """Validates one answer. *proof*: the result so far."""

    _chain: ChainOfTrust
    _qtype: int
    _rcode: int
    _rrsets: tuple[SignedRRset, ...]
    proof: ValidationStatus = field(init=False, default=ValidationStatus(Security.SECURE))
    ttls: dict[RRsetPosition, int] = field(init=False, factory=dict)
    _proofs: dict[bytes, DenialProofs] = field(init=False, factory=dict)

    async def validate(self, qname: bytes) -> None:
        """All of it, or until some of it is bogus. Raises WorkLimitExceededError and what asking raises."""
        answers = {(each.owner, each.rdtype): each for each in self._rrsets if each.section == ANSWER}
        # Aliases without signatures come last, when it is known what their DNAMEs are worth.
        for rrset in sorted(answers.values(), key=lambda each: each.rdtype == CNAME and not each.signatures):
            if (
                rrset.rdtype == CNAME
                and not rrset.signatures
                and (dname := self._find_dname(rrset, answers)) is not None
            ):
                self.ttls[rrset.position] = min(rrset.ttl, self.ttls[dname.position])  # RFC 6672 section 3.1
                continue
            await self._validate_rrset(rrset)
            if self.proof.security is Security.BOGUS:
                return
        name, seen = qname, {qname}
        while not self._is_there(name, answers) and (alias := answers.get((name, CNAME))) is not None:
            name = alias.rdatas[0]
            if name in seen:
                break
            seen.add(name)
        if not self._is_there(name, answers):
            await self._validate_absence(name, is_aliased=name != qname)

    def _find_dname(self, alias: SignedRRset, answers: Mapping[tuple[bytes, int], SignedRRset]) -> SignedRRset | None:
        """The DNAME above *alias* that makes it of its owner (RFC 6672 section 5.3.1), one that is signed and applies
        about that: another may be of a zone that has none."""
        for (owner, rdtype), rrset in answers.items():
            if rdtype == DNAME and owner != alias.owner and is_within(alias.owner, owner):
                made = alias.owner[: -len(owner)] + rrset.rdatas[0]
                has_say = rrset.position in self.ttls and is_within(owner, self._chain.find_anchor_name(alias.owner))
                return rrset if has_say and alias.rdatas == (made,) else None
        return None

    def _is_there(self, name: bytes, answers: Mapping[tuple[bytes, int], SignedRRset]) -> bool:
        """Whether *answers* have what was asked for at *name*; for ANY whatever they have is (RFC 8482)."""
        return (name, self._qtype) in answers or (self._qtype == ANY and any(owner == name for owner, _ in answers))

    def merge_status(self, proof: ValidationStatus) -> None:
        """Another part is worth *proof*."""
        until = min((each.expires_at for each in (self.proof, proof) if each.expires_at is not None), default=None)
        least = proof if _SECURITY_ORDER[proof.security] <= _SECURITY_ORDER[self.proof.security] else self.proof
        self.proof = evolve(least, expires_at=until)

    async def _validate_rrset(self, rrset: SignedRRset) -> None:
        owner, rdtype = rrset.owner, rrset.rdtype
        if rdtype == RRSIG:
            self.merge_status(ValidationStatus(Security.INSECURE, reason="signatures themselves are not signed"))
            return
        inside = parent(owner) if rdtype == DS else owner  # RFC 4035 section 3.1.4.1: DS belongs to the parent
        failed: VerificationFailure | None = None
        signers = _candidate_signers((rrset,), inside, self._chain.find_anchor_name(inside))
        for signer in (*signers[:MAX_TRIED_SIGNERS], None):
            if signer is None and failed is not None:
                break
            zone = await self._chain.find_zone(signer or inside)
            if zone.security is not Security.SECURE:
                self._merge_zone(zone)  # and so is all below it
                return
            if signer in (None, zone.name):
                found = await self._chain.verify_rrset(rrset, zone)
                if isinstance(found, VerifiedSignature):
                    await self._accept(rrset, zone, found)
                    return
                failed = failed or found
        assert failed is not None
        self._fail(failed, owner, rdtype)

    async def _accept(self, rrset: SignedRRset, zone: ZoneStatus, found: VerifiedSignature) -> None:
        """*zone* signed *rrset*; as a wildcard's it stands for the name only if there is none closer."""
        if found.wildcard is not None:
            proofs = await self._proofs_of(zone)
            question = partial(proofs.denial.prove_no_closer, rrset.owner, found.wildcard)
            if not self._merge_outcome(
                await self._chain.prove(proofs.denial, question), proofs, rrset.owner, rrset.rdtype
            ):
                return
        self._chain.record_step(rrset.owner, rrset.rdtype, Security.SECURE, "signed", found.signer)
        self._accept_rrset(rrset, found)

    async def _validate_absence(self, name: bytes, *, is_aliased: bool) -> None:
        """There is nothing of the type at *name*, the end of a chain where *is_aliased*."""
        inside = parent(name) if self._qtype == DS else name
        denials = [each for each in self._rrsets if each.section == AUTHORITY and each.rdtype in (SOA, *DENIAL_RDTYPES)]
        signers = _candidate_signers(denials, inside, self._chain.find_anchor_name(inside))
        for signer in (*signers[:MAX_TRIED_SIGNERS], None):
            zone = await self._chain.find_zone(signer or inside)
            if zone.security is not Security.SECURE:
                self._merge_zone(zone)
                return
            if signer in (None, zone.name):
                proofs = await self._proofs_of(zone)
                outcome = await self._chain.prove(proofs.denial, partial(self._prove_absence, proofs.denial, name))
                if signer is not None and self._may_be_in_child(outcome, proofs, is_aliased):
                    continue
                await self._accept_denial(zone, name, outcome, proofs)
                return

    @staticmethod
    def _may_be_in_child(outcome: DenialOutcome, proofs: DenialProofs, is_aliased: bool) -> bool:
        """Whether the name may be in a zone further down, whose word it is then: what is signed here may be about an
        alias on the way, and hashes that are not computed prove nothing of any name."""
        if outcome.kind is DenialKind.UNPROVEN:
            return is_aliased and proofs.failed is None
        return outcome.ede is EDECode.UNSUPPORTED_NSEC3_ITERATIONS_VALUE

    def _prove_absence(self, denial: AuthenticatedDenial, name: bytes) -> DenialOutcome:
        """Whether *denial* proves what the answer says of *name*."""
        return denial.prove_nxdomain(name) if self._rcode == NXDOMAIN else denial.prove_nodata(name, self._qtype)

    async def _accept_denial(self, zone: ZoneStatus, name: bytes, outcome: DenialOutcome, proofs: DenialProofs) -> None:
        """The evidence is of *zone*, that of *name*."""
        if not self._merge_outcome(outcome, proofs, name, self._qtype):
            return
        for rrset in self._rrsets:
            if rrset.section == AUTHORITY and rrset.rdtype == SOA:
                found = await self._chain.verify_rrset(rrset, zone)
                if isinstance(found, VerificationFailure):
                    self._fail(found, rrset.owner, SOA)
                    return
                self._accept_rrset(rrset, found)
        self._chain.record_step(name, self._qtype, Security.SECURE, "proven not to exist", proofs.signer)

    async def _proofs_of(self, zone: ZoneStatus) -> DenialProofs:
        if (proofs := self._proofs.get(zone.name)) is None:
            proofs = self._proofs[zone.name] = await self._chain.collect_proofs(zone, self._rrsets)
        return proofs

    def _merge_outcome(self, outcome: DenialOutcome, proofs: DenialProofs, name: bytes, rdtype: int) -> bool:
        """Take what the *proofs* came to; whether it is a proof."""
        if outcome.kind is DenialKind.UNPROVEN:
            failed = proofs.failed or VerificationFailure(EDECode.NSEC_MISSING, outcome.reason)
            self._fail(failed, name, rdtype)
            return False
        for rrset, found in proofs.verified.items():
            self._accept_rrset(rrset, found)
        if outcome.kind is DenialKind.INSECURE:
            self._chain.record_step(name, rdtype, Security.INSECURE, outcome.reason)
            self.merge_status(ValidationStatus(Security.INSECURE, reason=outcome.reason, ede=outcome.ede))
        return True

    def _merge_zone(self, zone: ZoneStatus) -> None:
        self.merge_status(ValidationStatus(zone.security, zone.signer, zone.reason, zone.ede))

    def _fail(self, failed: VerificationFailure, name: bytes, rdtype: int) -> None:
        self._chain.record_step(name, rdtype, Security.BOGUS, failed.reason, failed.signer)
        self.merge_status(ValidationStatus(Security.BOGUS, failed.signer, failed.reason, failed.ede))

    def _accept_rrset(self, rrset: SignedRRset, found: VerifiedSignature) -> None:
        self.ttls[rrset.position] = min(rrset.ttl, found.signature.original_ttl)
        self.merge_status(
            ValidationStatus(
                Security.SECURE, found.signer, expires_at=self._chain.to_unix_seconds(found.signature.expiration)
            )
        )


def _candidate_signers(rrsets: Iterable[SignedRRset], inside: bytes, floor: bytes) -> list[bytes]:
    """The zones that are said to have signed *rrsets* and hold the name *inside*, none above *floor*, deepest first."""
    signers = {signature.signer for rrset in rrsets for signature in rrset.signatures}
    may = (signer for signer in signers if is_within(inside, signer) and is_within(signer, floor))
    return sorted(may, key=len, reverse=True)
