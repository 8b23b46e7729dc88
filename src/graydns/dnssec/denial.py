"""Denial: whether NSEC and NSEC3 records prove what an answer leaves out (RFC 4035 section 5.4, RFC 5155 section 8).

::

    question ─┬─ the name is shown to exist ──► what is at it
              └─ it is shown not to exist ────► its closest encloser ──► the wildcard there
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import NamedTuple, TypeVar

from attrs import field, frozen
from dns.edns import EDECode
from dns.rdatatype import RdataType

from graydns.dnssec.denial_evidence import DenialEvidence, TypeBitmap
from graydns.dnssec.nsec import NsecEvidence
from graydns.dnssec.nsec3 import MAX_ITERATIONS, Nsec3Evidence
from graydns.dnssec.rrsets import SignedRRset
from graydns.dnssec.work_budget import WorkBudget
from graydns.model.dns_parameters import CNAME, DS, NS, NSEC, NXNAME, RRSIG
from graydns.model.name import ROOT, is_within, labels, parent, suffixes, to_text

OutcomeT = TypeVar("OutcomeT")

#: What makes a name the wildcard below it.
_WILDCARD_LABEL = b"\1*"


class DenialKind(Enum):
    """What a question came to. INSECURE: proven, but for delegations that are not signed; or not to be looked at."""

    PROVEN = auto()
    INSECURE = auto()
    UNPROVEN = auto()


class DenialOutcome(NamedTuple):
    """*reason*: for people; it leaves out the name asked for where it is PROVEN. *ede*: where there is one."""

    kind: DenialKind
    reason: str
    ede: EDECode | None = None


class DelegationKind(Enum):
    """What is at a name that has no DS.

    DELEGATION: to a zone that is not signed. NO_CUT: the name belongs to the zone that its parent belongs to. NO_NAME:
    nothing, nor below it. INSECURE: perhaps a delegation to a zone that is not signed; or not to be looked at.
    """

    DELEGATION = auto()
    NO_CUT = auto()
    NO_NAME = auto()
    INSECURE = auto()
    UNPROVEN = auto()


class DelegationOutcome(NamedTuple):
    """*reason* and *ede*: as those of a DenialOutcome."""

    kind: DelegationKind
    reason: str
    ede: EDECode | None = None


_DELEGATION_KINDS = {DenialKind.INSECURE: DelegationKind.INSECURE, DenialKind.UNPROVEN: DelegationKind.UNPROVEN}


@frozen
class AuthenticatedDenial:
    """What the NSEC and NSEC3 among *rrsets* prove. They are all verified, and signed by *zone*.

    Names are wire form, lowered. Every method may raise WorkLimitExceededError, of *budget*.
    """

    zone: bytes
    rrsets: Sequence[SignedRRset]
    budget: WorkBudget
    _nsec: NsecEvidence | None = field(init=False, repr=False)
    _nsec3: Nsec3Evidence | None = field(init=False, repr=False)

    @_nsec.default
    def _read_nsec(self) -> NsecEvidence | None:
        return NsecEvidence.read(self.zone, filter(_is_unexpanded, self.rrsets))

    @_nsec3.default
    def _read_nsec3(self) -> Nsec3Evidence | None:
        return Nsec3Evidence.read(self.zone, filter(_is_unexpanded, self.rrsets), self.budget)

    def prove_nodata(self, qname: bytes, qtype: int) -> DenialOutcome:
        """That there are no *qtype* records for *qname*, though it or a wildcard for it exists."""
        if qtype == DS and qname == self.zone != ROOT:
            return self._parent_decides()
        return self._evaluate(qname, lambda evidence: self._prove_nodata(evidence, qname, qtype))

    def prove_nxdomain(self, qname: bytes) -> DenialOutcome:
        """That neither *qname* nor a wildcard for it exists."""
        return self._evaluate(qname, lambda evidence: _prove_nxdomain(evidence, qname))

    def prove_no_closer(self, qname: bytes, encloser: bytes) -> DenialOutcome:
        """That nothing is closer to *qname* than ``*.encloser``, which the zone has (RFC 4035 section 5.3.4)."""
        closer = next((name for name in suffixes(qname) if name != ROOT and parent(name) == encloser), None)
        if closer is None:
            return _make_unproven(f"{to_text(encloser)} is not above {to_text(qname)}")
        return self._evaluate(closer, lambda evidence: _prove_no_closer(evidence, closer))

    def prove_no_ds(self, name: bytes) -> DelegationOutcome:
        """What is at *name*, below the apex of the zone, for which there is no DS."""
        found = (
            self._parent_decides()
            if name == self.zone
            else self._evaluate(name, lambda evidence: _prove_delegation(evidence, name))
        )
        return (
            found
            if isinstance(found, DelegationOutcome)
            else DelegationOutcome(_DELEGATION_KINDS[found.kind], found.reason, found.ede)
        )

    def estimate_seconds(self) -> float:
        """How much CPU time one question may take, in the worst case that the budget allows."""
        return 0.0 if self._nsec3 is None else self._nsec3.estimate_seconds()

    def _evaluate(
        self, name: bytes, judge: Callable[[DenialEvidence], OutcomeT | DenialOutcome]
    ) -> OutcomeT | DenialOutcome:
        """What *judge* makes of the first evidence that is enough."""
        if not is_within(name, self.zone):
            return _make_unproven(f"{to_text(name)} is not in {to_text(self.zone)}")
        found: OutcomeT | DenialOutcome | None = None
        too_dear = self._nsec3 is not None and self._nsec3.exceeds_iterations
        for evidence in (self._nsec, None if too_dear else self._nsec3):
            if evidence is not None:
                found = judge(evidence)
                if not (isinstance(found, DenialOutcome) and found.kind is DenialKind.UNPROVEN):
                    return found
        if too_dear:
            text = f"NSEC3 of {to_text(self.zone)} with more than {MAX_ITERATIONS} iterations"
            return DenialOutcome(DenialKind.INSECURE, text, EDECode.UNSUPPORTED_NSEC3_ITERATIONS_VALUE)
        return found or _make_unproven(f"no NSEC or NSEC3 of {to_text(self.zone)}")

    def _parent_decides(self) -> DenialOutcome:
        """What comes of asking the zone about its own DS: only its parent knows (RFC 4035 section 5.2)."""
        return _make_unproven(f"the zone {to_text(self.zone)} has no say about its own DS")

    def _prove_nodata(self, evidence: DenialEvidence, qname: bytes, qtype: int) -> DenialOutcome:
        types = evidence.types_at(qname)
        if types is not None:
            return self._prove_type_absent(types, qname, qtype)
        absence = evidence.find_absence(qname)
        if absence is None:
            return _make_unproven(f"no proof that {to_text(qname)} exists, or that it does not")
        if absence.gap.opt_out:
            # Perhaps a delegation, or an empty non-terminal above one: then no wildcard counts (RFC 5155 section 8.6).
            return _make_opt_out(qname)
        wildcard = _WILDCARD_LABEL + absence.encloser
        types = evidence.types_at(wildcard)
        if types is not None:
            return self._prove_type_absent(types, wildcard, qtype)
        return _make_unproven(f"neither {to_text(qname)} nor a wildcard for it is proven to exist")

    def _prove_type_absent(self, types: TypeBitmap, name: bytes, rdtype: int) -> DenialOutcome:
        """That *name*, at which there are *types*, has no *rdtype*."""
        # The NSEC and RRSIG of an alias are beside it, so a query for those is answered there (RFC 4034 section 4).
        for present in (rdtype,) if rdtype in (NSEC, RRSIG) else (rdtype, CNAME):
            if types.has(present):
                return _make_unproven(f"{to_text(name)} is said to have {_format_rdtype(present)}")
        if name != self.zone and types.has(NS) and rdtype != DS:  # RFC 6840 section 4.1
            return _make_unproven(f"{to_text(self.zone)} has no say about what is at its delegation {to_text(name)}")
        return DenialOutcome(DenialKind.PROVEN, "no such data")


def _prove_delegation(evidence: DenialEvidence, name: bytes) -> DelegationOutcome | DenialOutcome:
    types = evidence.types_at(name)
    if types is not None:
        if types.has(DS):
            return _make_unproven(f"{to_text(name)} is said to have DS")
        if types.has(NS):
            return DelegationOutcome(DelegationKind.DELEGATION, "a delegation without DS")
        return DelegationOutcome(DelegationKind.NO_CUT, "no delegation")
    absence = evidence.find_absence(name)
    if absence is None:
        return _make_unproven(f"no proof that {to_text(name)} has no DS")
    return _make_opt_out(name) if absence.gap.opt_out else DelegationOutcome(DelegationKind.NO_NAME, "no such name")


def _prove_nxdomain(evidence: DenialEvidence, qname: bytes) -> DenialOutcome:
    types = evidence.types_at(qname)
    if types is not None and not types.has(NXNAME):
        return _make_unproven(f"{to_text(qname)} is said to exist")
    if types is None:
        absence = evidence.find_absence(qname)
        if absence is None:
            return _make_unproven(f"no proof that {to_text(qname)} does not exist")
        wildcard = _WILDCARD_LABEL + absence.encloser
        if evidence.find_gap(wildcard) is None:
            return _make_unproven(f"no proof that {to_text(wildcard)} does not exist")
        if absence.gap.opt_out:
            return _make_opt_out(qname)
    return DenialOutcome(DenialKind.PROVEN, "no such name")


def _prove_no_closer(evidence: DenialEvidence, closer: bytes) -> DenialOutcome:
    gap = evidence.find_gap(closer)
    if gap is None:
        return _make_unproven(f"no proof that {to_text(closer)} does not exist")
    return _make_opt_out(closer) if gap.opt_out else DenialOutcome(DenialKind.PROVEN, "no such name")


def _make_opt_out(name: bytes) -> DenialOutcome:
    """What cannot be proven as there may be unsigned delegations (RFC 5155 section 9.2)."""
    return DenialOutcome(DenialKind.INSECURE, f"{to_text(name)} may be or be below an unsigned delegation (opt-out)")


def _make_unproven(reason: str) -> DenialOutcome:
    return DenialOutcome(DenialKind.UNPROVEN, reason, EDECode.NSEC_MISSING)


def _format_rdtype(rdtype: int) -> str:
    return RdataType.to_text(RdataType.make(rdtype))


def _is_unexpanded(rrset: SignedRRset) -> bool:
    """Whether *rrset* is where it was signed for, and no wildcard's: an NSEC of that is none for another name."""
    owner = rrset.owner
    count = sum(1 for _ in labels(owner)) - 1 - owner.startswith(_WILDCARD_LABEL)
    return all(signature.labels == count for signature in rrset.signatures)
