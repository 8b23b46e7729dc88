"""What answers are worth: each part of one, and how the worst of them decides."""

from __future__ import annotations

from copy import copy

import dns.rrset
import pytest
from attrs import evolve
from dns.edns import EDECode

from graydns.dnssec.key_trust import NegativeTrustAnchors, TrustAnchors
from graydns.dnssec.signature import ValidatorSettings
from graydns.dnssec.work_budget import ValidationLimits
from graydns.dnssec.zone_status import MIN_BOGUS_SECONDS, ValidationStep, ZoneStatusCache
from graydns.dnssec.zone_status import ZoneStatus as Found
from graydns.model.dnssec_values import Security
from graydns.model.errors import UpstreamError
from graydns.model.name import from_text
from tests.dnssec.answering import (
    OTHER,
    ROOT,
    SHOP,
    TEST,
    anchors,
    answer,
    ds_of,
    judge,
    rrset,
    sign_keys_wrongly,
    signed,
    soa,
    world,
)
from tests.dnssec.signing import EXPIRATION, NOW, Zone

WWW = "www.shop.test. A 192.0.2.1 / 192.0.2.2"


def test_a_signed_answer_is_secure() -> None:
    """And the proof names the key, and until when it holds."""
    verdict = judge(world(), "www.shop.test.", "A", answer("www.shop.test.", signed(SHOP, WWW)))
    proof = verdict.proof
    assert proof.security is Security.SECURE
    assert proof.signer is not None
    assert (proof.signer.zone, proof.signer.tag) == (from_text("shop.test."), _tag(SHOP))
    assert proof.expires_at == EXPIRATION
    assert list(verdict.ttls.values()) == [300]


def _tag(zone: Zone) -> int:
    ((_, tag),) = zone.keys.keys
    return tag


def test_what_was_found_out_of_a_zone_is_not_asked_for_again() -> None:
    """The first answer of a zone asks for each DS and DNSKEY once; the next one, and that of a sibling, for its own."""
    upstream, zones = world(), ZoneStatusCache()
    told = answer("www.shop.test.", signed(SHOP, WWW))
    judge(upstream, "www.shop.test.", "A", told, zones=zones)
    assert upstream.asked == [". DNSKEY", "test DS", "test DNSKEY", "shop.test DS", "shop.test DNSKEY"]
    upstream.asked.clear()
    judge(upstream, "www.shop.test.", "A", told, zones=zones)
    assert upstream.asked == []
    sibling = answer("www.other.test.", signed(OTHER, "www.other.test. A 192.0.2.3"))
    assert judge(upstream, "www.other.test.", "A", sibling, zones=zones).proof.security is Security.SECURE
    assert upstream.asked == ["other.test DS", "other.test DNSKEY"]


def test_a_zone_is_asked_for_again_when_its_records_have_expired() -> None:
    """TTLs of 300 seconds: what was learnt holds no longer."""
    upstream, zones = world(), ZoneStatusCache()
    told = answer("www.shop.test.", signed(SHOP, WWW))
    for clock, number in ((0.0, 5), (299.0, 0), (301.0, 5)):
        upstream.asked.clear()
        judge(upstream, "www.shop.test.", "A", told, zones=zones, clock=clock)
        assert len(upstream.asked) == number, clock


def test_without_a_trust_anchor_nothing_is_known() -> None:
    """Then nothing is asked for either."""
    upstream = world()
    verdict = judge(upstream, "www.shop.test.", "A", answer("www.shop.test.", signed(SHOP, WWW)), trust=TrustAnchors())
    assert verdict.proof.security is Security.INDETERMINATE
    assert upstream.asked == []


def test_an_island_is_secure_below_what_is_not() -> None:
    """An anchor further down counts, whatever is said above it."""
    upstream, island = world(), Zone("isle.plain.test.", number=7)
    upstream.has(island)
    told = answer("isle.plain.test.", signed(island, "isle.plain.test. A 192.0.2.9"))
    found = judge(upstream, "isle.plain.test.", "A", told, trust=anchors(ROOT, island))
    assert found.proof.security is Security.SECURE
    assert judge(upstream, "isle.plain.test.", "A", told).proof.security is Security.INSECURE


def test_an_unsigned_delegation_is_insecure() -> None:
    told = answer("www.plain.test.", [rrset("www.plain.test. A 192.0.2.1")])
    proof = judge(world(), "www.plain.test.", "A", told).proof
    assert (proof.security, proof.ede) == (Security.INSECURE, None)
    assert "plain.test" in proof.reason


