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

from graydns.dnssec import delegation
from graydns.dnssec.anchors import Anchors, Negatives
from graydns.dnssec.budget import Budget, Exceeded, TooManyQueries
from graydns.dnssec.delegation import Unsupported, trust_keys
from graydns.dnssec.denial import CutKind, Denial, Kind
from graydns.dnssec.keys import KeySet, usable
from graydns.dnssec.records import RRset, read
from graydns.dnssec.signature import Failed, Settings, Verified, cost, signer_of, verify
from graydns.dnssec.source import Source
from graydns.dnssec.steps import Step, show_ds, show_keys
from graydns.dnssec.zones import Zone, Zones
from graydns.model.answer import ANSWER, AUTHORITY, Answer
from graydns.model.errors import UpstreamError
from graydns.model.name import ROOT, suffixes, to_text
from graydns.model.proof import EdeCode, Security, Signer
from graydns.model.rrtype import CNAME, DNSKEY, DS, NSEC, NSEC3
from graydns.wire.header import QUESTION
from graydns.wire.rrsig import after

T = TypeVar("T")

DENIALS = (NSEC, NSEC3)

#: Seconds of work for one answer from which the rest is not done where it would keep other queries waiting.
LONG = 0.002

#: Records that prove that there is no DS: an NSEC, or two NSEC3. Further ones count as those of an answer do, as a
#: zone's owner may have any number of them, at each label of a name.
ENOUGH = 2

#: Seconds for which a trust anchor's keys are taken to hold, unless their TTL is shorter.
LONGEST = 86_400.0


@frozen
class Proofs:
    """The proofs of non-existence in an answer that a zone vouches for. *failed*: why another one is none."""

    denial: Denial
    verified: Mapping[RRset, Verified]
    failed: Failed | None

    @property
    def signer(self) -> Signer | None:
        """Who vouches for them."""
        return next((found.signer for found in self.verified.values()), None)


