from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import dns.dnssec
import dns.name
import dns.rrset
import pytest
from attrs import evolve
from dns.dnssectypes import DSDigest
from dns.edns import EDECode
from dns.rdatatype import RdataType

from graydns.dnssec.key_trust import DsRecord, UnsupportedDelegation, authenticate_keys
from graydns.dnssec.rrsets import SignedRRset
from graydns.dnssec.signature import ValidatorSettings, VerificationFailure
from graydns.dnssec.work_budget import ValidationLimits, WorkBudget, WorkLimitExceededError
from graydns.dnssec.zone_keys import EnabledAlgorithms, ZoneKey, ZoneKeySet
from graydns.model.name import from_text
from tests.dnssec.signing import ALL, EXPIRATION, NOW, Zone, budget, one

EXAMPLE = from_text("example.")
KSK, ZSK, OTHER = Zone(), Zone(number=1, flags=256), Zone(number=2)


def dnskey(*published: Zone, signers: Sequence[Zone] | None = None, expiration: int = EXPIRATION) -> SignedRRset:
    """The DNSKEY RRset of *published*, signed by *signers* (the first of them, if not said)."""
    rrset = dns.rrset.from_rdata(published[0].name, 3600, *(zone.dnskey for zone in published))
    signatures = [zone.signed(rrset, expiration=expiration) for zone in (published[:1] if signers is None else signers)]
    return one([rrset, *signatures])


def ds(zone: Zone = KSK, digest: int = 2) -> DsRecord:
    name, policy = dns.name.from_text(zone.name), dns.dnssec.allow_all_policy
    return DsRecord.from_rdata(dns.dnssec.make_ds(name, zone.dnskey, DSDigest(digest), policy=policy).to_digestable())


def trust(
    vouching: Sequence[DsRecord],
    keys: SignedRRset,
    settings: ValidatorSettings = ALL,
    limited: WorkBudget | None = None,
    now: int = NOW,
) -> ZoneKeySet | VerificationFailure | UnsupportedDelegation:
    return authenticate_keys(keys.owner, vouching, keys, now, limited or budget(), settings)


def tags(found: ZoneKeySet | VerificationFailure | UnsupportedDelegation) -> set[int]:
    assert isinstance(found, ZoneKeySet), found
    return {tag for _, tag in found.keys}


def failed(found: ZoneKeySet | VerificationFailure | UnsupportedDelegation, ede: EDECode) -> str:
    assert isinstance(found, VerificationFailure), found
    assert found.ede is ede
    return found.reason


def tag(zone: Zone) -> int:
    return ZoneKey(zone.octets).tag


@pytest.mark.parametrize("digest", [1, 2, 4])
@pytest.mark.parametrize("algorithm", [5, 7, 8, 10, 13, 14, 15, 16])
def test_every_algorithm_and_digest(algorithm: int, digest: int) -> None:
    """A DS as dnspython makes it vouches for the key, and the key for all keys of the zone."""
    ksk = Zone(algorithm=algorithm)
    keys = dnskey(ksk, ZSK)
    found = trust([ds(ksk, digest)], keys)
    assert tags(found) == {tag(ksk), tag(ZSK)}
    assert isinstance(found, ZoneKeySet)
    assert found.zone == EXAMPLE
    assert found.lifetime == 3600
    assert found.signature in keys.signatures


def test_exact_key() -> None:
    """A DS made of a key itself, as anchors are, vouches for that key."""
    assert tags(trust([DsRecord.from_dnskey(EXAMPLE, KSK.octets)], dnskey(KSK, ZSK))) == {tag(KSK), tag(ZSK)}
    revoked = evolve(KSK, flags=257 | 128)
    failed(trust([DsRecord.from_dnskey(EXAMPLE, KSK.octets)], dnskey(revoked)), EDECode.DNSKEY_MISSING)
    failed(trust([DsRecord.from_dnskey(EXAMPLE, revoked.octets)], dnskey(revoked, ZSK)), EDECode.DNSKEY_MISSING)


