from __future__ import annotations

import struct
from functools import cache
from typing import Any

import dns.rrset
import pytest
from dns.edns import EDECode
from hypothesis import given
from hypothesis import strategies as st

from graydns.dnssec.rrsets import RrsigRecord, SignedRRset, parse_rrsets
from graydns.dnssec.signature import (
    ValidatorSettings,
    VerificationFailure,
    VerifiedSignature,
    estimate_rrset_seconds,
    format_signature_time,
    signed_data,
    verify_rrset,
)
from graydns.dnssec.work_budget import ValidationLimits, WorkBudget, WorkLimitExceededError
from graydns.dnssec.zone_keys import SUPPORTED_ALGORITHMS, EnabledAlgorithms, ZoneKey, ZoneKeySet
from graydns.model.dnssec_values import RrsigInfo
from graydns.model.name import from_text, is_within
from graydns.wire.message import MalformedMessageError
from tests.conftest import examples
from tests.dnssec.signing import (
    ALL,
    EXPIRATION,
    INCEPTION,
    NOW,
    Zone,
    body_of,
    budget,
    message,
    one,
    private_key,
    rrsets,
)

ZONE = Zone()
EXAMPLE = from_text("example.")


def signed(text: str = "www.example. 300 IN A 192.0.2.1", zone: Zone = ZONE, **times: int) -> SignedRRset:
    """A SignedRRset signed by *zone*."""
    (rrset,) = rrsets(text)
    return one([rrset, zone.signed(rrset, **times)])


def check(
    rrset: SignedRRset, keys: ZoneKeySet | None = None, now: int = NOW, settings: ValidatorSettings = ALL
) -> VerifiedSignature | VerificationFailure:
    return verify_rrset(rrset, keys or ZONE.keys, now, budget(), settings)


def held(found: VerifiedSignature | VerificationFailure) -> VerifiedSignature:
    assert isinstance(found, VerifiedSignature), found
    return found


def failed(found: VerifiedSignature | VerificationFailure, ede: EDECode) -> str:
    assert isinstance(found, VerificationFailure), found
    assert found.ede is ede
    return found.reason


def altered(rrset: SignedRRset, **fields: Any) -> SignedRRset:
    """*rrset* with fields of its only signature changed, in what is signed too."""
    (signature,) = rrset.signatures
    signature = signature._replace(**fields)
    numbers = struct.pack("!HBBIIIH", *signature[:7])
    return rrset._replace(signatures=(signature._replace(signed=numbers + signature.signer),))


# What holds


def test_what_is_told() -> None:
    rrset = signed()
    found = held(check(rrset))
    assert found.signature is rrset.signatures[0]
    assert found.key.rdata == ZONE.octets
    assert found.wildcard is None
    assert found.lifetime == 300
    assert found.signer == RrsigInfo(EXAMPLE, found.key.tag, 13, 300, EXPIRATION, INCEPTION)


NAMES = st.lists(
    st.text("abcXYZ019-_", min_size=1, max_size=12).filter(lambda it: it != "*"), min_size=0, max_size=4
).map(lambda labels: ".".join([*labels, "Example."]))
RECORDS = st.one_of(
    st.tuples(st.just("A"), st.ip_addresses(v=4).map(str)),
    st.tuples(st.just("AAAA"), st.ip_addresses(v=6).map(str)),
    st.tuples(st.just("MX"), st.builds("{} {}".format, st.integers(0, 65535), NAMES)),
    st.tuples(st.just("NS"), NAMES),
    st.tuples(st.just("SRV"), NAMES.map("0 1 2 {}".format)),
    st.tuples(st.just("TXT"), st.binary(max_size=40).map(lambda it: '"' + "".join(f"\\{o:03}" for o in it) + '"')),
)


