"""The questions that resolvers are compared by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random

import dns.rdatatype
from dns.name import from_text
from dns.rdatatype import RdataType

from tests.dnssec.world.asking import Question
from tests.dnssec.world.faults import FAULTS, Fault
from tests.dnssec.world.faults_of_denial import strip_denial
from tests.dnssec.world.faults_of_keys import add_key
from tools.signed.content import BRIEF_NAMES, NAMES
from tools.signed.spec import Nsec, Nsec3, Spec, Use

# What registers itself has been imported.
assert FAULTS["add-key"].apply is add_key
assert FAULTS["strip-denial"].apply is strip_denial

_TYPES = ("A", "AAAA", "TXT", "MX", "SOA", "NS", "DS", "DNSKEY", "CNAME", "SRV", "HTTPS", "CAA", "NSEC", "RRSIG", "ANY")

#: Types that a question has, by how often.
_USUAL = ("A", "A", "A", "AAAA", "TXT", "MX", "SOA", "NS", "DS", "CNAME")

#: Most ask for proof; some want to know only whether there is one; some do not care; some do it themselves.
_FLAGS = (*[{"DO"}] * 12, *[{"AD"}] * 4, *[set[str]()] * 3, {"CD", "DO"})

_DENIALS: dict[str, Nsec | Nsec3] = {"nsec": Nsec(), "nsec3": Nsec3(), "optout": Nsec3(opt_out=True)}


def faulty() -> dict[str, tuple[Spec, Fault]]:
    """Zones that suffer from the injector's faults, by name: each with NSEC and NSEC3, some with opt-out."""
    zones = {}
    for fault in FAULTS.values():
        for kind, denial in _DENIALS.items():
            if kind != "optout" or fault.denial:
                name = f"{fault.name}-{kind}.test."
                zones[name] = (Spec(name, denial=denial, is_brief=True), fault)
    for name, algorithms in (("strip-one-algorithm.test.", (8, 13)), ("strip-other-algorithm.test.", (13, 8))):
        fault = FAULTS["strip-rsa"]
        zones[name] = (Spec(name, tuple(Use(each) for each in algorithms), is_brief=True), fault)
    return zones


def questions(specs: Iterable[Spec], each: int) -> Iterator[Question]:
    """For every zone, *each* questions, or as many as there are: the same ones every time."""
    for spec in specs:
        random = Random(spec.name)
        names = BRIEF_NAMES if spec.is_brief else NAMES
        pairs = {(label, kind) for label in names for kind in _USUAL} | {("", kind) for kind in _TYPES}
        pairs |= {(label, kind) for label in ("www", "nowhere", "x.wild", "out") for kind in _TYPES}
        for label, kind in random.sample(sorted(pairs), min(each, len(pairs))):
            name = from_text(label, from_text(spec.name)) if label else from_text(spec.name)
            rdtype: RdataType = dns.rdatatype.from_text(kind)
            yield Question(name, rdtype, frozenset(random.choice(_FLAGS)))