def test_signed_by_another_key() -> None:
    """It does not help that a key of the zone signed its keys if no DS vouches for that one."""
    reason = failed(trust([ds()], dnskey(KSK, ZSK, signers=[ZSK])), EDECode.DNSKEY_MISSING)
    assert f"signature of example DNSKEY by key {tag(ZSK)}" in reason
    failed(trust([ds()], dnskey(KSK, ZSK, signers=[])), EDECode.RRSIGS_MISSING)
    failed(trust([ds()], dnskey(KSK, signers=[evolve(KSK, name=".")])), EDECode.DNSSEC_BOGUS)
    failed(trust([ds()], dnskey(KSK, expiration=NOW - 1)), EDECode.SIGNATURE_EXPIRED)


def test_one_ds_of_several_is_enough() -> None:
    """During a roll there are DS of keys that are not there yet, or no longer."""
    assert tags(trust([ds(OTHER), ds()], dnskey(KSK, ZSK))) == {tag(KSK), tag(ZSK)}
    assert tags(trust([ds(OTHER), ds()], dnskey(KSK, OTHER))) == {tag(KSK), tag(OTHER)}


def test_one_algorithm_of_several_is_enough() -> None:
    """A DS of an algorithm that we do not know changes nothing for the one that we do (RFC 6840 section 5.11)."""
    unknown = ds()._replace(algorithm=200)
    assert tags(trust([unknown, ds()], dnskey(KSK))) == {tag(KSK)}
    assert tags(trust([ds()._replace(digest_type=3), ds()], dnskey(KSK))) == {tag(KSK)}


def test_wrong_ds() -> None:
    keys = dnskey(KSK, ZSK)
    reason = failed(trust([ds(OTHER)], keys), EDECode.DNSKEY_MISSING)
    held = ", ".join(str(it) for it in sorted((tag(KSK), tag(ZSK))))
    assert reason == f"example has keys {held}, none of DS {tag(OTHER)}"
    reason = failed(trust([ds()._replace(digest=bytes(32))], keys), EDECode.DNSKEY_MISSING)
    assert reason == f"the digest of DS {tag(KSK)} is not that of the key of example"
    for wrong in ({"tag": tag(KSK) ^ 1}, {"algorithm": 14}, {"digest_type": 4}, {"digest": b""}):
        failed(trust([ds()._replace(**wrong)], keys), EDECode.DNSKEY_MISSING)


def test_other_zone() -> None:
    """The digest covers the zone's name, and the keys must stand at it."""
    other = evolve(KSK, name="other.")
    failed(trust([ds()], dnskey(other)), EDECode.DNSKEY_MISSING)
    misplaced = authenticate_keys(EXAMPLE, [ds()], dnskey(other), NOW, budget(), ALL)
    failed(misplaced, EDECode.DNSKEY_MISSING)


def test_no_key() -> None:
    """Keys that may not sign count as none: not of a zone, revoked, of other protocols, too large."""
    empty = SignedRRset(0, EXAMPLE, RdataType.DNSKEY, 1, 60, ())
    assert (
        failed(trust([ds()], empty), EDECode.DNSKEY_MISSING)
        == f"example has no key that may sign; the DS is for {tag(KSK)}"
    )
    for host in (evolve(KSK, flags=1), evolve(KSK, flags=0)):
        assert "no DNSKEY of example has the flag" in failed(
            trust([ds(host)], dnskey(host)), EDECode.NO_ZONE_KEY_BIT_SET
        )
    revoked = evolve(KSK, flags=257 | 128)
    failed(trust([ds(revoked)], dnskey(revoked)), EDECode.DNSKEY_MISSING)


def test_sha1_digest() -> None:
    """A digest with SHA-1 counts only where there is none better of an algorithm that we know (RFC 4509 section 3)."""
    keys = dnskey(KSK)
    assert tags(trust([ds(digest=1)], keys)) == {tag(KSK)}
    failed(trust([ds(digest=1), ds(OTHER, 2)], keys), EDECode.DNSKEY_MISSING)
    failed(trust([ds(digest=1), ds(digest=4)._replace(digest=bytes(48))], keys), EDECode.DNSKEY_MISSING)
    assert tags(trust([ds(digest=1), ds(digest=2)._replace(algorithm=200)], keys)) == {tag(KSK)}


