"""The zone of RFC 4035 appendix A and the answers of its appendix B."""

from __future__ import annotations

from dns.rdatatype import AAAA, CNAME, DS, MX, A

from graydns.dnssec.denial import AuthenticatedDenial, DelegationKind, DenialKind
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


def with_records(*owners: str) -> AuthenticatedDenial:
    return denial("example.", [f"{owner} NSEC {CHAIN[owner]}" for owner in owners])


def test_b2_name_error() -> None:
    both = with_records("b.example.", "example.")
    assert both.prove_nxdomain(name("ml.example.")).kind is DenialKind.PROVEN
    assert both.prove_nodata(name("ml.example."), A).kind is DenialKind.UNPROVEN
    only_name = with_records("b.example.").prove_nxdomain(name("ml.example."))
    assert only_name.kind is DenialKind.UNPROVEN
    assert "*.example" in only_name.reason
    assert with_records("example.").prove_nxdomain(name("ml.example.")).kind is DenialKind.UNPROVEN


def test_b3_no_data() -> None:
    ns1 = with_records("ns1.example.")
    assert ns1.prove_nodata(name("ns1.example."), MX).kind is DenialKind.PROVEN
    has_it = ns1.prove_nodata(name("ns1.example."), A)
    assert has_it.kind is DenialKind.UNPROVEN
    assert has_it.reason == "ns1.example is said to have A"
    assert ns1.prove_nxdomain(name("ns1.example.")).kind is DenialKind.UNPROVEN


def test_b4_referral_to_a_signed_zone() -> None:
    """There is a DS, so whoever says that there is none is refuted by the NSEC, and below it nothing is proven."""
    a = with_records("a.example.")
    assert a.prove_no_ds(name("a.example.")).kind is DelegationKind.UNPROVEN
    assert a.prove_nodata(name("mc.a.example."), MX).kind is DenialKind.UNPROVEN
    assert with_records("a.example.", "example.").prove_nxdomain(name("mc.a.example.")).kind is DenialKind.UNPROVEN


def test_b5_referral_to_an_unsigned_zone() -> None:
    b = with_records("b.example.")
    assert b.prove_no_ds(name("b.example.")).kind is DelegationKind.DELEGATION
    assert b.prove_nodata(name("b.example."), DS).kind is DenialKind.PROVEN
    assert b.prove_nodata(name("b.example."), A).kind is DenialKind.UNPROVEN
    assert b.prove_no_ds(name("mc.b.example.")).kind is DelegationKind.UNPROVEN


def test_b6_wildcard_expansion() -> None:
    xyw = with_records("x.y.w.example.")
    assert xyw.prove_no_closer(name("a.z.w.example."), name("w.example.")).kind is DenialKind.PROVEN
    # y.w.example exists: nothing below it comes from *.w.example.
    assert with_records(*CHAIN).prove_no_closer(name("a.y.w.example."), name("w.example.")).kind is DenialKind.UNPROVEN


def test_b7_wildcard_no_data() -> None:
    qname = name("a.z.w.example.")
    both = with_records("x.y.w.example.", "*.w.example.")
    assert both.prove_nodata(qname, AAAA).kind is DenialKind.PROVEN
    assert both.prove_nodata(qname, MX).kind is DenialKind.UNPROVEN
    assert both.prove_nxdomain(qname).kind is DenialKind.UNPROVEN
    assert with_records("x.y.w.example.").prove_nodata(qname, AAAA).kind is DenialKind.UNPROVEN
    assert with_records("*.w.example.").prove_nodata(qname, AAAA).kind is DenialKind.UNPROVEN


def test_b8_ds_of_the_child_zone() -> None:
    """Asked of the child's servers, the child has no DS, which says nothing about what the parent has."""
    apex = with_records("example.")
    assert apex.prove_nodata(name("example."), DS).kind is DenialKind.UNPROVEN
    assert apex.prove_no_ds(name("example.")).kind is DelegationKind.UNPROVEN
    assert apex.prove_nodata(name("example."), CNAME).kind is DenialKind.PROVEN


def test_empty_non_terminals_exist() -> None:
    for empty, owner in {"w.example.": "ns2.example.", "y.w.example.": "x.w.example."}.items():
        found = with_records(owner)
        assert found.prove_nodata(name(empty), A).kind is DenialKind.PROVEN
        assert found.prove_no_ds(name(empty)).kind is DelegationKind.NO_CUT
        assert with_records(*CHAIN).prove_nxdomain(name(empty)).kind is DenialKind.UNPROVEN
