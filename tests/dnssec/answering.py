"""An upstream in memory, with signed zones, and what the validator makes of what it says."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import dns.dnssec
import dns.rrset
from attrs import define, field
from dns.rdatatype import RdataType

from graydns.dnssec.chain_of_trust import ChainOfTrust
from graydns.dnssec.key_trust import NegativeTrustAnchors, TrustAnchors
from graydns.dnssec.signature import ValidatorSettings
from graydns.dnssec.validator import ValidationResult, validate
from graydns.dnssec.work_budget import WorkBudget
from graydns.dnssec.zone_status import ValidationStep, ZoneStatusCache
from graydns.model.answer import ANSWER, AUTHORITY, Answer
from graydns.model.dnssec_values import TrustAnchor
from graydns.model.errors import UpstreamError
from graydns.model.name import from_text, to_text
from graydns.wire import answer_body as wire
from tests.coroutines import finished
from tests.dnssec.signing import NOW, Zone

T = TypeVar("T")

Records = Sequence[dns.rrset.RRset]

ROOT, TEST, SHOP, OTHER = Zone("."), Zone("test.", number=1), Zone("shop.test.", number=2), Zone("other.test.", 15)

SOA = "SOA ns.{0} admin.{0} 1 3600 900 604800 300"


def rrset(text: str) -> dns.rrset.RRset:
    """``OWNER TYPE RDATA``; several rdatas are joined by `` / ``."""
    owner, rdtype, rdata = text.split(maxsplit=2)
    return dns.rrset.from_text(owner, 300, "IN", rdtype, *rdata.split(" / "))


def signed(zone: Zone, *texts: str) -> list[dns.rrset.RRset]:
    """The RRsets, each followed by its RRSIG."""
    return [each for text in texts for each in (rrset(text), zone.signed(rrset(text)))]


def soa(zone: Zone) -> str:
    """The SOA of *zone*, for :func:`rrset`."""
    return f"{zone.name} {SOA.format(zone.name.removeprefix('.'))}"


def answer(
    qname: str, records: Records = (), authority: Records = (), rcode: int = 0, *, stored: float = 0.0
) -> Answer:
    """What an upstream says of *qname*."""
    sets = [
        wire.RRset(
            section,
            each.name.canonicalize().to_wire() or b"",
            each.rdtype,
            each.rdclass,
            each.ttl,
            tuple(rdata.to_wire() or b"" for rdata in each),
        )
        for section, part in ((ANSWER, records), (AUTHORITY, authority))
        for each in part
    ]
    body, spans = wire.build_body(from_text(qname), sets)
    return Answer(rcode=rcode, body=body, spans=spans, ttl=300, stored_at=stored, forwarded=True)


@define(eq=False)
class Upstream:
    """Implements ``Source`` with what it was told. *asked*: every question; *forgotten*: what is to come anew."""

    answers: dict[tuple[bytes, int], Answer] = field(factory=dict)
    asked: list[str] = field(factory=list)
    forgotten: list[str] = field(factory=list)
    ran: int = 0

    async def fetch(self, name: bytes, rdtype: int) -> Answer:
        self.asked.append(f"{to_text(name)} {RdataType.to_text(rdtype)}")
        try:
            return self.answers[name, rdtype]
        except KeyError:
            raise UpstreamError("nobody answers") from None

    def discard(self, name: bytes, rdtype: int) -> None:
        self.forgotten.append(f"{to_text(name)} {RdataType.to_text(rdtype)}")

    async def run(self, work: Callable[[], T]) -> T:
        self.ran += 1
        return work()

    async def coalesce(self, name: bytes, find: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return await find()

    def says(self, qname: str, rdtype: str, records: Records = (), authority: Records = (), rcode: int = 0) -> None:
        """Answer so from now on."""
        told = answer(qname, records, authority, rcode)
        self.answers[from_text(qname), RdataType.from_text(rdtype)] = told

    def has(self, zone: Zone, parent: Zone | None = None) -> None:
        """Have the keys of *zone*, and its DS if it has a *parent*."""
        self.says(zone.name, "DNSKEY", signed(zone, f"{zone.name} DNSKEY {zone.dnskey.to_text()}"))
        if parent is not None:
            self.says(zone.name, "DS", signed(parent, ds_of(zone)))

    def lacks(self, name: str, parent: Zone, *types: str, following: str = "zzz.test.") -> None:
        """Prove that there is no DS at *name*, where there are *types*."""
        proof = signed(parent, soa(parent), f"{name} NSEC {following} {' '.join(types)} RRSIG NSEC")
        self.says(name, "DS", (), proof)


def ds_of(zone: Zone) -> str:
    """The DS of *zone*, for :func:`rrset`."""
    return f"{zone.name} DS {dns.dnssec.make_ds(zone.name, zone.dnskey, 'SHA256').to_text()}"


def anchors(*zones: Zone) -> TrustAnchors:
    """*zones* are trusted."""
    return TrustAnchors.of(TrustAnchor(from_text(each.name), RdataType.DNSKEY, each.octets) for each in zones)


def world() -> Upstream:
    """The root, test, and below that shop.test and other.test, all signed and with a www; plain.test, which is not."""
    made = Upstream()
    made.has(ROOT)
    made.has(TEST, ROOT)
    for zone in (SHOP, OTHER):
        made.has(zone, TEST)
        made.lacks(f"www.{zone.name}", zone, "A", following=f"zzz.{zone.name}")
    made.lacks("plain.test.", TEST, "NS")
    return made


def sign_keys_wrongly(upstream: Upstream, times: int) -> None:
    """Put so many signatures of other keys before the right one that the keys of SHOP have."""
    keys = rrset(f"{SHOP.name} DNSKEY {SHOP.dnskey.to_text()}")
    others = [rrset(f"{SHOP.name} DNSKEY {Zone(SHOP.name, number=50 + each).dnskey}") for each in range(times)]
    upstream.says(SHOP.name, "DNSKEY", [keys, *map(SHOP.signed, others), SHOP.signed(keys)])


def judge(
    upstream: Upstream,
    qname: str,
    qtype: str,
    told: Answer,
    *,
    trust: TrustAnchors | None = None,
    negatives: NegativeTrustAnchors | None = None,
    zones: ZoneStatusCache | None = None,
    settings: ValidatorSettings | None = None,
    clock: float = 0.0,
    now: int = NOW,
    steps: list[ValidationStep] | None = None,
) -> ValidationResult:
    """What *told* is worth as an answer of *upstream*."""
    settings = settings or ValidatorSettings()
    walk = ChainOfTrust(
        backend=upstream,
        settings=settings,
        anchors=anchors(ROOT) if trust is None else trust,
        negatives=negatives or NegativeTrustAnchors(),
        zones=ZoneStatusCache() if zones is None else zones,
        budget=WorkBudget(settings.limits),
        now=now,
        clock=clock,
        steps=steps,
    )
    return finished(validate(walk, from_text(qname), RdataType.from_text(qtype), told))