@pytest.mark.parametrize(
    ("records", "ede"),
    [
        ([rrset(WWW)], EDECode.RRSIGS_MISSING),
        ([rrset(WWW), SHOP.signed(rrset(WWW), expiration=NOW - 1)], EDECode.SIGNATURE_EXPIRED),
        ([rrset(WWW), SHOP.signed(rrset(WWW), inception=NOW + 1)], EDECode.SIGNATURE_NOT_YET_VALID),
        ([rrset(WWW), SHOP.signed(rrset("www.shop.test. A 192.0.2.66"))], EDECode.DNSSEC_BOGUS),
        ([rrset(WWW), Zone("shop.test.", number=99).signed(rrset(WWW))], EDECode.DNSKEY_MISSING),
        ([rrset(WWW), Zone("test.", number=99).signed(rrset(WWW))], EDECode.DNSKEY_MISSING),
        ([rrset(WWW), OTHER.signed(rrset(WWW))], EDECode.DNSSEC_BOGUS),
    ],
)
def test_what_is_not_signed_as_it_must_be_is_bogus(records: list[dns.rrset.RRset], ede: EDECode) -> None:
    proof = judge(world(), "www.shop.test.", "A", answer("www.shop.test.", records)).proof
    assert (proof.security, proof.ede) == (Security.BOGUS, ede)
    assert "www.shop.test" in proof.reason


def test_signers_that_are_made_up_hide_nothing() -> None:
    """Signatures that claim zones which do not exist neither make a signed zone insecure nor spoil the right one."""
    wrong = [Zone(signer, number=50).signed(rrset(WWW)) for signer in ("www.shop.test.", "shop.test.", "test.", ".")]
    told = answer("www.shop.test.", [rrset(WWW), *wrong])
    assert judge(world(), "www.shop.test.", "A", told).proof.security is Security.BOGUS
    told = answer("www.shop.test.", [rrset(WWW), *wrong, SHOP.signed(rrset(WWW))])
    assert judge(world(), "www.shop.test.", "A", told).proof.security is Security.SECURE


def test_what_cannot_be_read_is_bogus() -> None:
    """Whatever lets it come this far."""
    told = answer("www.shop.test.", signed(SHOP, WWW))
    assert judge(world(), "www.shop.test.", "A", evolve(told, body=told.body[:-1])).proof.security is Security.BOGUS
    upstream = world()
    keys = upstream.answers[from_text("shop.test."), 48]
    upstream.answers[from_text("shop.test."), 48] = evolve(keys, body=keys.body[:-1])
    assert judge(upstream, "www.shop.test.", "A", told).proof.security is Security.BOGUS


def test_decoys_do_not_hide_who_signed() -> None:
    """Signers that are claimed below the zone are looked for, though not all of them; its own signature counts."""
    record = rrset("a.b.c.d.shop.test. A 192.0.2.1")
    upstream, names = world(), ("d.shop.test.", "c.d.shop.test.", "b.c.d.shop.test.", "a.b.c.d.shop.test.")
    for name in names:
        upstream.lacks(name, SHOP, "A", following="zzz.shop.test.")
    decoys = [Zone(signer, number=50).signed(record) for signer in names]
    told = answer("a.b.c.d.shop.test.", [record, *decoys, SHOP.signed(record)])
    assert judge(upstream, "a.b.c.d.shop.test.", "A", told).proof.security is Security.SECURE


