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
from dns.rdatatype import RdataType

from graydns.dnssec.bitmap import Bitmap
from graydns.dnssec.budget import Budget
from graydns.dnssec.evidence import Evidence
from graydns.dnssec.nsec import NsecEvidence
from graydns.dnssec.nsec3 import MOST_ITERATIONS, Nsec3Evidence
from graydns.dnssec.records import RRset
from graydns.model.name import ROOT, is_within, labels, parent, suffixes, to_text
from graydns.model.proof import EdeCode
from graydns.model.rrtype import CNAME, DS, NS, NSEC, NXNAME, RRSIG

T = TypeVar("T")

#: What makes a name the wildcard below it.
_STAR = b"\1*"


class Kind(Enum):
    """What a question came to. INSECURE: proven, but for delegations that are not signed; or not to be looked at."""

    PROVEN = auto()
    INSECURE = auto()
    UNPROVEN = auto()


class Outcome(NamedTuple):
    """*reason*: for people; it leaves out the name asked for where it is PROVEN. *ede*: where there is one."""

    kind: Kind
    reason: str
    ede: EdeCode | None = None


class CutKind(Enum):
    """What is at a name that has no DS.

    DELEGATION: to a zone that is not signed. NO_CUT: the name belongs to the zone that its parent belongs to. NO_NAME:
    nothing, nor below it. INSECURE: perhaps a delegation to a zone that is not signed; or not to be looked at.
    """

    DELEGATION = auto()
    NO_CUT = auto()
    NO_NAME = auto()
    INSECURE = auto()
    UNPROVEN = auto()


class Cut(NamedTuple):
    """*reason* and *ede*: as those of an Outcome."""

    kind: CutKind
    reason: str
    ede: EdeCode | None = None


_CUTS = {Kind.INSECURE: CutKind.INSECURE, Kind.UNPROVEN: CutKind.UNPROVEN}


@frozen
class Denial:
    """What the NSEC and NSEC3 among *rrsets* prove. They are all verified, and signed by *zone*.

    Names are wire form, lowered. Every question may raise Exceeded, of *budget*.
    """

    zone: bytes
    rrsets: Sequence[RRset]
    budget: Budget
    _nsec: NsecEvidence | None = field(init=False, repr=False)
    _nsec3: Nsec3Evidence | None = field(init=False, repr=False)

    @_nsec.default
    def _read_nsec(self) -> NsecEvidence | None:
        return NsecEvidence.read(self.zone, filter(_is_literal, self.rrsets))

    @_nsec3.default
    def _read_nsec3(self) -> Nsec3Evidence | None:
        return Nsec3Evidence.read(self.zone, filter(_is_literal, self.rrsets), self.budget)

    def nodata(self, qname: bytes, qtype: int) -> Outcome:
        """That there are no *qtype* records for *qname*, though it or a wildcard for it exists."""
        if qtype == DS and qname == self.zone != ROOT:
            return self._has_no_say()
        return self._ask(qname, lambda evidence: self._nodata(evidence, qname, qtype))

    def nxdomain(self, qname: bytes) -> Outcome:
        """That neither *qname* nor a wildcard for it exists."""
        return self._ask(qname, lambda evidence: _nxdomain(evidence, qname))

    def no_closer(self, qname: bytes, encloser: bytes) -> Outcome:
        """That nothing is closer to *qname* than ``*.encloser``, which the zone has (RFC 4035 section 5.3.4)."""
        closer = next((name for name in suffixes(qname) if name != ROOT and parent(name) == encloser), None)
        if closer is None:
            return _unproven(f"{to_text(encloser)} is not above {to_text(qname)}")
        return self._ask(closer, lambda evidence: _no_closer(evidence, closer))

    def cut(self, name: bytes) -> Cut:
        """What is at *name*, below the apex of the zone, for which there is no DS."""
        found = self._has_no_say() if name == self.zone else self._ask(name, lambda evidence: _cut(evidence, name))
        return found if isinstance(found, Cut) else Cut(_CUTS[found.kind], found.reason, found.ede)

    def seconds(self) -> float:
        """How much CPU time one question may take, in the worst case that the budget allows."""
        return 0.0 if self._nsec3 is None else self._nsec3.seconds()

    def _ask(self, name: bytes, judge: Callable[[Evidence], T | Outcome]) -> T | Outcome:
        """What *judge* makes of the first evidence that is enough."""
        if not is_within(name, self.zone):
            return _unproven(f"{to_text(name)} is not in {to_text(self.zone)}")
        found: T | Outcome | None = None
        too_dear = self._nsec3 is not None and self._nsec3.is_too_dear
        for evidence in (self._nsec, None if too_dear else self._nsec3):
            if evidence is not None:
                found = judge(evidence)
                if not (isinstance(found, Outcome) and found.kind is Kind.UNPROVEN):
                    return found
        if too_dear:
            text = f"NSEC3 of {to_text(self.zone)} with more than {MOST_ITERATIONS} iterations"
            return Outcome(Kind.INSECURE, text, EdeCode.ITERATIONS)
        return found or _unproven(f"no NSEC or NSEC3 of {to_text(self.zone)}")

    def _has_no_say(self) -> Outcome:
        """What comes of asking the zone about its own DS: only its parent knows (RFC 4035 section 5.2)."""
        return _unproven(f"the zone {to_text(self.zone)} has no say about its own DS")

    def _nodata(self, evidence: Evidence, qname: bytes, qtype: int) -> Outcome:
        types = evidence.types_at(qname)
        if types is not None:
            return self._lacks(types, qname, qtype)
        absence = evidence.absence(qname)
        if absence is None:
            return _unproven(f"no proof that {to_text(qname)} exists, or that it does not")
        if absence.gap.opt_out:
            # Perhaps a delegation, or an empty non-terminal above one: then no wildcard counts (RFC 5155 section 8.6).
            return _opted_out(qname)
        wildcard = _STAR + absence.encloser
        types = evidence.types_at(wildcard)
        if types is not None:
            return self._lacks(types, wildcard, qtype)
        return _unproven(f"neither {to_text(qname)} nor a wildcard for it is proven to exist")

    def _lacks(self, types: Bitmap, name: bytes, rdtype: int) -> Outcome:
        """That *name*, at which there are *types*, has no *rdtype*."""
        # The NSEC and RRSIG of an alias are beside it, so whoever asks for those is not sent on (RFC 4034 section 4).
        for present in (rdtype,) if rdtype in (NSEC, RRSIG) else (rdtype, CNAME):
            if types.has(present):
                return _unproven(f"{to_text(name)} is said to have {_type_text(present)}")
        if name != self.zone and types.has(NS) and rdtype != DS:  # RFC 6840 section 4.1
            return _unproven(f"{to_text(self.zone)} has no say about what is at its delegation {to_text(name)}")
        return Outcome(Kind.PROVEN, "no such data")


