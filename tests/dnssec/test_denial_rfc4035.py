"""The zone of RFC 4035 appendix A and the answers of its appendix B."""

from __future__ import annotations

from dns.rdatatype import AAAA, CNAME, DS, MX, A

from graydns.dnssec.denial import CutKind, Denial, Kind
from graydns.model.name import from_text as name
from tests.dnssec.denials import denial

CHAIN = {
    "example.": "a.example. NS SOA MX RRSIG NSEC DNSKEY",
    "a.example.": "ai.example. NS DS RRSIG NSEC",
    "ai.example.": "b.example. A HINFO AAAA RRSIG NSEC",
    "b.example.": "ns1.example. NS RRSIG NSEC",
    "ns1.example.": "ns2.example. A RRSIG NSEC",
    "ns2.example.": "*.w.example. A RRSIG NSEC",
    "*.w.example.": "x.w.example. MX RRSIG NSEC",
    "x.w.example.": "x.y.w.example. MX RRSIG NSEC",
    "x.y.w.example.": "xx.example. MX RRSIG NSEC",
    "xx.example.": "example. A HINFO AAAA RRSIG NSEC",
}


def with_records(*owners: str) -> Denial:
    return denial("example.", [f"{owner} NSEC {CHAIN[owner]}" for owner in owners])


def test_b2_name_error() -> None:
    both = with_records("b.example.", "example.")
    assert both.nxdomain(name("ml.example.")).kind is Kind.PROVEN
    assert both.nodata(name("ml.example."), A).kind is Kind.UNPROVEN
    only_name = with_records("b.example.").nxdomain(name("ml.example."))
    assert only_name.kind is Kind.UNPROVEN
    assert "*.example" in only_name.reason
    assert with_records("example.").nxdomain(name("ml.example.")).kind is Kind.UNPROVEN


def test_b3_no_data() -> None:
    ns1 = with_records("ns1.example.")
    assert ns1.nodata(name("ns1.example."), MX).kind is Kind.PROVEN
    has_it = ns1.nodata(name("ns1.example."), A)
    assert has_it.kind is Kind.UNPROVEN
    assert has_it.reason == "ns1.example is said to have A"
    assert ns1.nxdomain(name("ns1.example.")).kind is Kind.UNPROVEN


def test_b4_referral_to_a_signed_zone() -> None:
    """There is a DS, so whoever says that there is none is refuted by the NSEC, and below it nothing is proven."""
    a = with_records("a.example.")
    assert a.cut(name("a.example.")).kind is CutKind.UNPROVEN
    assert a.nodata(name("mc.a.example."), MX).kind is Kind.UNPROVEN
    assert with_records("a.example.", "example.").nxdomain(name("mc.a.example.")).kind is Kind.UNPROVEN


def test_b5_referral_to_an_unsigned_zone() -> None:
    b = with_records("b.example.")
    assert b.cut(name("b.example.")).kind is CutKind.DELEGATION
    assert b.nodata(name("b.example."), DS).kind is Kind.PROVEN
    assert b.nodata(name("b.example."), A).kind is Kind.UNPROVEN
    assert b.cut(name("mc.b.example.")).kind is CutKind.UNPROVEN


def test_b6_wildcard_expansion() -> None:
    xyw = with_records("x.y.w.example.")
    assert xyw.no_closer(name("a.z.w.example."), name("w.example.")).kind is Kind.PROVEN
    # y.w.example exists: nothing below it comes from *.w.example.
    assert with_records(*CHAIN).no_closer(name("a.y.w.example."), name("w.example.")).kind is Kind.UNPROVEN


def test_b7_wildcard_no_data() -> None:
    qname = name("a.z.w.example.")
    both = with_records("x.y.w.example.", "*.w.example.")
    assert both.nodata(qname, AAAA).kind is Kind.PROVEN
    assert both.nodata(qname, MX).kind is Kind.UNPROVEN
    assert both.nxdomain(qname).kind is Kind.UNPROVEN
    assert with_records("x.y.w.example.").nodata(qname, AAAA).kind is Kind.UNPROVEN
    assert with_records("*.w.example.").nodata(qname, AAAA).kind is Kind.UNPROVEN


def test_b8_ds_of_the_child_zone() -> None:
    """Asked of the child's servers, the child has no DS, which says nothing about what the parent has."""
    apex = with_records("example.")
    assert apex.nodata(name("example."), DS).kind is Kind.UNPROVEN
    assert apex.cut(name("example.")).kind is CutKind.UNPROVEN
    assert apex.nodata(name("example."), CNAME).kind is Kind.PROVEN


def test_empty_non_terminals_exist() -> None:
    for empty, owner in {"w.example.": "ns2.example.", "y.w.example.": "x.w.example."}.items():
        found = with_records(owner)
        assert found.nodata(name(empty), A).kind is Kind.PROVEN
        assert found.cut(name(empty)).kind is CutKind.NO_CUT
        assert with_records(*CHAIN).nxdomain(name(empty)).kind is Kind.UNPROVEN