@given(
    algorithm=st.sampled_from(sorted(SUPPORTED_ALGORITHMS)),
    owner=NAMES,
    ttl=st.integers(0, 2**31 - 1),
    records=st.lists(RECORDS, min_size=1, max_size=6),
)
def test_whatever_is_signed_holds(algorithm: int, owner: str, ttl: int, records: list[tuple[str, str]]) -> None:
    """RRsets of every kind, signed and written by dnspython with all sorts of letters, verify with every algorithm."""
    rdtype = records[0][0]
    rdatas = [rdata for other, rdata in records if other == rdtype]
    zone = Zone(algorithm=algorithm)
    rrset = dns.rrset.from_text(owner, ttl, "IN", rdtype, *rdatas)
    found = held(check(one([rrset, zone.signed(rrset)]), zone.keys))
    assert found.lifetime == min(ttl, EXPIRATION - NOW)
    assert found.wildcard is None


@cache
def exchangers(zone: Zone) -> tuple[bytes, int, bytes, tuple[int, int, int]]:
    """A message with two compressed MX records and their signature."""
    (rrset,) = rrsets("www.example. 300 IN MX 10 mail.example.\nwww.example. 300 IN MX 20 b.mail.example.")
    return body_of(message([rrset, zone.signed(rrset)], "example."), "example.")


@examples(4)
@given(algorithm=st.sampled_from(sorted(SUPPORTED_ALGORITHMS)), data=st.data())
def test_no_flipped_octet_holds(algorithm: int, data: st.DataObject) -> None:
    """An octet changed anywhere in the message leaves what was signed, or fails. TTLs of records are not signed."""
    zone = Zone(algorithm=algorithm)
    qname, size, body, counts = exchangers(zone)
    (before,) = parse_rrsets(qname, size, body, counts)
    at, flip = data.draw(st.integers(0, len(body) - 1)), data.draw(st.integers(1, 255))
    try:
        after = parse_rrsets(qname, size, body[:at] + bytes((body[at] ^ flip,)) + body[at + 1 :], counts)
    except MalformedMessageError:
        return
    for rrset in after:
        found = check(rrset, zone.keys)
        if isinstance(found, VerifiedSignature):
            assert rrset._replace(ttl=0, section=0, signatures=()) == before._replace(ttl=0, section=0, signatures=())
            assert found.signature._replace(ttl=0) == before.signatures[0]._replace(ttl=0)
            assert found.lifetime <= 300


@examples(2.5)
@given(algorithm=st.sampled_from(sorted(SUPPORTED_ALGORITHMS)), data=st.data())
def test_no_flipped_key_verifies(algorithm: int, data: st.DataObject) -> None:
    """A key with one octet changed, the signature made to name it, verifies nothing."""
    zone = Zone(algorithm=algorithm)
    rrset = signed(zone=zone)
    octets = zone.octets
    at, flip = data.draw(st.integers(4, len(octets) - 1)), data.draw(st.integers(1, 255))
    other = ZoneKey(octets[:at] + bytes((octets[at] ^ flip,)) + octets[at + 1 :])
    failed(check(altered(rrset, tag=other.tag), ZoneKeySet.from_keys(EXAMPLE, [other])), EDECode.DNSSEC_BOGUS)
    (signature,) = rrset.signatures
    unsigned_tag = rrset._replace(signatures=(signature._replace(tag=other.tag),))
    failed(check(unsigned_tag, ZoneKeySet.from_keys(EXAMPLE, [other])), EDECode.DNSSEC_BOGUS)


# Whose signatures count


def test_signer_above_the_zone() -> None:
    """A signature by the zone above, which has a key of its own, is none by this zone."""
    child = Zone("sub.example.")
    rrset = signed("www.sub.example. 60 IN A 192.0.2.1", ZONE)
    reason = failed(check(rrset, child.keys), EDECode.DNSSEC_BOGUS)
    assert "is not by sub.example" in reason


def test_owner_outside_the_zone() -> None:
    """A zone signs nothing that is not in it: not a name beside it, and not one that merely ends in the same octets."""
    for owner in ("www.other.", "wwwexample.", "."):
        (rrset,) = rrsets(f"{owner} 60 IN A 192.0.2.1")
        found = check(one([rrset, ZONE.signed(rrset)]))
        assert "which the name is not in" in failed(found, EDECode.DNSSEC_BOGUS)