def _cut(evidence: Evidence, name: bytes) -> Cut | Outcome:
    types = evidence.types_at(name)
    if types is not None:
        if types.has(DS):
            return _unproven(f"{to_text(name)} is said to have DS")
        if types.has(NS):
            return Cut(CutKind.DELEGATION, "a delegation without DS")
        return Cut(CutKind.NO_CUT, "no delegation")
    absence = evidence.absence(name)
    if absence is None:
        return _unproven(f"no proof that {to_text(name)} has no DS")
    return _opted_out(name) if absence.gap.opt_out else Cut(CutKind.NO_NAME, "no such name")


def _nxdomain(evidence: Evidence, qname: bytes) -> Outcome:
    types = evidence.types_at(qname)
    if types is not None and not types.has(NXNAME):
        return _unproven(f"{to_text(qname)} is said to exist")
    if types is None:
        absence = evidence.absence(qname)
        if absence is None:
            return _unproven(f"no proof that {to_text(qname)} does not exist")
        wildcard = _STAR + absence.encloser
        if evidence.gap(wildcard) is None:
            return _unproven(f"no proof that {to_text(wildcard)} does not exist")
        if absence.gap.opt_out:
            return _opted_out(qname)
    return Outcome(Kind.PROVEN, "no such name")


def _no_closer(evidence: Evidence, closer: bytes) -> Outcome:
    gap = evidence.gap(closer)
    if gap is None:
        return _unproven(f"no proof that {to_text(closer)} does not exist")
    return _opted_out(closer) if gap.opt_out else Outcome(Kind.PROVEN, "no such name")


def _opted_out(name: bytes) -> Outcome:
    """What cannot be told as there may be unsigned delegations (RFC 5155 section 9.2)."""
    return Outcome(Kind.INSECURE, f"{to_text(name)} may be or be below an unsigned delegation (opt-out)")


def _unproven(reason: str) -> Outcome:
    return Outcome(Kind.UNPROVEN, reason, EdeCode.NSEC_MISSING)


def _type_text(rdtype: int) -> str:
    return RdataType.to_text(RdataType.make(rdtype))


def _is_literal(rrset: RRset) -> bool:
    """Whether *rrset* is where it was signed for, and no wildcard's: an NSEC of that is none for another name."""
    owner = rrset.owner
    count = sum(1 for _ in labels(owner)) - 1 - owner.startswith(_STAR)
    return all(signature.labels == count for signature in rrset.signatures)