@frozen
class Walk:
    """All that the validation of one answer has at hand.

    *now*: Unix seconds for signatures; *clock*: monotonic seconds for TTLs. *steps*: takes what was found, None =
    nobody wants to know.
    """

    source: Source
    settings: Settings
    anchors: Anchors
    negatives: Negatives
    zones: Zones
    budget: Budget
    now: int
    clock: float
    steps: list[Step] | None = None

    async def zone_of(self, name: bytes) -> Zone:
        """The deepest zone known, or to be found, at or above *name*. Raises Exceeded, UpstreamError, Overloaded."""
        negative = self.negatives.covering(name)
        way: list[bytes] = []
        for suffix in suffixes(name):
            if suffix == negative:
                return self._insecure(suffix, DS, f"negative trust anchor at {to_text(suffix)}", None, self.clock)
            if (zone := self.zones.find(suffix, self.clock)) is not None:
                break
            if (anchor := self.anchors.by_zone.get(suffix)) is not None:
                self.note(suffix, DS, Security.SECURE, f"trust anchor: {show_ds(anchor.ds)}")
                zone = await self._once(suffix, partial(self._anchored, suffix, anchor.ds))
                break
            way.append(suffix)
        else:
            reason = f"no trust anchor at or above {to_text(name)}"
            return Zone(ROOT, Security.INDETERMINATE, reason=reason)
        for child in reversed(way):
            if zone.security is not Security.SECURE:
                break
            found = await self._once(child, partial(self._step, zone, child))
            zone, ended = found
            if ended:
                break
        return zone

    def floor(self, name: bytes) -> bytes:
        """Where what is believed of *name* begins: the deepest anchor, negative or not, at or above it.

        A zone above that has no say in it, whatever it signs.
        """
        negative = self.negatives.covering(name)
        return next((each for each in suffixes(name) if each == negative or each in self.anchors.by_zone), ROOT)

    async def verify(self, rrset: RRset, zone: Zone) -> Verified | Failed:
        """Whether the keys of *zone*, a secure one, vouch for *rrset*. Raises Exceeded, Overloaded."""
        assert zone.keys is not None
        work = partial(verify, rrset, zone.keys, self.now, self.budget, self.settings)
        return await self._work(cost(rrset, zone.keys), work)

    async def proofs(self, zone: Zone, rrsets: Iterable[RRset]) -> Proofs:
        """The proofs of non-existence among *rrsets* that claim to be of *zone*. Raises as :meth:`verify`."""
        verified: dict[RRset, Verified] = {}
        failed = None
        for rrset in rrsets:
            if rrset.rdtype not in DENIALS or rrset.section != AUTHORITY:
                continue
            if rrset.signatures and all(each.signer != zone.name for each in rrset.signatures):
                continue
            found = await self.verify(rrset, zone)
            if isinstance(found, Failed):
                failed = failed or found
            else:
                verified[rrset] = found
        return Proofs(Denial(zone.name, tuple(verified), self.budget), verified, failed)

    async def proven(self, denial: Denial, proof: Callable[[], T]) -> T:
        """What *proof*, a question to *denial*, gives."""
        return await self._work(denial.seconds(), proof)

    async def _work(self, seconds: float, work: Callable[[], T]) -> T:
        """What *work* gives, which may take *seconds*."""
        self.budget.at_a_stretch += seconds
        if self.budget.at_a_stretch < LONG:
            return work()
        self.budget.at_a_stretch = 0.0
        return await self.source.run(work)

    def moment(self, expiration: int) -> int:
        """The Unix seconds that *expiration*, a serial number, means."""
        return self.now + after(expiration, self.now)

    def note(self, name: bytes, rdtype: int, security: Security, text: str, signer: Signer | None = None) -> None:
        """Tell whoever wants to know."""
        if self.steps is not None:
            self.steps.append(Step(name, rdtype, security, text, signer))

    def _keep(self, name: bytes, zone: Zone) -> Zone:
        return self.zones.keep(name, zone, self.clock)

    async def _once(self, name: bytes, find: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What *find* finds out of *name*. A step never waits for another one, so nobody waits for himself."""
        untouched = self.budget.is_untouched
        try:
            return await (find() if self.steps is not None else self.source.share(name, find))
        except TooManyQueries:
            raise
        except Exceeded as error:
            if untouched:  # so it was too much by itself, and would be for everybody else
                for rdtype in (DS, DNSKEY):
                    self.source.forget(name, rdtype)
                self._keep(name, Zone(name, Security.BOGUS, reason=str(error), ede=EdeCode.BOGUS))
            raise

    async def _anchored(self, name: bytes, ds: Sequence[delegation.DS]) -> Zone:
        """The zone *name*, which has a trust anchor."""
        if (known := self.zones.find(name, self.clock)) is not None:
            return known
        return self._keep(name, await self._with_keys(name, ds, self.clock + LONGEST))

    async def _step(self, zone: Zone, child: bytes) -> tuple[Zone, bool]:
        """The zone that *child* belongs to, whose parent is in *zone*; and whether there is nothing below it."""
        if (known := self.zones.find(child, self.clock)) is not None:
            return known, False  # others asked at the same time
        answer = await self._ask(child, DS)
        rrsets = read_answer(child, answer)
        expires = min(zone.expires, _expires(answer))
        for rrset in rrsets:
            if rrset.section == ANSWER and rrset.owner == child and rrset.rdtype in (DS, CNAME):
                return self._keep(child, await self._positive(zone, rrset, rrsets, expires)), False
        proofs = await self.proofs(zone, rrsets)
        self.budget.return_signature(min(len(proofs.verified), ENOUGH))
        cut = await self.proven(proofs.denial, partial(proofs.denial.cut, child))
        expires = min([expires, *(self.clock + found.lifetime for found in proofs.verified.values())])
        if cut.kind in (CutKind.DELEGATION, CutKind.INSECURE):
            found = self._insecure(child, DS, f"{to_text(child)}: {cut.reason}", cut.ede, expires)
        elif cut.kind is CutKind.UNPROVEN:
            text = f"no proof that {to_text(child)} has no DS: {cut.reason}"
            failed = proofs.failed or Failed(EdeCode.NSEC_MISSING, text)
            found = self._bogus(child, DS, failed)
        else:
            self.note(child, DS, Security.SECURE, cut.reason, proofs.signer)
            found = evolve(zone, expires=expires)
        return self._keep(child, found), cut.kind is CutKind.NO_NAME

    async def _positive(self, zone: Zone, rrset: RRset, rrsets: Sequence[RRset], expires: float) -> Zone:
        """The zone of a name that has a DS or CNAME *rrset*."""
        found = await self.verify(rrset, zone)
        if isinstance(found, Failed):
            return self._bogus(rrset.owner, rrset.rdtype, found)
        if found.wildcard is not None and not await self._is_expanded(zone, rrset, found.wildcard, rrsets):
            text = f"no proof that {to_text(rrset.owner)} comes from a wildcard"
            return self._bogus(rrset.owner, rrset.rdtype, Failed(EdeCode.NSEC_MISSING, text, found.signer))
        self.budget.return_signature()
        expires = min(expires, self.clock + found.lifetime)
        if rrset.rdtype == CNAME:
            self.note(rrset.owner, CNAME, Security.SECURE, "signed", found.signer)
            return evolve(zone, expires=expires)
        ds = tuple(map(delegation.DS.read, rrset.rdatas))
        self.note(rrset.owner, DS, Security.SECURE, f"signed: {show_ds(ds)}", found.signer)
        return await self._with_keys(rrset.owner, ds, expires)

    async def _is_expanded(self, zone: Zone, rrset: RRset, encloser: bytes, rrsets: Sequence[RRset]) -> bool:
        """Whether *rrset*, signed for a wildcard at *encloser*, may stand for its owner: if it is an alias, and no name
        is closer. A wildcard holds no delegation."""
        proofs = await self.proofs(zone, rrsets)
        self.budget.return_signature(min(len(proofs.verified), ENOUGH))
        outcome = await self.proven(proofs.denial, partial(proofs.denial.no_closer, rrset.owner, encloser))
        return rrset.rdtype == CNAME and outcome.kind is Kind.PROVEN

    async def _with_keys(self, name: bytes, ds: Sequence[delegation.DS], expires: float) -> Zone:
        """The zone *name*, whose keys are those that *ds* vouches for."""
        answer = await self._ask(name, DNSKEY)
        expires = min(expires, _expires(answer))
        rrset = next((each for each in read_answer(name, answer) if (each.owner, each.rdtype) == (name, DNSKEY)), None)
        if rrset is None:
            return self._bogus(name, DNSKEY, Failed(EdeCode.DNSKEY_MISSING, f"no DNSKEY of {to_text(name)}"))
        work = partial(trust_keys, name, ds, rrset, self.now, self.budget, self.settings)
        keys = KeySet.of(name, usable(rrset.rdatas, self.settings.algorithms.enabled))
        found = await self._work(cost(rrset, keys), work)
        if isinstance(found, Unsupported):
            return self._insecure(name, DNSKEY, found.reason, found.ede, expires)
        if isinstance(found, Failed):
            return self._bogus(name, DNSKEY, found)
        signer = None if found.signature is None else signer_of(found.signature)
        self.note(name, DNSKEY, Security.SECURE, f"signed by a key that a DS names: {show_keys(found)}", signer)
        return Zone(name, Security.SECURE, found, expires=min(expires, self.clock + found.lifetime))

    async def _ask(self, name: bytes, rdtype: int) -> Answer:
        self.budget.spend_query()
        try:
            return await self.source.ask(name, rdtype)
        except UpstreamError as error:
            self.note(name, rdtype, Security.INDETERMINATE, str(error))
            raise

    def _insecure(self, name: bytes, rdtype: int, reason: str, ede: EdeCode | None, expires: float) -> Zone:
        self.note(name, rdtype, Security.INSECURE, reason)
        return Zone(name, Security.INSECURE, reason=reason, ede=ede, expires=expires)

    def _bogus(self, name: bytes, rdtype: int, failed: Failed) -> Zone:
        self.source.forget(name, rdtype)
        self.note(name, rdtype, Security.BOGUS, failed.reason, failed.signer)
        return Zone(name, Security.BOGUS, reason=failed.reason, ede=failed.ede, signer=failed.signer)


def read_answer(qname: bytes, answer: Answer, qtype: int = 0) -> tuple[RRset, ...]:
    """The RRsets in *answer* to a question for *qname*; RRSIGs are one only where *qtype* is theirs."""
    return read(qname, len(qname) + QUESTION.size, answer.body, answer.counts(), qtype)


def _expires(answer: Answer) -> float:
    return (answer.stored or 0.0) + answer.ttl