def test_type_and_class_are_signed() -> None:
    rrset = signed()
    failed(check(rrset._replace(rdtype=16)), EDECode.DNSSEC_BOGUS)
    failed(check(rrset._replace(rdclass=3)), EDECode.DNSSEC_BOGUS)
    failed(check(rrset._replace(rdatas=rrset.rdatas * 2)), EDECode.DNSSEC_BOGUS)
    failed(check(rrset._replace(rdatas=())), EDECode.DNSSEC_BOGUS)


def test_no_signature() -> None:
    assert "www.example A has no signature" in failed(check(signed()._replace(signatures=())), EDECode.RRSIGS_MISSING)


def test_unknown_key() -> None:
    reason = failed(check(signed(zone=Zone(number=1))), EDECode.DNSKEY_MISSING)
    assert f"by key {ZoneKey(Zone(number=1).octets).tag} of example" in reason
    assert "13 (ECDSAP256SHA256)" in reason


def test_algorithm_switched_off() -> None:
    """A signature of an algorithm that is off counts for nothing, its key at hand or not."""
    zone = Zone(algorithm=5)
    failed(check(signed(zone=zone), zone.keys, settings=ValidatorSettings()), EDECode.DNSKEY_MISSING)
    held(check(signed(zone=zone), zone.keys, settings=ValidatorSettings(algorithms=EnabledAlgorithms.of([5]))))


def test_one_of_several_signatures_is_enough() -> None:
    """With one good signature the others do not matter, in whichever order they come (RFC 6840 section 5.4)."""
    good = signed().signatures[0]
    bad = good._replace(octets=bytes(64))
    others = [
        bad,
        signed(zone=Zone(number=1)).signatures[0],
        signed(expiration=NOW - 1).signatures[0],
        signed(inception=NOW + 1).signatures[0],
        good._replace(signer=from_text(".")),
        good._replace(algorithm=200),
    ]
    rrset = signed()
    for signatures in ([*others, good], [good, *others]):
        assert held(check(rrset._replace(signatures=tuple(signatures)))).signature is good


def test_the_most_telling_reason() -> None:
    """Of several signatures that fail the reason is the one that says most, whatever their order."""
    good = signed().signatures[0]
    ranked: list[tuple[RrsigRecord, EDECode, str]] = [
        (signed(expiration=NOW - 1).signatures[0], EDECode.SIGNATURE_EXPIRED, "expired at"),
        (signed(inception=NOW + 1).signatures[0], EDECode.SIGNATURE_NOT_YET_VALID, "is not valid before"),
        (good._replace(signer=from_text(".")), EDECode.DNSSEC_BOGUS, "is not by example"),
        (good._replace(tag=good.tag ^ 1), EDECode.DNSKEY_MISSING, "no such key"),
        (good._replace(octets=bytes(64)), EDECode.DNSSEC_BOGUS, "does not verify"),
    ]
    for at in range(len(ranked)):
        signatures = tuple(it[0] for it in ranked[at:])
        for order in (signatures, signatures[::-1]):
            found = check(signed()._replace(signatures=order))
            assert ranked[at][2] in failed(found, ranked[at][1])
            assert isinstance(found, VerificationFailure)
            assert found.signer is not None
            assert found.signer.tag == ranked[at][0].tag


# When they hold


def test_first_and_last_second() -> None:
    rrset = signed(inception=NOW - 10, expiration=NOW + 10)
    assert held(check(rrset, now=NOW + 10)).lifetime == 0
    assert held(check(rrset, now=NOW - 10)).lifetime == 20
    late = failed(check(rrset, now=NOW + 11), EDECode.SIGNATURE_EXPIRED)
    assert late.endswith(f"by key {ZoneKey(ZONE.octets).tag} of example expired at {format_signature_time(NOW + 10)}")
    early = failed(check(rrset, now=NOW - 11), EDECode.SIGNATURE_NOT_YET_VALID)
    assert early.endswith(f"is not valid before {format_signature_time(NOW - 10)}")


def test_skew() -> None:
    """Clocks may differ by the skew, and no more; what is past its time lives no second longer for it."""
    rrset = signed(inception=NOW - 10, expiration=NOW + 10)
    skewed = ValidatorSettings(skew=300)
    assert held(check(rrset, now=NOW + 310, settings=skewed)).lifetime == 0
    held(check(rrset, now=NOW - 310, settings=skewed))
    failed(check(rrset, now=NOW + 311, settings=skewed), EDECode.SIGNATURE_EXPIRED)
    failed(check(rrset, now=NOW - 311, settings=skewed), EDECode.SIGNATURE_NOT_YET_VALID)