class TestSignersAboveAnAnchor:
    """Whoever claims a signer outside the trusted zone does not get out of it."""

    FORGED = rrset("www.shop.test. A 192.0.2.66")

    def test_a_forged_record(self) -> None:
        """Where only test is trusted, the root is nobody, and cannot make what is below test anybody's."""
        for signer in (".", "shop.test.", "www.shop.test."):
            told = answer("www.shop.test.", [self.FORGED, Zone(signer, number=70).signed(self.FORGED)])
            found = judge(world(), "www.shop.test.", "A", told, trust=anchors(TEST))
            assert found.proof.security is Security.BOGUS, signer

    def test_a_forged_record_of_an_island(self) -> None:
        """The insecure parent of an anchored zone has no say in it."""
        upstream, island = world(), Zone("isle.plain.test.", number=7)
        upstream.has(island)
        upstream.lacks("www.isle.plain.test.", island, "A", following="zzz.isle.plain.test.")
        forged = rrset("www.isle.plain.test. A 192.0.2.66")
        told = answer("www.isle.plain.test.", [forged, Zone("plain.test.", number=70).signed(forged)])
        found = judge(upstream, "www.isle.plain.test.", "A", told, trust=anchors(ROOT, island))
        assert found.proof.security is Security.BOGUS

    def test_a_forged_absence(self) -> None:
        parent = Zone("plain.test.", number=70)
        upstream, island = world(), Zone("isle.plain.test.", number=7)
        upstream.has(island)
        upstream.lacks("www.isle.plain.test.", island, "A", following="zzz.isle.plain.test.")
        proof = signed(parent, soa(parent), "plain.test. NSEC zzz.plain.test. NS SOA RRSIG NSEC")
        told = answer("www.isle.plain.test.", (), proof, rcode=3)
        found = judge(upstream, "www.isle.plain.test.", "A", told, trust=anchors(ROOT, island))
        assert found.proof.security is Security.BOGUS

    def test_a_zone_above_has_no_say_below_an_anchor(self) -> None:
        """What it really signed before, or signs for all names without a zone, is not for those that are anchored."""
        upstream, own = world(), Zone("own.test.", number=8)
        upstream.has(own)
        upstream.lacks("www.own.test.", own, "A", following="zzz.own.test.")
        trust = anchors(ROOT, own)
        gap = "other.test. NSEC plain.test. NS DS RRSIG NSEC"
        apex = "test. NSEC other.test. NS SOA RRSIG NSEC DNSKEY"
        told = answer("www.own.test.", (), signed(TEST, soa(TEST), gap, apex), rcode=3)
        assert judge(upstream, "www.own.test.", "A", told).proof.security is Security.SECURE
        assert judge(upstream, "www.own.test.", "A", told, trust=trust).proof.security is Security.BOGUS
        wild, made = rrset("*.test. A 192.0.2.66"), rrset("www.own.test. A 192.0.2.66")
        signature = TEST.signed(wild)
        signature.name = made.name
        told = answer("www.own.test.", [made, signature], signed(TEST, gap))
        assert judge(upstream, "www.own.test.", "A", told).proof.security is Security.SECURE
        assert judge(upstream, "www.own.test.", "A", told, trust=trust).proof.security is Security.BOGUS

    @pytest.mark.parametrize("negative", [False, True])
    def test_a_dname_above(self, negative: bool) -> None:
        """It is signed, and all that it makes is, but it stands above what is believed of the name on its own."""
        dname, alias = "test. DNAME other.test.", rrset("www.shop.test. CNAME www.shop.other.test.")
        told = answer(
            "www.shop.test.", [*signed(TEST, dname), alias, *signed(OTHER, "www.shop.other.test. A 192.0.2.66")]
        )
        assert judge(world(), "www.shop.test.", "A", told).proof.security is Security.SECURE
        trust = anchors(ROOT) if negative else anchors(ROOT, SHOP)
        negatives = NegativeTrustAnchors(frozenset({from_text("shop.test")})) if negative else None
        found = judge(world(), "www.shop.test.", "A", told, trust=trust, negatives=negatives)
        assert found.proof.security is (Security.INSECURE if negative else Security.BOGUS)

    def test_a_forged_dname(self) -> None:
        """An alias is as good as a signed DNAME that makes it, not as one that nobody signed."""
        upstream, island = world(), Zone("isle.plain.test.", number=7)
        upstream.has(island)
        upstream.lacks("www.isle.plain.test.", island, "A", following="zzz.isle.plain.test.")
        told = answer(
            "www.isle.plain.test.",
            [
                rrset("plain.test. DNAME evil.plain.test."),
                rrset("www.isle.plain.test. CNAME www.isle.evil.plain.test."),
                rrset("www.isle.evil.plain.test. A 192.0.2.66"),
            ],
        )
        found = judge(upstream, "www.isle.plain.test.", "A", told, trust=anchors(ROOT, island))
        assert found.proof.security is Security.BOGUS


