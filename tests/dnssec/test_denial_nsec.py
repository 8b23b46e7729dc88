"""NSEC: records that are none, and chains that are signed as they are asked for."""

from __future__ import annotations

import pytest
from dns.edns import EDECode
from dns.rdatatype import ANY, DS, NS, A

from graydns.dnssec.denial import DelegationKind, DenialKind
from graydns.dnssec.rrsets import RrsigRecord
from graydns.model.name import from_text as name
from tests.dnssec.denials import denial, rrset

APEX = "example. NSEC b.example. NS SOA RRSIG NSEC DNSKEY"


def test_nothing_proves_nothing() -> None:
    nothing = denial("example.", [])
    for found in (nothing.prove_nodata(name("a.example."), A), nothing.prove_nxdomain(name("a.example."))):
        assert (found.kind, found.ede) == (DenialKind.UNPROVEN, EDECode.NSEC_MISSING)
        assert found.reason == "no NSEC or NSEC3 of example"
    assert nothing.prove_no_ds(name("a.example.")).kind is DelegationKind.UNPROVEN
    assert nothing.prove_no_closer(name("a.example."), name("example.")).kind is DenialKind.UNPROVEN
    assert nothing.estimate_seconds() == 0.0


def test_a_zone_says_nothing_about_names_of_others() -> None:
    apex = denial("example.", ["example. NSEC example. NS SOA RRSIG NSEC"])
    assert apex.prove_nxdomain(name("a.example.")).kind is DenialKind.PROVEN
    for other in ("a.test.", "test.", ".", "aexample."):
        assert apex.prove_nxdomain(name(other)).kind is DenialKind.UNPROVEN
        assert apex.prove_nodata(name(other), A).kind is DenialKind.UNPROVEN
        assert apex.prove_no_ds(name(other)).kind is DelegationKind.UNPROVEN
        assert apex.prove_no_closer(name(other), name(".")).kind is DenialKind.UNPROVEN


@pytest.mark.parametrize("encloser", ["b.example.", "a.example.", "test."])
def test_an_encloser_is_above_the_name(encloser: str) -> None:
    apex = denial("example.", ["example. NSEC example. NS SOA RRSIG NSEC"])
    assert apex.prove_no_closer(name("a.example."), name("example.")).kind is DenialKind.PROVEN
    assert apex.prove_no_closer(name("a.example."), name(encloser)).kind is DenialKind.UNPROVEN


@pytest.mark.parametrize(
    "line",
    [
        "a.test. NSEC c.example. A RRSIG NSEC",  # owner out of the zone
        "a.example. NSEC c.test. A RRSIG NSEC",  # next out of it
        "a.example. NSEC test. A RRSIG NSEC",
        "c.example. NSEC a.example. A RRSIG NSEC",  # goes round, but not to the apex
        "c.example. NSEC c.example. A RRSIG NSEC",
        "a.example. NSEC b.example. A RRSIG NSEC",  # the ends are not covered
        "b.example. NSEC c.example. A RRSIG NSEC",
    ],
)
def test_these_do_not_deny_b(line: str) -> None:
    apex = "example. NSEC a.example. NS SOA RRSIG NSEC"
    assert denial("example.", [apex, "a.example. NSEC c.example. A RRSIG NSEC"]).prove_nxdomain(
        name("b.example.")
    ).kind is (DenialKind.PROVEN)
    assert denial("example.", [apex, line]).prove_nxdomain(name("b.example.")).kind is DenialKind.UNPROVEN


def test_the_last_record_goes_round_to_the_apex() -> None:
    last = "b.example. NSEC example. A RRSIG NSEC"
    assert denial("example.", [APEX, last]).prove_nxdomain(name("z.example.")).kind is DenialKind.PROVEN
    assert denial("example.", [APEX, last]).prove_nxdomain(name("b.example.")).kind is DenialKind.UNPROVEN


def test_next_is_compared_without_regard_to_case() -> None:
    """NSEC is signed with the case of its next name as it is (RFC 6840 section 5.1)."""
    found = denial("example.", ["example. NSEC B.EXAMPLE. NS SOA RRSIG NSEC"])
    assert found.prove_nxdomain(name("a.example.")).kind is DenialKind.PROVEN
    assert found.prove_nxdomain(name("b.example.")).kind is DenialKind.UNPROVEN


@pytest.mark.parametrize(
    "rdata", [b"", b"\x01", b"\x01b\x07example\x00\x00", b"\x01b\x07example\x00\x00\x21\x01", b"\xc0\x0c"]
)
def test_rdata_that_nobody_can_read_is_no_record(rdata: bytes) -> None:
    broken = rrset(APEX)._replace(rdatas=(rdata,))
    assert denial("example.", [broken]).prove_nxdomain(name("a.example.")).kind is DenialKind.UNPROVEN


def test_a_name_has_one_nsec() -> None:
    two = rrset(APEX)._replace(rdatas=rrset(APEX).rdatas + rrset("example. NSEC z.example. NS SOA").rdatas)
    assert denial("example.", [two]).prove_nxdomain(name("a.example.")).kind is DenialKind.UNPROVEN


@pytest.mark.parametrize(
    ("line", "labels", "counts"),
    [
        ("a.example. NSEC c.example. A RRSIG NSEC", 2, True),
        ("a.example. NSEC c.example. A RRSIG NSEC", 1, False),
        ("*.example. NSEC c.example. A RRSIG NSEC", 1, True),
        ("*.example. NSEC c.example. A RRSIG NSEC", 0, False),
    ],
)
def test_the_nsec_of_a_wildcard_is_none_of_the_names_it_stands_for(line: str, labels: int, counts: bool) -> None:
    """Else an answer to NSEC for any name would be a proof about that name's neighbours."""
    signature = RrsigRecord(47, 13, labels, 3600, 0, 0, 1, name("example."), b"", b"", 3600)
    found = denial("example.", [rrset(line)._replace(signatures=(signature,)), "example. NSEC *.example. NS SOA"])
    assert (found.prove_no_closer(name("b.example."), name("example.")).kind is DenialKind.PROVEN) is counts


