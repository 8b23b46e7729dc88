"""The zone of RFC 5155 appendix A and the answers of its appendix B. All of it is opt-out."""

from __future__ import annotations

from base64 import b32hexencode

import pytest
from dns.rdatatype import AAAA, DS, MX, A

from graydns.dnssec.denial import AuthenticatedDenial, DelegationKind, DenialKind
from graydns.dnssec.nsec3 import Nsec3Parameters
from graydns.model.name import from_text as name
from tests.dnssec.denials import denial

PARAMETERS = Nsec3Parameters(12, bytes.fromhex("aabbccdd"))

#: Appendix A, and the names met on the way to the proofs of appendix B.
HASHES = {
    "example.": "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom",
    "a.example.": "35mthgpgcu1qg68fab165klnsnk3dpvl",
    "ai.example.": "gjeqe526plbf1g8mklp59enfd789njgi",
    "ns1.example.": "2t7b4g4vsa5smi47k61mv5bv1a22bojr",
    "ns2.example.": "q04jkcevqvmu85r014c7dkba38o0ji5r",
    "w.example.": "k8udemvp1j2f7eg6jebps17vp3n8i58h",
    "*.w.example.": "r53bq7cc2uvmubfu5ocmm6pers9tk9en",
    "x.w.example.": "b4um86eghhds6nea196smvmlo4ors995",
    "y.w.example.": "ji6neoaepv8b5o6k4ev33abha8ht9fgc",
    "x.y.w.example.": "2vptu5timamqttgl4luu9kg21e0aor3s",
    "xx.example.": "t644ebqk9bibcna874givr6joj62mlhv",
    "2t7b4g4vsa5smi47k61mv5bv1a22bojr.example.": "kohar7mbb8dc2ce8a9qvl8hon4k53uhi",
    "c.x.w.example.": "0va5bpr2ou0vk0lbqeeljri88laipsfh",
    "*.x.w.example.": "92pqneegtaue7pjatc3l3qnk738c6v5m",
    "c.example.": "4g6p9u5gvfshp30pqecj98b3maqbn1ck",
    "z.w.example.": "qlu7gtfaeh0ek0c05ksfhdpbcgglbe03",
}

TYPES = {
    "example.": "MX DNSKEY NS SOA NSEC3PARAM RRSIG",
    "a.example.": "NS DS RRSIG",
    "ai.example.": "A HINFO AAAA RRSIG",
    "ns1.example.": "A RRSIG",
    "ns2.example.": "A RRSIG",
    "w.example.": "",
    "*.w.example.": "MX RRSIG",
    "x.w.example.": "MX RRSIG",
    "y.w.example.": "",
    "x.y.w.example.": "MX RRSIG",
    "xx.example.": "A HINFO AAAA RRSIG",
    "2t7b4g4vsa5smi47k61mv5bv1a22bojr.example.": "A RRSIG",
}

ORDER = sorted(HASHES[owner] for owner in TYPES)


def with_records(*owners: str, flags: int = 1) -> AuthenticatedDenial:
    lines = []
    for owner in owners:
        following = ORDER[(ORDER.index(HASHES[owner]) + 1) % len(ORDER)]
        lines.append(f"{HASHES[owner]}.example. NSEC3 1 {flags} 12 aabbccdd {following} {TYPES[owner]}")
    return denial("example.", lines)


@pytest.mark.parametrize("owner", HASHES)
def test_hashes(owner: str) -> None:
    assert b32hexencode(PARAMETERS.hash(name(owner))).decode().lower() == HASHES[owner]


def test_b1_name_error() -> None:
    """Opt-out: the name may be an unsigned delegation's, so that the answer is proven, but not secure (section 9.2)."""
    qname, owners = name("a.c.x.w.example."), ("example.", "x.w.example.", "a.example.")
    assert with_records(*owners).prove_nxdomain(qname).kind is DenialKind.INSECURE
    assert with_records(*owners, flags=0).prove_nxdomain(qname).kind is DenialKind.PROVEN
    for missing in owners:
        rest = [owner for owner in owners if owner != missing]
        assert with_records(*rest, flags=0).prove_nxdomain(qname).kind is DenialKind.UNPROVEN
        assert with_records(*rest).prove_nxdomain(qname).kind is DenialKind.UNPROVEN