@pytest.mark.parametrize("now", [2**31, 2**32 - 1, 2**32, 2**32 + 10, 2**33, 3 * 2**31])
def test_times_wrap(now: int) -> None:
    """Times are serial numbers: they hold around any power of two (RFC 4034 section 3.1.5)."""
    rrset = signed(inception=now - 3600, expiration=now + 3600)
    assert held(check(rrset, now=now)).lifetime == 300
    failed(check(rrset, now=now + 3601), EDECode.SIGNATURE_EXPIRED)
    failed(check(rrset, now=now - 3601), EDECode.SIGNATURE_NOT_YET_VALID)


def test_ends_before_it_begins() -> None:
    rrset = signed(inception=NOW + 100, expiration=NOW - 100)
    assert "ends before it begins" in failed(check(rrset, settings=ValidatorSettings(skew=300)), EDECode.DNSSEC_BOGUS)


def test_lifetime() -> None:
    """The least of the TTL, the TTL that was signed, and what is left of the signature (RFC 4035 section 5.3.3)."""
    rrset = signed(expiration=NOW + 1000)
    assert held(check(rrset)).lifetime == 300
    assert held(check(rrset._replace(ttl=20))).lifetime == 20
    assert held(check(rrset._replace(ttl=100_000))).lifetime == 300
    assert held(check(rrset, now=NOW + 900)).lifetime == 100


def test_moment() -> None:
    assert format_signature_time(1_084_127_779) == "20040509183619"
    assert format_signature_time(2**32 - 1) == "21060207062815"


# Wildcards


def expanded(owner: str, wildcard: str = "*.w.example.") -> SignedRRset:
    """A SignedRRset at *owner* with the signature of *wildcard*."""
    return signed(f"{wildcard} 60 IN A 192.0.2.1")._replace(owner=from_text(owner))


@pytest.mark.parametrize(
    ("owner", "wildcard", "encloser"),
    [
        ("a.w.example.", "*.w.example.", "w.example."),
        ("a.b.w.example.", "*.w.example.", "w.example."),
        ("a.example.", "*.example.", "example."),
        ("*.a.w.example.", "*.w.example.", "w.example."),  # the asterisk that was asked for is an expansion, too
        ("*.w.example.", "*.w.example.", None),  # the wildcard itself
    ],
)
def test_wildcard(owner: str, wildcard: str, encloser: str | None) -> None:
    expected = None if encloser is None else from_text(encloser)
    assert held(check(expanded(owner, wildcard))).wildcard == expected


@pytest.mark.parametrize("owner", ["w.example.", "a.x.example.", "example."])
def test_what_a_wildcard_does_not_cover(owner: str) -> None:
    failed(check(expanded(owner)), EDECode.DNSSEC_BOGUS)


def test_labels_are_signed() -> None:
    """No other count of labels makes an expansion out of a signature, or hides one."""
    rrset = signed("a.b.c.example. 60 IN A 192.0.2.1")
    for labels in (0, 1, 2, 3, 5, 127, 255):
        failed(check(altered(rrset, labels=labels)), EDECode.DNSSEC_BOGUS)
        failed(check(altered(expanded("a.b.w.example."), labels=labels if labels != 2 else 4)), EDECode.DNSSEC_BOGUS)


@pytest.mark.parametrize("owner", ["www.example.", "*.w.example."])
def test_more_labels_than_the_name(owner: str) -> None:
    """A count of labels above the owner's, without its asterisk, is refused though the signature is good."""
    rrset = signed(f"{owner} 60 IN A 192.0.2.1")
    wrong = altered(rrset, labels=rrset.signatures[0].labels + 1)
    (signature,) = wrong.signatures
    octets = private_key(13).sign(signed_data(wrong, signature, None))
    found = check(wrong._replace(signatures=(signature._replace(octets=octets),)))
    assert "more than the name has" in failed(found, EDECode.DNSSEC_BOGUS)