class TestAliases:
    """Chains that cross zones: each step by its own zone, the whole as good as the worst."""

    ALIAS = "www.shop.test. CNAME www.other.test."

    def test_secure_all_along(self) -> None:
        told = answer("www.shop.test.", [*signed(SHOP, self.ALIAS), *signed(OTHER, "www.other.test. A 192.0.2.3")])
        verdict = judge(world(), "www.shop.test.", "A", told)
        assert verdict.proof.security is Security.SECURE
        assert len(verdict.ttls) == 2

    def test_into_an_unsigned_zone(self) -> None:
        told = answer(
            "www.shop.test.",
            [*signed(SHOP, "www.shop.test. CNAME www.plain.test."), rrset("www.plain.test. A 192.0.2.3")],
        )
        assert judge(world(), "www.shop.test.", "A", told).proof.security is Security.INSECURE

    def test_out_of_an_unsigned_zone(self) -> None:
        told = answer(
            "www.plain.test.",
            [rrset("www.plain.test. CNAME www.shop.test."), *signed(SHOP, WWW)],
        )
        assert judge(world(), "www.plain.test.", "A", told).proof.security is Security.INSECURE

    def test_a_bogus_end_spoils_the_whole(self) -> None:
        told = answer("www.shop.test.", [*signed(SHOP, self.ALIAS), rrset("www.other.test. A 192.0.2.3")])
        assert judge(world(), "www.shop.test.", "A", told).proof.security is Security.BOGUS

    def test_an_end_without_records_needs_its_proof(self) -> None:
        """Of the zone that the chain ends in."""
        chain = signed(SHOP, self.ALIAS)
        proof = signed(OTHER, soa(OTHER), "www.other.test. NSEC zzz.other.test. AAAA RRSIG NSEC")
        assert judge(world(), "www.shop.test.", "A", answer("www.shop.test.", chain, proof)).proof.security is (
            Security.SECURE
        )
        verdict = judge(world(), "www.shop.test.", "A", answer("www.shop.test.", chain))
        assert (verdict.proof.security, verdict.proof.ede) == (Security.BOGUS, EDECode.NSEC_MISSING)

    def test_an_end_in_an_unsigned_zone_below_that_of_a_wildcard(self) -> None:
        """The proof that the wildcard may stand for the name is the zone's above, and says nothing of the end."""
        made = rrset("x.v.test. CNAME www.plain.test.")
        signature = TEST.signed(rrset("*.v.test. CNAME www.plain.test."))
        signature.name = made.name
        proof = signed(TEST, "*.v.test. NSEC zzz.test. CNAME RRSIG NSEC")
        told = answer("x.v.test.", [made, signature], [*proof, rrset("plain.test. SOA a. b. 1 2 3 4 5")])
        assert judge(world(), "x.v.test.", "MX", told).proof.security is Security.INSECURE

    def test_an_end_in_a_zone_that_signs_what_nobody_can_check(self) -> None:
        """Its own proofs are not those of the zone above, and so nothing that this one got wrong."""
        upstream, island = world(), Zone("plain.test.", number=9)
        made = rrset("x.v.test. CNAME www.plain.test.")
        signature = TEST.signed(rrset("*.v.test. CNAME www.plain.test."))
        signature.name = made.name
        wildcard = signed(TEST, "*.v.test. NSEC zzz.test. CNAME RRSIG NSEC")
        own = signed(island, soa(island), "www.plain.test. NSEC plain.test. A RRSIG NSEC")
        told = answer("x.v.test.", [made, signature], [*wildcard, *own])
        assert judge(upstream, "x.v.test.", "MX", told).proof.security is Security.INSECURE
        end = rrset("www.plain.test. CNAME www.shop.test.")
        told = answer("x.v.test.", [made, signature, end], [*wildcard, *signed(SHOP, soa(SHOP), TestAbsence.NODATA[0])])
        assert judge(upstream, "x.v.test.", "MX", told).proof.security is Security.INSECURE

    def test_a_dname_vouches_for_the_alias_that_it_makes(self) -> None:
        """And for no other."""
        dname = signed(SHOP, "old.shop.test. DNAME other.test.")
        end = signed(OTHER, "www.other.test. A 192.0.2.3")
        made = rrset("www.old.shop.test. CNAME www.other.test.")
        told = answer("www.old.shop.test.", [*dname, made, *end])
        assert judge(world(), "www.old.shop.test.", "A", told).proof.security is Security.SECURE
        turned = answer("www.old.shop.test.", [made, *dname, *end])
        assert judge(world(), "www.old.shop.test.", "A", turned).proof.security is Security.SECURE
        forged = rrset("www.old.shop.test. CNAME evil.other.test.")
        told = answer("www.old.shop.test.", [*dname, forged, *signed(OTHER, "evil.other.test. A 192.0.2.3")])
        upstream = world()
        upstream.lacks("old.shop.test.", SHOP, "DNAME", following="zzz.shop.test.")
        upstream.says("www.old.shop.test.", "DS", dname)
        assert judge(upstream, "www.old.shop.test.", "A", told).proof.security is Security.BOGUS