@pytest.mark.parametrize(
    ("fields", "ede", "words"),
    [
        ({"algorithm": 200}, EDECode.UNSUPPORTED_DNSKEY_ALGORITHM, "unsupported algorithm 200"),
        ({"algorithm": 5}, EDECode.UNSUPPORTED_DNSKEY_ALGORITHM, r"unsupported algorithm 5 \(RSASHA1\)"),
        ({"digest_type": 3}, EDECode.UNSUPPORTED_DS_DIGEST_TYPE, "unsupported digest type 3"),
        ({"digest_type": 3, "algorithm": 3}, EDECode.UNSUPPORTED_DNSKEY_ALGORITHM, "unsupported algorithm 3"),
    ],
)
def test_unsupported(fields: dict[str, Any], ede: EDECode, words: str) -> None:
    """With nothing that we can check the zone counts as unsigned, whatever its keys are (RFC 4035 section 5.2)."""
    vouching = [ds()._replace(**fields)]
    for keys in (dnskey(KSK), dnskey(KSK, signers=[])):
        found = trust(vouching, keys, ValidatorSettings())
        assert isinstance(found, UnsupportedDelegation), found
        assert found.ede is ede
        assert re.search(words, found.reason)


def test_algorithms_that_are_off() -> None:
    """Keys of an algorithm that is off are no keys, even beside one that is trusted."""
    old = Zone(algorithm=8, number=1)
    found = trust([ds()], dnskey(KSK, old), ValidatorSettings(algorithms=EnabledAlgorithms.of([13])))
    assert tags(found) == {tag(KSK)}


@pytest.mark.parametrize("rdata", [b"", b"\0", b"\0\1\x0d"])
def test_ds_cut_off(rdata: bytes) -> None:
    """Such a DS vouches for nothing."""
    assert isinstance(trust([DsRecord.from_rdata(rdata)], dnskey(KSK)), UnsupportedDelegation)
    failed(trust([DsRecord.from_rdata(b"\0\1\x0d\2")], dnskey(KSK)), EDECode.DNSKEY_MISSING)


def test_good_signatures_of_keys_are_free() -> None:
    """What vouches for a zone's keys does not count against the answer; what fails does."""
    limited = WorkBudget(ValidationLimits(signatures=1))
    for _ in range(10):
        assert isinstance(trust([ds()], dnskey(KSK, ZSK), limited=limited), ZoneKeySet)
    (good,) = dnskey(KSK).signatures
    false = dnskey(KSK)._replace(signatures=(good._replace(octets=bytes(64)),))
    failed(trust([ds()], false, limited=limited), EDECode.DNSSEC_BOGUS)
    with pytest.raises(WorkLimitExceededError):
        trust([ds()], false, limited=limited)


def test_keytrap() -> None:
    """Hundreds of keys of one tag, a DS for each, and hundreds of signatures end at the limit."""
    octets = KSK.octets
    words = [octets[at : at + 2] for at in range(4, len(octets), 2)]
    keys = sorted(
        octets[:4] + b"".join([*words[at:], *words[:at], filler.to_bytes(2), (0xFFFF - filler).to_bytes(2)])
        for at in range(len(words))
        for filler in range(16)
    )
    assert len({ZoneKey(key).tag for key in keys}) == 1
    (good,) = dnskey(KSK).signatures
    signatures = tuple(good._replace(tag=ZoneKey(keys[0]).tag, octets=number.to_bytes(64)) for number in range(1, 500))
    rrset = SignedRRset(0, EXAMPLE, RdataType.DNSKEY, 1, 60, tuple(keys), signatures)
    with pytest.raises(WorkLimitExceededError):
        trust([DsRecord.from_dnskey(EXAMPLE, key) for key in keys], rrset)