def test_wildcard_above_its_zone() -> None:
    """A zone cannot have signed a wildcard above itself, even with its own key."""
    zone = Zone("sub.example.")
    rrset = signed("*.example. 60 IN A 192.0.2.1", zone)._replace(owner=from_text("a.sub.example."))
    assert "fewer than its zone has" in failed(check(rrset, zone.keys), EDECode.DNSSEC_BOGUS)
    assert is_within(rrset.owner, zone.keys.zone)


def test_root() -> None:
    """In the root zone too: its own RRsets, and a wildcard directly below it."""
    root = Zone(".")
    held(check(signed(". 60 IN NS a.", root), root.keys))
    rrset = signed("*. 60 IN A 192.0.2.1", root)
    assert held(check(rrset, root.keys)).wildcard is None
    assert held(check(rrset._replace(owner=from_text("a.b.")), root.keys)).wildcard == b"\0"


# Bounds


def twins(count: int, good: bool) -> ZoneKeySet:
    """Keys with the tag of ZONE's: words of the key change places. The *good* one comes last."""
    octets = ZONE.octets
    words = [octets[at : at + 2] for at in range(4, len(octets), 2)]
    made = [ZoneKey(octets[:4] + b"".join(words[at:] + words[:at])) for at in range(1, count + 1)]
    if good:
        made[-1] = ZoneKey(octets)
    assert {key.tag for key in made} == {ZoneKey(octets).tag}
    return ZoneKeySet.from_keys(EXAMPLE, made)


def test_keys_of_one_tag() -> None:
    """So many keys of a tag are tried, and not one more; what comes after them is not said to be false."""
    held(check(signed(), twins(4, good=True)))
    failed(check(signed(), twins(4, good=False)), EDECode.DNSSEC_BOGUS)
    with pytest.raises(WorkLimitExceededError, match="more than 4 keys of example with tag"):
        check(signed(), twins(5, good=True))


def test_signatures_tried() -> None:
    """A flood of signatures that name a key stops at the limit, keys of the same tag or not."""
    rrset = signed()
    (good,) = rrset.signatures
    bad = tuple(good._replace(octets=number.to_bytes(64)) for number in range(1, 100))
    limited = ValidationLimits(signatures=16)
    held(verify_rrset(rrset._replace(signatures=(*bad[:15], good)), ZONE.keys, NOW, WorkBudget(limited), ALL))
    for signatures, keys in [((*bad[:16], good), ZONE.keys), (bad, twins(4, good=False))]:
        with pytest.raises(WorkLimitExceededError, match="more than 16 signatures"):
            verify_rrset(rrset._replace(signatures=signatures), keys, NOW, WorkBudget(limited), ALL)


def test_what_cannot_hold_costs_nothing() -> None:
    """Signatures that are expired, of other signers or unknown keys are not tried, however many there are."""
    rrset = signed()
    (good,) = rrset.signatures
    idle = [
        good._replace(expiration=NOW - 1),
        good._replace(inception=NOW + 1),
        good._replace(signer=from_text(".")),
        good._replace(tag=good.tag ^ 1),
        good._replace(labels=100),
    ]
    held(
        verify_rrset(
            rrset._replace(signatures=(*idle * 100, good)),
            ZONE.keys,
            NOW,
            WorkBudget(ValidationLimits(signatures=1)),
            ALL,
        )
    )


def test_cost() -> None:
    """The estimate counts the signatures that name a key, by algorithm and by every key of their tag."""
    rrset = signed()
    single = estimate_rrset_seconds(rrset, ZONE.keys)
    assert 0 < single < 0.001
    assert estimate_rrset_seconds(
        rrset._replace(signatures=rrset.signatures * 3), twins(4, good=False)
    ) == pytest.approx(12 * single)
    assert estimate_rrset_seconds(rrset, Zone(number=1).keys) == 0
    assert estimate_rrset_seconds(rrset, ZoneKeySet.from_keys(from_text("."), [ZoneKey(ZONE.octets)])) == 0
    slow = Zone(algorithm=14)
    assert estimate_rrset_seconds(signed(zone=slow), slow.keys) > single