class TestWildcards:
    """An answer from a wildcard needs the proof that no name is closer."""

    WILD = "*.shop.test. A 192.0.2.8"

    def expanded(self) -> list[dns.rrset.RRset]:
        wild = rrset(self.WILD)
        made = rrset("a.shop.test. A 192.0.2.8")
        signature = SHOP.signed(wild)
        signature.name = made.name
        return [made, signature]

    def test_with_the_proof(self) -> None:
        proof = signed(SHOP, "*.shop.test. NSEC b.shop.test. A RRSIG NSEC")
        told = answer("a.shop.test.", self.expanded(), proof)
        verdict = judge(world(), "a.shop.test.", "A", told)
        assert verdict.proof.security is Security.SECURE
        assert len(verdict.ttls) == 2

    def test_without_it(self) -> None:
        told = answer("a.shop.test.", self.expanded())
        proof = judge(world(), "a.shop.test.", "A", told).proof
        assert (proof.security, proof.ede) == (Security.BOGUS, EDECode.NSEC_MISSING)

    def test_with_a_proof_that_is_not_signed(self) -> None:
        proof = [rrset("*.shop.test. NSEC b.shop.test. A RRSIG NSEC")]
        told = answer("a.shop.test.", self.expanded(), proof)
        assert judge(world(), "a.shop.test.", "A", told).proof.security is Security.BOGUS

    def test_the_wildcard_itself(self) -> None:
        told = answer("*.shop.test.", signed(SHOP, self.WILD))
        assert judge(world(), "*.shop.test.", "A", told).proof.security is Security.SECURE


class TestAbsence:
    """Nothing there: the zone of the name has to prove it."""

    NODATA = ("www.shop.test. NSEC zzz.shop.test. A RRSIG NSEC",)
    NXDOMAIN = ("shop.test. NSEC www.shop.test. NS SOA RRSIG NSEC DNSKEY",)

    def test_no_data(self) -> None:
        told = answer("www.shop.test.", (), signed(SHOP, soa(SHOP), *self.NODATA))
        verdict = judge(world(), "www.shop.test.", "MX", told)
        assert verdict.proof.security is Security.SECURE
        assert verdict.proof.expires_at == EXPIRATION
        assert len(verdict.ttls) == 2

    @pytest.mark.parametrize("brief", [0, 1])
    def test_it_holds_as_long_as_all_of_it(self, brief: int) -> None:
        """Of SOA and proof, whichever expires first."""
        records = [rrset(soa(SHOP)), rrset(*self.NODATA)]
        ends = [EXPIRATION, EXPIRATION]
        ends[brief] = NOW + 10
        proof = [
            both for each, end in zip(records, ends, strict=True) for both in (each, SHOP.signed(each, expiration=end))
        ]
        assert judge(world(), "www.shop.test.", "MX", answer("www.shop.test.", (), proof)).proof.expires_at == NOW + 10

    def test_no_name(self) -> None:
        told = answer("nope.shop.test.", (), signed(SHOP, soa(SHOP), *self.NXDOMAIN), rcode=3)
        assert judge(world(), "nope.shop.test.", "A", told).proof.security is Security.SECURE

    def test_the_proof_has_to_fit_the_rcode(self) -> None:
        upstream = world()
        upstream.says("nope.shop.test.", "DS", (), signed(SHOP, soa(SHOP), *self.NXDOMAIN), rcode=3)
        told = answer("www.shop.test.", (), signed(SHOP, soa(SHOP), *self.NODATA), rcode=3)
        assert judge(upstream, "www.shop.test.", "MX", told).proof.security is Security.BOGUS
        told = answer("nope.shop.test.", (), signed(SHOP, soa(SHOP), *self.NXDOMAIN))
        assert judge(upstream, "nope.shop.test.", "MX", told).proof.security is Security.BOGUS

    def test_nothing_at_all_said(self) -> None:
        upstream = world()
        upstream.lacks("www.shop.test.", SHOP, "A", following="zzz.shop.test.")
        proof = judge(upstream, "www.shop.test.", "MX", answer("www.shop.test.")).proof
        assert (proof.security, proof.ede) == (Security.BOGUS, EDECode.NSEC_MISSING)

    def test_an_soa_that_is_not_signed(self) -> None:
        told = answer("www.shop.test.", (), [rrset(soa(SHOP)), *signed(SHOP, *self.NODATA)])
        assert judge(world(), "www.shop.test.", "MX", told).proof.security is Security.BOGUS

    def test_in_an_unsigned_zone(self) -> None:
        told = answer("nope.plain.test.", (), [rrset("plain.test. SOA a. b. 1 2 3 4 5")], rcode=3)
        assert judge(world(), "nope.plain.test.", "A", told).proof.security is Security.INSECURE

    @pytest.mark.parametrize("rcode", [0, 3])
    def test_hashes_of_the_parent_that_are_not_computed_prove_nothing(self, rcode: int) -> None:
        """Of a name in a child that is secure: there no hash is too dear."""
        dear = signed(TEST, soa(TEST), f"{'0' * 32}.test. NSEC3 1 0 200 - {'1' * 32} A RRSIG")
        told = answer("www.shop.test.", (), dear, rcode=rcode)
        upstream = world()
        assert judge(upstream, "www.shop.test.", "A", told).proof.security is Security.BOGUS

    def test_the_parent_has_no_say_about_what_is_below_a_cut(self) -> None:
        """The NSEC of the delegation itself denies nothing of the child."""
        proof = signed(TEST, soa(TEST), "shop.test. NSEC zzz.test. NS DS RRSIG NSEC")
        told = answer("www.shop.test.", (), proof, rcode=3)
        assert judge(world(), "www.shop.test.", "A", told).proof.security is Security.BOGUS
        told = answer("shop.test.", (), proof)
        assert judge(world(), "shop.test.", "A", told).proof.security is Security.BOGUS


