"""Denial against a model of zones: all that is true is proven, nothing that is false ever is."""

from __future__ import annotations

from functools import cache
from itertools import pairwise, product

import dns.name
import dns.rdatatype
from dns.name import Name
from hypothesis import given
from hypothesis import strategies as st

from graydns.dnssec.denial import AuthenticatedDenial, DelegationKind, DenialKind
from graydns.dnssec.work_budget import ValidationLimits
from tests.conftest import examples
from tests.dnssec.denials import denial
from tests.dnssec.zonemodel import Truth, ZoneModel

TYPES = ("A", "CNAME", "NS", "DS")
#: In canonical order NUL comes before the wildcard, and that before the letter.
LABELS = (b"\0", b"*", b"a")
BELOW = [Name(labels) for count in (1, 2, 3) for labels in product(LABELS, repeat=count)]
ENOUGH = ValidationLimits(nsec3_hashes=10**9)

plain = st.sampled_from([{"A"}, {"MX"}, {"A", "MX"}, {"CNAME"}])
special = st.sampled_from([{"NS"}, {"NS", "DS"}, {"DNAME", "A"}])


@st.composite
def zones(draw: st.DrawFn) -> ZoneModel:
    apex = dns.name.from_text(draw(st.sampled_from(["example.", "."])))
    nodes = {apex: frozenset({"SOA", "NS", "DNSKEY"} | draw(st.sampled_from([set(), {"MX"}])))}
    for name in draw(st.lists(st.sampled_from(BELOW), max_size=8, unique=True)):
        wild = name.labels[0] == b"*"
        nodes[name.concatenate(apex)] = frozenset(draw(plain if wild else plain | special))
    opt_out = draw(st.booleans())
    unsigned = [name for name, types in nodes.items() if types == {"NS"}]
    omitted = draw(st.sets(st.sampled_from(unsigned))) if opt_out and unsigned else set()
    return ZoneModel(
        apex,
        nodes,
        opt_out=opt_out,
        flagged=draw(st.booleans()),
        omitted=frozenset(omitted),
        iterations=draw(st.integers(0, 2)),
        salt=draw(st.binary(max_size=3)),
    )


@cache
def wire(name: Name) -> bytes:
    return name.to_wire() or b""


def questions(zone: ZoneModel) -> list[Name]:
    return [zone.apex, *(name.concatenate(zone.apex) for name in BELOW)]


def some(data: st.DataObject, lines: list[str]) -> list[str]:
    return [line for line in lines if data.draw(st.booleans())]


def check_all_truths(zone: ZoneModel, found: AuthenticatedDenial, *, hashed: bool) -> None:
    for qname in questions(zone):
        truth, name = zone.truth(qname), wire(qname)
        if hashed and truth is Truth.NOWHERE and zone.encloser(qname) not in zone.hashed:
            continue  # an empty non-terminal that was opted out of: what is below it cannot be told
        opted_out = hashed and (
            zone.in_opt_out(zone.closer(qname))
            if truth is Truth.NOWHERE
            else truth is Truth.HERE and qname not in zone.hashed
        )
        proven = DenialKind.INSECURE if opted_out else DenialKind.PROVEN
        for rdtype in TYPES:
            if zone.nodata(qname, rdtype):
                assert found.prove_nodata(name, dns.rdatatype.from_text(rdtype)).kind is proven, (qname, rdtype)
        if zone.nxdomain(qname):
            assert found.prove_nxdomain(name).kind is proven, qname
        if truth is Truth.NOWHERE:
            assert found.prove_no_closer(name, wire(zone.encloser(qname))).kind is proven, qname
        if qname == zone.apex or truth is Truth.ELSEWHERE or "DS" in zone.nodes.get(qname, ()):
            continue
        if proven is DenialKind.INSECURE:
            expected = DelegationKind.INSECURE
        elif truth is Truth.NOWHERE:
            expected = DelegationKind.NO_NAME
        else:
            expected = DelegationKind.DELEGATION if zone.is_cut(qname) else DelegationKind.NO_CUT
        assert found.prove_no_ds(name).kind is expected, qname


def check_no_falsehood(zone: ZoneModel, found: AuthenticatedDenial) -> None:
    for qname in questions(zone):
        name = wire(qname)
        hidden = any(zone.hides_below(upper) and upper in zone.hashed for upper in zone.above(qname))
        may_be_insecure = zone.opt_out and qname not in zone.hashed and not hidden
        for rdtype in TYPES:
            kind = found.prove_nodata(name, dns.rdatatype.from_text(rdtype)).kind
            assert kind is not DenialKind.PROVEN or zone.nodata(qname, rdtype), (qname, rdtype)
            assert kind is not DenialKind.INSECURE or may_be_insecure, (qname, rdtype)
        kind = found.prove_nxdomain(name).kind
        assert kind is not DenialKind.PROVEN or zone.nxdomain(qname), qname
        assert kind is not DenialKind.INSECURE or may_be_insecure, qname
        for closer, encloser in pairwise([qname, *zone.above(qname)]):
            if encloser in zone.names and not zone.hides_below(encloser):
                kind = found.prove_no_closer(name, wire(encloser)).kind
                assert kind is not DenialKind.PROVEN or zone.truth(closer) is Truth.NOWHERE, (qname, encloser)
                assert kind is not DenialKind.INSECURE or (zone.opt_out and closer not in zone.hashed), (
                    qname,
                    encloser,
                )
        check_cut(zone, found, qname, may_be_insecure=may_be_insecure)


def check_cut(zone: ZoneModel, found: AuthenticatedDenial, qname: Name, *, may_be_insecure: bool) -> None:
    truth = zone.truth(qname)
    match found.prove_no_ds(wire(qname)).kind:
        case DelegationKind.DELEGATION:
            assert truth is Truth.HERE
            assert zone.is_cut(qname)
            assert "DS" not in zone.nodes[qname]
        case DelegationKind.NO_CUT:
            assert truth is Truth.HERE
            assert qname != zone.apex
            assert not zone.is_cut(qname)
        case DelegationKind.NO_NAME:
            assert truth is Truth.NOWHERE
        case DelegationKind.INSECURE:
            assert may_be_insecure


@examples(0.4)
@given(zone=zones())
def test_every_truth_is_proven_by_nsec(zone: ZoneModel) -> None:
    check_all_truths(zone, denial(str(zone.apex), zone.nsec, ENOUGH), hashed=False)


@examples(0.4)
@given(zone=zones())
def test_every_truth_is_proven_by_nsec3(zone: ZoneModel) -> None:
    check_all_truths(zone, denial(str(zone.apex), zone.nsec3, ENOUGH), hashed=True)


@examples(0.4)
@given(zone=zones(), data=st.data())
def test_nothing_false_is_proven(zone: ZoneModel, data: st.DataObject) -> None:
    """By any of a zone's records, of one kind or of both."""
    lines = data.draw(st.sampled_from([zone.nsec, zone.nsec3, zone.nsec + zone.nsec3]))
    check_no_falsehood(zone, denial(str(zone.apex), some(data, lines), ENOUGH))


@examples(0.4)
@given(zone=zones())
def test_nothing_false_is_proven_by_all_of_a_zone(zone: ZoneModel) -> None:
    for lines in (zone.nsec, zone.nsec3):
        check_no_falsehood(zone, denial(str(zone.apex), lines, ENOUGH))
