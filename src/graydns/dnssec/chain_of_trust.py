"""Chain: from a trust anchor down to the zone of a name, one delegation after the other (RFC 4035 section 5).

::

    anchor ─► DNSKEY of its zone
                 │  each label on the way to the name:  DS there?
                 ├─ signed DS ─────────────► DNSKEY of the child, and on from there
                 ├─ proven: no delegation ─► on with the same zone
                 ├─ proven: unsigned ──────► insecure from there down
                 └─ neither ───────────────► bogus from there down

What is found out of a zone holds for all names in it and is remembered, so most walks have no step at all. The walk
asks for DS and DNSKEY only, each of a zone above or at the one it has reached: it can never wait for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from attrs import evolve, frozen
from dns.edns import EDECode

from graydns.dnssec import key_trust
from graydns.dnssec.denial import AuthenticatedDenial, DelegationKind, DenialKind
from graydns.dnssec.key_trust import NegativeTrustAnchors, TrustAnchors, UnsupportedDelegation, authenticate_keys
from graydns.dnssec.rrsets import SignedRRset, parse_rrsets
from graydns.dnssec.signature import (
    ValidatorSettings,
    VerificationFailure,
    VerifiedSignature,
    describe_rrsig,
    estimate_rrset_seconds,
    verify_rrset,
)
from graydns.dnssec.work_budget import QueryLimitExceededError, ValidationBackend, WorkBudget, WorkLimitExceededError
from graydns.dnssec.zone_keys import ZoneKeySet, select_usable_keys
from graydns.dnssec.zone_status import ValidationStep, ZoneStatus, ZoneStatusCache, format_ds, format_keys
from graydns.model.answer import ANSWER, AUTHORITY, Answer
from graydns.model.dns_parameters import CNAME, DNSKEY, DS, NSEC, NSEC3
from graydns.model.dnssec_values import RrsigInfo, Security
from graydns.model.errors import UpstreamError
from graydns.model.name import ROOT, suffixes, to_text
from graydns.wire.message import QUESTION_STRUCT
from graydns.wire.rdata_layout import subtract_serials

ResultT = TypeVar("ResultT")

DENIAL_RDTYPES = (NSEC, NSEC3)

#: Seconds of work for one answer from which the rest is not done where it would keep other queries waiting.
MAX_INLINE_SECONDS = 0.002

#: Records that prove that there is no DS: an NSEC, or two NSEC3. Further ones count as those of an answer do, as a
#: zone's owner may have any number of them, at each label of a name.
MAX_FREE_DENIAL_SIGNATURES = 2

#: Seconds for which a trust anchor's keys are taken to hold, unless their TTL is shorter.
MAX_ANCHOR_KEYS_SECONDS = 86_400.0


@frozen
class DenialProofs:
    """The proofs of non-existence in an answer that a zone has signed. *failed*: why another one is not valid."""

    denial: AuthenticatedDenial
    verified: Mapping[SignedRRset, VerifiedSignature]
    failed: VerificationFailure | None

    @property
    def signer(self) -> RrsigInfo | None:
        """The zone that signed them."""
        return next((found.signer for found in self.verified.values()), None)


@frozen
class ChainOfTrust:
    """All that the validation of one answer has at hand.

    *now*: Unix seconds for signatures; *clock*: monotonic seconds for TTLs. *steps*: takes what was found, None =
    nobody wants to know.
    """

    backend: ValidationBackend
    settings: ValidatorSettings
    anchors: TrustAnchors
    negatives: NegativeTrustAnchors
    zones: ZoneStatusCache
    budget: WorkBudget
    now: int
    clock: float
    steps: list[ValidationStep] | None = None

    async def find_zone(self, name: bytes) -> ZoneStatus:
        """The deepest zone known, or to be found, at or above *name*. Raises WorkLimitExceededError, UpstreamError,
        Overloaded."""
        negative = self.negatives.find_covering(name)
        way: list[bytes] = []
        for suffix in suffixes(name):
            if suffix == negative:
                return self._make_insecure(suffix, DS, f"negative trust anchor at {to_text(suffix)}", None, self.clock)
            if (zone := self.zones.find(suffix, self.clock)) is not None:
                break
            if (anchor := self.anchors.by_zone.get(suffix)) is not None:
                self.record_step(suffix, DS, Security.SECURE, f"trust anchor: {format_ds(anchor.ds)}")
                zone = await self._find_once(suffix, partial(self._find_anchored, suffix, anchor.ds))
                break
            way.append(suffix)
        else:
            reason = f"no trust anchor at or above {to_text(name)}"
            return ZoneStatus(ROOT, Security.INDETERMINATE, reason=reason)
        for child in reversed(way):
            if zone.security is not Security.SECURE:
                break
            found = await self._find_once(child, partial(self._find_child, zone, child))
            zone, ended = found
            if ended:
                break
        return zone

    def find_anchor_name(self, name: bytes) -> bytes:
        """Where validation of *name* starts: the deepest anchor, negative or not, at or above it.

        Zones above it do not matter, whatever they sign.
        """
        negative = self.negatives.find_covering(name)
        return next((each for each in suffixes(name) if each == negative or each in self.anchors.by_zone), ROOT)

    async def verify_rrset(self, rrset: SignedRRset, zone: ZoneStatus) -> VerifiedSignature | VerificationFailure:
        """Whether the keys of *zone*, a secure one, have signed *rrset*.

        Raises WorkLimitExceededError, OverloadedError.
        """
        assert zone.keys is not None
        work = partial(verify_rrset, rrset, zone.keys, self.now, self.budget, self.settings)
        return await self._run(estimate_rrset_seconds(rrset, zone.keys), work)

    async def collect_proofs(self, zone: ZoneStatus, rrsets: Iterable[SignedRRset]) -> DenialProofs:
        """The proofs of non-existence among *rrsets* that claim to be of *zone*. Raises as :meth:`verify_rrset`."""
        verified: dict[SignedRRset, VerifiedSignature] = {}
        failed = None
        for rrset in rrsets:
            if rrset.rdtype not in DENIAL_RDTYPES or rrset.section != AUTHORITY:
                continue
            if rrset.signatures and all(each.signer != zone.name for each in rrset.signatures):
                continue
            found = await self.verify_rrset(rrset, zone)
            if isinstance(found, VerificationFailure):
                failed = failed or found
            else:
                verified[rrset] = found
        return DenialProofs(AuthenticatedDenial(zone.name, tuple(verified), self.budget), verified, failed)

    async def prove(self, denial: AuthenticatedDenial, proof: Callable[[], ResultT]) -> ResultT:
        """What *proof*, a question to *denial*, gives."""
        return await self._run(denial.estimate_seconds(), proof)

    async def _run(self, seconds: float, work: Callable[[], ResultT]) -> ResultT:
        """What *work* gives, which may take *seconds*."""
        self.budget.uninterrupted_seconds += seconds
        if self.budget.uninterrupted_seconds < MAX_INLINE_SECONDS:
            return work()
        self.budget.uninterrupted_seconds = 0.0
        return await self.backend.run(work)

    def to_unix_seconds(self, expiration: int) -> int:
        """The Unix seconds that *expiration*, a serial number, means."""
        return self.now + subtract_serials(expiration, self.now)

    def record_step(
        self, name: bytes, rdtype: int, security: Security, text: str, signer: RrsigInfo | None = None
    ) -> None:
        """Add a step to the explanation, if one is wanted."""
        if self.steps is not None:
            self.steps.append(ValidationStep(name, rdtype, security, text, signer))

    def _store(self, name: bytes, zone: ZoneStatus) -> ZoneStatus:
        return self.zones.store(name, zone, self.clock)

    async def _find_once(self, name: bytes, find: Callable[[], Coroutine[Any, Any, ResultT]]) -> ResultT:
        """What *find* finds out of *name*. A step never waits for another one, so there is no deadlock."""
        untouched = self.budget.is_untouched
        try:
            return await (find() if self.steps is not None else self.backend.coalesce(name, find))
        except QueryLimitExceededError:
            raise
        except WorkLimitExceededError as error:
            if untouched:  # so it was too much by itself, and would be for everybody else
                for rdtype in (DS, DNSKEY):
                    self.backend.discard(name, rdtype)
                self._store(name, ZoneStatus(name, Security.BOGUS, reason=str(error), ede=EDECode.DNSSEC_BOGUS))
            raise

    async def _find_anchored(self, name: bytes, ds: Sequence[key_trust.DsRecord]) -> ZoneStatus:
        """The zone *name*, which has a trust anchor."""
        if (known := self.zones.find(name, self.clock)) is not None:
            return known
        return self._store(name, await self._with_keys(name, ds, self.clock + MAX_ANCHOR_KEYS_SECONDS))

    async def _find_child(self, zone: ZoneStatus, child: bytes) -> tuple[ZoneStatus, bool]:
        """The zone that *child* belongs to, whose parent is in *zone*; and whether there is nothing below it."""
        if (known := self.zones.find(child, self.clock)) is not None:
            return known, False  # others asked at the same time
        answer = await self._fetch(child, DS)
        rrsets = parse_answer(child, answer)
        expires = min(zone.expires, _expiry(answer))
        for rrset in rrsets:
            if rrset.section == ANSWER and rrset.owner == child and rrset.rdtype in (DS, CNAME):
                return self._store(child, await self._follow_ds_or_cname(zone, rrset, rrsets, expires)), False
        proofs = await self.collect_proofs(zone, rrsets)
        self.budget.refund_signatures(min(len(proofs.verified), MAX_FREE_DENIAL_SIGNATURES))
        cut = await self.prove(proofs.denial, partial(proofs.denial.prove_no_ds, child))
        expires = min([expires, *(self.clock + found.lifetime for found in proofs.verified.values())])
        if cut.kind in (DelegationKind.DELEGATION, DelegationKind.INSECURE):
            found = self._make_insecure(child, DS, f"{to_text(child)}: {cut.reason}", cut.ede, expires)
        elif cut.kind is DelegationKind.UNPROVEN:
            text = f"no proof that {to_text(child)} has no DS: {cut.reason}"
            failed = proofs.failed or VerificationFailure(EDECode.NSEC_MISSING, text)
            found = self._make_bogus(child, DS, failed)
        else:
            self.record_step(child, DS, Security.SECURE, cut.reason, proofs.signer)
            found = evolve(zone, expires=expires)
        return self._store(child, found), cut.kind is DelegationKind.NO_NAME

    async def _follow_ds_or_cname(
        self, zone: ZoneStatus, rrset: SignedRRset, rrsets: Sequence[SignedRRset], expires: float
    ) -> ZoneStatus:
        """The zone of a name that has a DS or CNAME *rrset*."""
        found = await self.verify_rrset(rrset, zone)
        if isinstance(found, VerificationFailure):
            return self._make_bogus(rrset.owner, rrset.rdtype, found)
        if found.wildcard is not None and not await self._is_expanded(zone, rrset, found.wildcard, rrsets):
            text = f"no proof that {to_text(rrset.owner)} comes from a wildcard"
            return self._make_bogus(
                rrset.owner, rrset.rdtype, VerificationFailure(EDECode.NSEC_MISSING, text, found.signer)
            )
        self.budget.refund_signatures()
        expires = min(expires, self.clock + found.lifetime)
        if rrset.rdtype == CNAME:
            self.record_step(rrset.owner, CNAME, Security.SECURE, "signed", found.signer)
            return evolve(zone, expires=expires)
        ds = tuple(map(key_trust.DsRecord.from_rdata, rrset.rdatas))
        self.record_step(rrset.owner, DS, Security.SECURE, f"signed: {format_ds(ds)}", found.signer)
        return await self._with_keys(rrset.owner, ds, expires)

    async def _is_expanded(
        self, zone: ZoneStatus, rrset: SignedRRset, encloser: bytes, rrsets: Sequence[SignedRRset]
    ) -> bool:
        """Whether *rrset*, signed for a wildcard at *encloser*, may stand for its owner: if it is an alias, and no name
        is closer. A wildcard holds no delegation."""
        proofs = await self.collect_proofs(zone, rrsets)
        self.budget.refund_signatures(min(len(proofs.verified), MAX_FREE_DENIAL_SIGNATURES))
        outcome = await self.prove(proofs.denial, partial(proofs.denial.prove_no_closer, rrset.owner, encloser))
        return rrset.rdtype == CNAME and outcome.kind is DenialKind.PROVEN

    async def _with_keys(self, name: bytes, ds: Sequence[key_trust.DsRecord], expires: float) -> ZoneStatus:
        """The zone *name*, whose keys are those of *ds*."""
        answer = await self._fetch(name, DNSKEY)
        expires = min(expires, _expiry(answer))
        rrset = next((each for each in parse_answer(name, answer) if (each.owner, each.rdtype) == (name, DNSKEY)), None)
        if rrset is None:
            return self._make_bogus(
                name, DNSKEY, VerificationFailure(EDECode.DNSKEY_MISSING, f"no DNSKEY of {to_text(name)}")
            )
        work = partial(authenticate_keys, name, ds, rrset, self.now, self.budget, self.settings)
        keys = ZoneKeySet.from_keys(name, select_usable_keys(rrset.rdatas, self.settings.algorithms.enabled))
        found = await self._run(estimate_rrset_seconds(rrset, keys), work)
        if isinstance(found, UnsupportedDelegation):
            return self._make_insecure(name, DNSKEY, found.reason, found.ede, expires)
        if isinstance(found, VerificationFailure):
            return self._make_bogus(name, DNSKEY, found)
        signer = None if found.signature is None else describe_rrsig(found.signature)
        self.record_step(
            name, DNSKEY, Security.SECURE, f"signed by a key that a DS names: {format_keys(found)}", signer
        )
        return ZoneStatus(name, Security.SECURE, found, expires=min(expires, self.clock + found.lifetime))

    async def _fetch(self, name: bytes, rdtype: int) -> Answer:
        self.budget.spend_query()
        try:
            return await self.backend.fetch(name, rdtype)
        except UpstreamError as error:
            self.record_step(name, rdtype, Security.INDETERMINATE, str(error))
            raise

    def _make_insecure(self, name: bytes, rdtype: int, reason: str, ede: EDECode | None, expires: float) -> ZoneStatus:
        self.record_step(name, rdtype, Security.INSECURE, reason)
        return ZoneStatus(name, Security.INSECURE, reason=reason, ede=ede, expires=expires)

    def _make_bogus(self, name: bytes, rdtype: int, failed: VerificationFailure) -> ZoneStatus:
        self.backend.discard(name, rdtype)
        self.record_step(name, rdtype, Security.BOGUS, failed.reason, failed.signer)
        return ZoneStatus(name, Security.BOGUS, reason=failed.reason, ede=failed.ede, signer=failed.signer)


def parse_answer(qname: bytes, answer: Answer, qtype: int = 0) -> tuple[SignedRRset, ...]:
    """The SignedRRsets in *answer* to a question for *qname*; RRSIGs are one only where *qtype* is theirs."""
    return parse_rrsets(qname, len(qname) + QUESTION_STRUCT.size, answer.body, answer.counts(), qtype)


def _expiry(answer: Answer) -> float:
    return (answer.stored_at or 0.0) + answer.ttl