class TestDelegations:
    """DS belong to the parent."""

    def test_a_ds_is_signed_by_the_parent(self) -> None:
        upstream = world()
        told = upstream.answers[from_text("shop.test."), 43]
        assert judge(upstream, "shop.test.", "DS", told).proof.security is Security.SECURE

    def test_a_ds_by_the_child_is_none(self) -> None:
        told = answer("shop.test.", signed(SHOP, ds_of(SHOP)))
        assert judge(world(), "shop.test.", "DS", told).proof.security is Security.BOGUS

    def test_the_childs_denial_of_its_ds_is_none(self) -> None:
        proof = signed(SHOP, soa(SHOP), "shop.test. NSEC www.shop.test. NS SOA RRSIG NSEC DNSKEY")
        assert judge(world(), "shop.test.", "DS", answer("shop.test.", (), proof)).proof.security is Security.BOGUS

    def test_a_ds_that_fits_no_key(self) -> None:
        upstream = world()
        upstream.has(Zone("shop.test.", number=77))
        proof = judge(upstream, "www.shop.test.", "A", answer("www.shop.test.", signed(SHOP, WWW))).proof
        assert (proof.security, proof.ede) == (Security.BOGUS, EDECode.DNSKEY_MISSING)
        assert upstream.forgotten == ["shop.test DNSKEY"]

    def test_a_denial_of_ds_that_is_stripped(self) -> None:
        """An attacker who takes the proof away makes nothing insecure."""
        upstream = world()
        upstream.says("plain.test.", "DS")
        proof = judge(
            upstream, "www.plain.test.", "A", answer("www.plain.test.", [rrset("www.plain.test. A 192.0.2.1")])
        )
        assert (proof.proof.security, proof.proof.ede) == (Security.BOGUS, EDECode.NSEC_MISSING)

    def test_a_proof_lasts_as_long_as_its_signature(self) -> None:
        """Whoever raises its TTL on the way does not make a zone insecure for longer."""
        upstream, zones = world(), ZoneStatusCache()
        proof = rrset("plain.test. NSEC zzz.test. NS RRSIG NSEC")
        upstream.says("plain.test.", "DS", (), [proof, TEST.signed(proof, expiration=NOW + 10)])
        told = answer("www.plain.test.", [rrset("www.plain.test. A 192.0.2.1")])
        judge(upstream, "www.plain.test.", "A", told, zones=zones)
        assert zones.find(from_text("plain.test."), 9.0) is not None
        assert zones.find(from_text("plain.test."), 10.0) is None

    def test_an_algorithm_that_is_not_known(self) -> None:
        upstream = world()
        upstream.says("shop.test.", "DS", signed(TEST, "shop.test. DS 1 200 2 " + "00" * 32))
        proof = judge(upstream, "www.shop.test.", "A", answer("www.shop.test.", signed(SHOP, WWW))).proof
        assert (proof.security, proof.ede) == (Security.INSECURE, EDECode.UNSUPPORTED_DNSKEY_ALGORITHM)

    def test_a_bogus_zone_is_left_alone_for_longer_each_time(self) -> None:
        """And looked at again after that, so that it comes back when it is mended."""
        upstream, zones = world(), ZoneStatusCache()
        upstream.has(Zone("shop.test.", number=77))
        told = answer("www.shop.test.", signed(SHOP, WWW))
        for clock, asks in (
            (0.0, True),
            (MIN_BOGUS_SECONDS - 1, False),
            (MIN_BOGUS_SECONDS, True),
            (3 * MIN_BOGUS_SECONDS - 1, False),
        ):
            upstream.asked.clear()
            judge(upstream, "www.shop.test.", "A", told, zones=zones, clock=clock)
            assert ("shop.test DNSKEY" in upstream.asked) is asks, clock
        upstream.has(SHOP)
        found = judge(upstream, "www.shop.test.", "A", told, zones=zones, clock=3 * MIN_BOGUS_SECONDS)
        assert found.proof.security is Security.SECURE

    def test_many_who_look_at_once_make_nobody_wait_longer(self) -> None:
        """A zone that ten walks find bogus at the same time was found so once."""
        zones, name = ZoneStatusCache(), from_text("shop.test.")
        for _ in range(10):
            zones.store(name, Found(name, Security.BOGUS), 0.0)
        assert zones.find(name, MIN_BOGUS_SECONDS - 0.1) is not None
        assert zones.find(name, MIN_BOGUS_SECONDS) is None

    def test_keys_that_take_long_to_try_are_tried_beside_the_queries(self) -> None:
        """What is dear is told by its cost, not by its number."""
        upstream, dear = world(), Zone("dear.test.", 14, number=3)
        upstream.has(dear, TEST)
        keys = rrset(f"dear.test. DNSKEY {dear.dnskey.to_text()}")
        upstream.says("dear.test.", "DNSKEY", [keys, *[dear.signed(keys, expiration=NOW + 60 + n) for n in range(4)]])
        told = answer("www.dear.test.", signed(dear, "www.dear.test. A 192.0.2.1"))
        assert judge(upstream, "www.dear.test.", "A", told).proof.security is Security.SECURE
        assert upstream.ran == 1

    def test_a_chain_that_cannot_be_asked_for(self) -> None:
        """That is no proof of anything."""
        upstream = world()
        del upstream.answers[from_text("shop.test."), 48]
        with pytest.raises(UpstreamError):
            judge(upstream, "www.shop.test.", "A", answer("www.shop.test.", signed(SHOP, WWW)))


