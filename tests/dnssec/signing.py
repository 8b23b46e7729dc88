"""Signed records for tests: dnspython signs and writes the message, ``dnssec.records`` reads it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

import dns.dnssec
import dns.message
import dns.name
import dns.rdataset
import dns.rrset
from attrs import frozen
from dns.dnssecalgs import get_algorithm_cls
from dns.dnssecalgs.base import GenericPrivateKey
from dns.dnssecalgs.rsa import PrivateRSA
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.DNSKEY import DNSKEY

from graydns.dnssec.rrsets import SignedRRset, parse_rrsets
from graydns.dnssec.signature import ValidatorSettings
from graydns.dnssec.work_budget import ValidationLimits, WorkBudget
from graydns.dnssec.zone_keys import SUPPORTED_ALGORITHMS, EnabledAlgorithms, ZoneKey, ZoneKeySet
from graydns.model.name import from_text
from graydns.wire.message import QUESTION_OFFSET, QUESTION_STRUCT

NOW = 1_700_000_000
INCEPTION, EXPIRATION = NOW - 3600, NOW + 86400

ALL = ValidatorSettings(algorithms=EnabledAlgorithms(SUPPORTED_ALGORITHMS))


def private_key(algorithm: int, number: int = 0) -> GenericPrivateKey:
    """A new key; always the same for the same arguments."""
    return _private_key(algorithm, number)


@cache
def _private_key(algorithm: int, number: int) -> GenericPrivateKey:
    made = get_algorithm_cls(algorithm)
    if issubclass(made, PrivateRSA):
        return made.generate(1024)
    return made.generate()  # type: ignore[attr-defined,no-any-return]


@frozen
class Zone:
    """A zone with one key."""

    name: str = "example."
    algorithm: int = 13
    number: int = 0
    flags: int = 257

    @property
    def dnskey(self) -> DNSKEY:
        return private_key(self.algorithm, self.number).public_key().to_dnskey(flags=self.flags)

    @property
    def octets(self) -> bytes:
        return self.dnskey.to_digestable()

    @property
    def keys(self) -> ZoneKeySet:
        return ZoneKeySet.from_keys(from_text(self.name), [ZoneKey(self.octets)])

    def signed(
        self, rrset: dns.rrset.RRset, inception: int = INCEPTION, expiration: int = EXPIRATION
    ) -> dns.rrset.RRset:
        """The RRSIG of *rrset*."""
        rrsig = dns.dnssec.sign(
            rrset,
            private_key(self.algorithm, self.number),
            dns.name.from_text(self.name),
            self.dnskey,
            inception=inception % 2**32,
            expiration=expiration % 2**32,
            policy=dns.dnssec.allow_all_policy,
        )
        return dns.rrset.from_rdata(rrset.name, rrset.ttl, rrsig)


def budget(limits: ValidationLimits | None = None) -> WorkBudget:
    return WorkBudget(limits or ValidationLimits())


def rrsets(text: str) -> list[dns.rrset.RRset]:
    """From lines of a zone file that name owner, TTL and class each."""
    found: dict[tuple[str, str, str], dns.rrset.RRset] = {}
    for line in re.sub(r"\(([^)]*)\)", lambda match: match[1].replace("\n", " "), text).strip().splitlines():
        owner, ttl, _, rdtype, rdata = line.split(maxsplit=4)
        covered = rdata.split()[0] if rdtype == "RRSIG" else ""
        rrset = dns.rrset.from_text(owner, int(ttl), "IN", rdtype, rdata)
        found.setdefault((owner, rdtype, covered), rrset).add(rrset[0])
    return list(found.values())


def message(answer: Iterable[dns.rrset.RRset], qname: str = ".", authority: Iterable[dns.rrset.RRset] = ()) -> bytes:
    """A reply as a server writes it: compressed, letters as they are."""
    made = dns.message.Message()
    made.question.append(dns.rrset.RRset(dns.name.from_text(qname), RdataClass.IN, RdataType.A))
    made.answer.extend(answer)
    made.authority.extend(authority)
    return made.to_wire(max_size=65535)


def body_of(wire: bytes, qname: str = ".") -> tuple[bytes, int, bytes, tuple[int, int, int]]:
    """What ``records.read`` takes, of a *message*."""
    name = from_text(qname)
    size = len(name) + QUESTION_STRUCT.size
    counts = (int.from_bytes(wire[6:8]), int.from_bytes(wire[8:10]), int.from_bytes(wire[10:12]))
    return name, size, wire[QUESTION_OFFSET + size :], counts


def received(answer: Sequence[dns.rrset.RRset]) -> tuple[SignedRRset, ...]:
    return parse_rrsets(*body_of(message(answer)))


def one(answer: Sequence[dns.rrset.RRset]) -> SignedRRset:
    """The only RRset of *answer*, with its signatures."""
    (found,) = received(answer)
    return found