def test_b2_no_data() -> None:
    ns1 = with_records("ns1.example.")
    assert ns1.prove_nodata(name("ns1.example."), MX).kind is DenialKind.PROVEN
    assert ns1.prove_nodata(name("ns1.example."), A).kind is DenialKind.UNPROVEN
    assert with_records(*TYPES).prove_nxdomain(name("ns1.example.")).kind is DenialKind.UNPROVEN


def test_b21_no_data_at_an_empty_non_terminal() -> None:
    yw = with_records("y.w.example.")
    assert yw.prove_nodata(name("y.w.example."), A).kind is DenialKind.PROVEN
    assert yw.prove_no_ds(name("y.w.example.")).kind is DelegationKind.NO_CUT


def test_b3_referral_to_an_opt_out_unsigned_zone() -> None:
    owners = ("a.example.", "example.")
    assert with_records(*owners).prove_no_ds(name("c.example.")).kind is DelegationKind.INSECURE
    assert with_records(*owners).prove_nodata(name("c.example."), DS).kind is DenialKind.INSECURE
    assert with_records(*owners, flags=0).prove_no_ds(name("c.example.")).kind is DelegationKind.NO_NAME
    assert with_records(*owners, flags=0).prove_nodata(name("c.example."), DS).kind is DenialKind.UNPROVEN
    for owner in owners:
        assert with_records(owner).prove_no_ds(name("c.example.")).kind is DelegationKind.UNPROVEN


def test_b4_wildcard_expansion() -> None:
    qname, encloser = name("a.z.w.example."), name("w.example.")
    assert with_records("ns2.example.").prove_no_closer(qname, encloser).kind is DenialKind.INSECURE
    assert with_records("ns2.example.", flags=0).prove_no_closer(qname, encloser).kind is DenialKind.PROVEN
    others = [owner for owner in TYPES if owner != "ns2.example."]
    assert with_records(*others).prove_no_closer(qname, encloser).kind is DenialKind.UNPROVEN


def test_b5_wildcard_no_data() -> None:
    qname, owners = name("a.z.w.example."), ("w.example.", "ns2.example.", "*.w.example.")
    assert with_records(*owners).prove_nodata(qname, AAAA).kind is DenialKind.INSECURE
    assert with_records(*owners, flags=0).prove_nodata(qname, AAAA).kind is DenialKind.PROVEN
    assert with_records(*owners, flags=0).prove_nodata(qname, MX).kind is DenialKind.UNPROVEN
    for missing in owners:
        rest = [owner for owner in owners if owner != missing]
        assert with_records(*rest, flags=0).prove_nodata(qname, AAAA).kind is DenialKind.UNPROVEN


def test_b6_ds_of_the_child_zone() -> None:
    apex = with_records("example.")
    assert apex.prove_nodata(name("example."), DS).kind is DenialKind.UNPROVEN
    assert apex.prove_no_ds(name("example.")).kind is DelegationKind.UNPROVEN
    assert apex.prove_nodata(name("example."), AAAA).kind is DenialKind.PROVEN


def test_a_signed_delegation() -> None:
    """What is at and below it is the child's to tell."""
    every = with_records(*TYPES, flags=0)
    assert every.prove_no_ds(name("a.example.")).kind is DelegationKind.UNPROVEN
    assert every.prove_nodata(name("a.example."), A).kind is DenialKind.UNPROVEN
    assert every.prove_nodata(name("mc.a.example."), A).kind is DenialKind.UNPROVEN
    assert every.prove_nxdomain(name("mc.a.example.")).kind is DenialKind.UNPROVEN