class TestNegativeAnchors:
    """Below one nothing is validated (RFC 7646)."""

    def test_it_covers_what_is_below(self) -> None:
        negatives = NegativeTrustAnchors(frozenset({from_text("shop.test.")}))
        told = answer("www.shop.test.", [rrset(WWW)])
        proof = judge(world(), "www.shop.test.", "A", told, negatives=negatives).proof
        assert proof.security is Security.INSECURE
        assert "negative trust anchor" in proof.reason

    def test_nobody_above_it_has_a_say(self) -> None:
        """A signature of the zone around it, even a wrong one, is not looked at."""
        negatives = NegativeTrustAnchors(frozenset({from_text("www.shop.test.")}))
        told = answer("www.shop.test.", [rrset(WWW), SHOP.signed(rrset(WWW), expiration=NOW - 1)])
        assert judge(world(), "www.shop.test.", "A", told, negatives=negatives).proof.security is Security.INSECURE

    def test_an_anchor_below_it_counts(self) -> None:
        negatives = NegativeTrustAnchors(frozenset({from_text("test.")}))
        told = answer("www.shop.test.", signed(SHOP, WWW))
        found = judge(world(), "www.shop.test.", "A", told, negatives=negatives, trust=anchors(ROOT, SHOP))
        assert found.proof.security is Security.SECURE