@pytest.mark.parametrize("types", ["NS", "NS DS", "DNAME", "DNAME A"])
def test_below_a_delegation_or_dname_the_parent_has_no_say(types: str) -> None:
    """RFC 6840 section 4.1."""
    found = denial("example.", [APEX, f"b.example. NSEC example. {types} RRSIG NSEC"])
    below = name("x.b.example.")
    assert found.prove_nxdomain(below).kind is DenialKind.UNPROVEN
    assert found.prove_nodata(below, A).kind is DenialKind.UNPROVEN
    assert found.prove_nodata(below, DS).kind is DenialKind.UNPROVEN
    assert found.prove_no_ds(below).kind is DelegationKind.UNPROVEN
    assert found.prove_no_closer(below, name("example.")).kind is DenialKind.UNPROVEN
    assert found.prove_no_closer(below, name("b.example.")).kind is DenialKind.UNPROVEN
    assert found.prove_nxdomain(name("c.example.")).kind is DenialKind.PROVEN


def test_the_apex_of_a_zone_is_no_delegation() -> None:
    apex = denial("example.", ["example. NSEC example. NS SOA RRSIG NSEC"])
    assert apex.prove_nodata(name("example."), A).kind is DenialKind.PROVEN
    assert apex.prove_nodata(name("example."), NS).kind is DenialKind.UNPROVEN
    assert apex.prove_nxdomain(name("x.y.example.")).kind is DenialKind.PROVEN


def test_a_cname_answers_every_type() -> None:
    found = denial("example.", ["b.example. NSEC example. CNAME RRSIG NSEC"])
    for rdtype in (A, DS, ANY):
        assert found.prove_nodata(name("b.example."), rdtype).kind is DenialKind.UNPROVEN
    assert found.prove_no_ds(name("b.example.")).kind is DelegationKind.NO_CUT


def test_the_root_has_no_ds() -> None:
    """And no parent that could say so."""
    root = denial(".", [". NSEC com. NS SOA RRSIG NSEC DNSKEY"])
    assert root.prove_nodata(name("."), DS).kind is DenialKind.PROVEN
    assert root.prove_nodata(name("."), NS).kind is DenialKind.UNPROVEN
    assert root.prove_nxdomain(name("a.")).kind is DenialKind.PROVEN
    assert root.prove_no_ds(name("a.")).kind is DelegationKind.NO_NAME


def test_a_zone_of_one_name() -> None:
    one = denial("example.", ["example. NSEC example. NS SOA RRSIG NSEC"])
    assert one.prove_nxdomain(name("a.example.")).kind is DenialKind.PROVEN
    assert one.prove_nxdomain(name("example.")).kind is DenialKind.UNPROVEN


def test_a_wildcard_that_is_an_empty_non_terminal_exists() -> None:
    """So a name below its parent has no data, but is not absent (RFC 4592 section 4.9)."""
    found = denial("example.", ["example. NSEC a.*.example. NS SOA", "a.*.example. NSEC example. A"])
    assert found.prove_nxdomain(name("b.example.")).kind is DenialKind.UNPROVEN
    assert found.prove_nodata(name("b.example."), A).kind is DenialKind.PROVEN


def test_minimally_covering_records() -> None:
    """RFC 4470: made for the question, ending just before and after the name."""
    lines = ["a\\255.example. NSEC b\\000.example. RRSIG NSEC", ")\\255.example. NSEC \\+.example. RRSIG NSEC"]
    found = denial("example.", lines)
    assert found.prove_nxdomain(name("b.example.")).kind is DenialKind.PROVEN
    assert found.prove_nodata(name("b.example."), A).kind is DenialKind.UNPROVEN
    assert denial("example.", lines[:1]).prove_nxdomain(name("b.example.")).kind is DenialKind.UNPROVEN


def test_compact_denial() -> None:
    """RFC 9824: an NSEC for the very name, be it there or not."""
    there = denial("example.", ["b.example. NSEC \\000.b.example. A RRSIG NSEC"])
    assert there.prove_nodata(name("b.example."), DS).kind is DenialKind.PROVEN
    assert there.prove_nodata(name("b.example."), A).kind is DenialKind.UNPROVEN
    assert there.prove_nxdomain(name("b.example.")).kind is DenialKind.UNPROVEN
    assert there.prove_no_ds(name("b.example.")).kind is DelegationKind.NO_CUT
    gone = denial("example.", ["b.example. NSEC \\000.b.example. RRSIG NSEC TYPE128"])
    assert gone.prove_nodata(name("b.example."), A).kind is DenialKind.PROVEN
    assert gone.prove_nodata(name("b.example."), ANY).kind is DenialKind.PROVEN
    assert gone.prove_nxdomain(name("b.example.")).kind is DenialKind.PROVEN
    assert gone.prove_nxdomain(name("c.example.")).kind is DenialKind.UNPROVEN


def test_no_data_of_any_type() -> None:
    found = denial(
        "example.", ["b.example. NSEC c.example. TYPE65280 RRSIG NSEC", "c.example. NSEC example. RRSIG NSEC"]
    )
    assert found.prove_nodata(name("b.example."), ANY).kind is DenialKind.UNPROVEN
    assert found.prove_nodata(name("b.example."), 65280).reason == "b.example is said to have TYPE65280"
    assert found.prove_nodata(name("c.example."), ANY).kind is DenialKind.PROVEN