class TestBounds:
    """What costs too much is bogus: to call it insecure would be a downgrade."""

    def test_proofs_at_every_label(self) -> None:
        """A zone's owner may have any number of NSEC in the answer for each label: only what it takes is free."""
        upstream = world()
        names = ["shop.test."]
        for _ in range(6):
            names.append(f"a.{names[-1]}")
            proofs = [
                f"{names[-1]} NSEC z.{names[-1]} A RRSIG NSEC",
                *(f"n{n}.shop.test. NSEC o{n}.shop.test. A" for n in range(9)),
            ]
            upstream.says(names[-1], "DS", (), signed(SHOP, soa(SHOP), *proofs))
        found = judge(upstream, names[-1], "A", answer(names[-1], [rrset(f"{names[-1]} A 192.0.2.1")]))
        assert found.proof.security is Security.BOGUS
        assert "16 signatures" in found.proof.reason

    def test_signatures(self) -> None:
        wrong = [SHOP.signed(rrset(f"www.shop.test. A 192.0.2.{number}")) for number in range(20, 40)]
        told = answer("www.shop.test.", [rrset(WWW), *wrong, SHOP.signed(rrset(WWW))])
        settings = ValidatorSettings(limits=ValidationLimits(signatures=16))
        proof = judge(world(), "www.shop.test.", "A", told, settings=settings).proof
        assert (proof.security, proof.ede) == (Security.BOGUS, EDECode.DNSSEC_BOGUS)
        assert "16 signatures" in proof.reason
        enough = ValidatorSettings(limits=ValidationLimits(signatures=40))
        assert judge(world(), "www.shop.test.", "A", told, settings=enough).proof.security is Security.SECURE

    def test_queries(self) -> None:
        settings = ValidatorSettings(limits=ValidationLimits(queries=4))
        told = answer("www.shop.test.", signed(SHOP, WWW))
        proof = judge(world(), "www.shop.test.", "A", told, settings=settings).proof
        assert proof.security is Security.BOGUS
        assert "4 queries" in proof.reason

    def test_a_zone_that_is_too_much_is_too_much_for_everybody(self) -> None:
        """Its keys are not tried again by the next answer, until it is looked at again."""
        upstream, zones = world(), ZoneStatusCache()
        sign_keys_wrongly(upstream, 20)
        for clock, asked in ((0.0, 1), (1.0, 1), (MIN_BOGUS_SECONDS, 2)):
            proof = judge(
                upstream, "www.shop.test.", "A", answer("www.shop.test.", signed(SHOP, WWW)), zones=zones, clock=clock
            ).proof
            assert (proof.security, proof.ede) == (Security.BOGUS, EDECode.DNSSEC_BOGUS)
            assert "16 signatures" in proof.reason
            assert upstream.asked.count("shop.test DNSKEY") == asked
        assert {"shop.test DS", "shop.test DNSKEY"} <= set(upstream.forgotten)

    def test_a_zone_is_not_blamed_for_what_was_tried_before_it(self) -> None:
        """Half of what is allowed went to the alias, the rest to the keys of its target: together that is too much."""
        upstream, zones = world(), ZoneStatusCache()
        sign_keys_wrongly(upstream, 10)
        alias = rrset("www.other.test. CNAME www.shop.test.")
        wrong = [OTHER.signed(rrset(f"www.other.test. CNAME {number}.test.")) for number in range(10)]
        told = answer("www.other.test.", [alias, *wrong, OTHER.signed(alias), *signed(SHOP, WWW)])
        assert judge(upstream, "www.other.test.", "A", told, zones=zones).proof.security is Security.BOGUS
        told = answer("www.shop.test.", signed(SHOP, WWW))
        assert judge(upstream, "www.shop.test.", "A", told, zones=zones).proof.security is Security.SECURE

    def test_the_keys_of_a_long_chain_cost_the_answer_nothing(self) -> None:
        """One signature is enough for an answer of one record, however many zones are above it."""
        settings = ValidatorSettings(limits=ValidationLimits(signatures=1))
        told = answer("www.shop.test.", signed(SHOP, WWW))
        assert judge(world(), "www.shop.test.", "A", told, settings=settings).proof.security is Security.SECURE


def test_every_step_is_told_to_whoever_wants_to_know() -> None:
    steps: list[ValidationStep] = []
    judge(world(), "www.shop.test.", "A", answer("www.shop.test.", signed(SHOP, WWW)), steps=steps)
    assert [(step.name, step.rdtype, step.security) for step in steps] == [
        (from_text(name), rdtype, Security.SECURE)
        for name, rdtype in ((".", 43), (".", 48), ("test.", 43), ("test.", 48), ("shop.test.", 43), ("shop.test.", 48))
    ] + [(from_text("www.shop.test."), 1, Security.SECURE)]


def test_ttls_never_exceed_what_was_signed() -> None:
    """And the proof tells when the first signature expires (RFC 4035 section 5.3.3)."""
    record = rrset(WWW)
    soon = SHOP.signed(record, expiration=NOW + 60)
    verdict = judge(world(), "www.shop.test.", "A", answer("www.shop.test.", [record, soon]))
    assert verdict.proof.expires_at == NOW + 60
    raised = copy(record)
    raised.ttl = 86400
    verdict = judge(world(), "www.shop.test.", "A", answer("www.shop.test.", [raised, SHOP.signed(record)]))
    assert list(verdict.ttls.values()) == [300]


def test_signatures_that_are_asked_for_are_nobodys_word() -> None:
    """There are no signatures of signatures."""
    told = answer("www.shop.test.", [SHOP.signed(rrset(WWW))])
    assert judge(world(), "www.shop.test.", "RRSIG", told).proof.security is Security.INSECURE


def test_all_types_of_an_alias() -> None:
    """Whoever asks for ANY is told of the alias, and not where it leads (RFC 8482)."""
    alias = signed(SHOP, "www.shop.test. CNAME www.other.test.")
    assert judge(world(), "www.shop.test.", "ANY", answer("www.shop.test.", alias)).proof.security is Security.SECURE


def test_all_types_are_each_looked_at() -> None:
    both = signed(SHOP, "www.shop.test. A 192.0.2.1", "www.shop.test. AAAA 2001:db8::1")
    assert judge(world(), "www.shop.test.", "ANY", answer("www.shop.test.", both)).proof.security is Security.SECURE
    half = [*signed(SHOP, "www.shop.test. A 192.0.2.1"), rrset("www.shop.test. AAAA 2001:db8::1")]
    assert judge(world(), "www.shop.test.", "ANY", answer("www.shop.test.", half)).proof.security is Security.BOGUS
