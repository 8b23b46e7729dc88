from __future__ import annotations

import dns.dnssec
import dns.rdata
import pytest
from dns.edns import EDECode

from graydns.dnssec.key_trust import DsRecord, authenticate_keys
from graydns.dnssec.rrsets import SignedRRset, find_rrset
from graydns.dnssec.signature import ValidatorSettings, VerificationFailure, VerifiedSignature, verify_rrset
from graydns.dnssec.zone_keys import ZoneKey, ZoneKeySet
from graydns.model.name import from_text
from tests.dnssec.published import (
    DS_KEY,
    DS_OF_KEY,
    DS_ZONE,
    EXAMPLES,
    NSEC3_ZONE,
    NSEC3_ZONE_TIME,
    SIGNED_ZONE,
    SIGNED_ZONE_TIME,
    WILDCARD,
    Example,
)
from tests.dnssec.signing import ALL, budget, one, received, rrsets

DNSKEY = 48


def rdata(rdtype: str, text: str) -> bytes:
    return dns.rdata.from_text("IN", rdtype, text.replace("\n", " ")).to_digestable()


def trusted(records: tuple[SignedRRset, ...], now: int, key: int) -> ZoneKeySet:
    """The keys of a zone, its DS made of key number *key*."""
    zone = from_text("example.")
    dnskey = find_rrset(records, zone, DNSKEY)
    assert dnskey is not None
    ds = next(DsRecord.from_dnskey(zone, octets) for octets in dnskey.rdatas if ZoneKey(octets).tag == key)
    keys = authenticate_keys(zone, [ds], dnskey, now, budget(), ALL)
    assert isinstance(keys, ZoneKeySet), keys
    return keys


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_examples_of_every_algorithm(example: Example) -> None:
    """What RFCs 5702, 6605 and 8080 print verifies as it stands there, and with a signature changed it does not."""
    rrset = one(rrsets(example.records))
    keys = ZoneKeySet.from_keys(from_text(example.zone), [ZoneKey(rdata("DNSKEY", example.dnskey))])
    now = dns.dnssec.to_timestamp(example.time)
    found = verify_rrset(rrset, keys, now, budget(), ValidatorSettings())
    assert isinstance(found, VerifiedSignature), found
    assert found.lifetime == 3600
    assert found.wildcard is None
    (signature,) = rrset.signatures
    changed = signature._replace(octets=signature.octets[:-1] + bytes((signature.octets[-1] ^ 1,)))
    failed = verify_rrset(rrset._replace(signatures=(changed,)), keys, now, budget(), ValidatorSettings())
    assert isinstance(failed, VerificationFailure)
    assert failed.ede is EDECode.DNSSEC_BOGUS


@pytest.mark.parametrize("example", [it for it in EXAMPLES.values() if it.ds], ids=lambda it: it.zone)
def test_ds_of_examples(example: Example) -> None:
    """The DS that is printed beside a key is that of the key: only a signature of the DNSKEY RRset is missing."""
    zone = from_text(example.zone)
    dnskey = SignedRRset(0, zone, DNSKEY, 1, 3600, (rdata("DNSKEY", example.dnskey),))
    found = authenticate_keys(
        zone, [DsRecord.from_rdata(rdata("DS", example.ds))], dnskey, 0, budget(), ValidatorSettings()
    )
    assert isinstance(found, VerificationFailure)
    assert found.ede is EDECode.RRSIGS_MISSING


@pytest.mark.parametrize("ds", DS_OF_KEY)
def test_ds_digests(ds: str) -> None:
    """The digests of RFC 4034 section 5.4 and RFC 4509 section 2.3."""
    zone = from_text(DS_ZONE)
    dnskey = SignedRRset(0, zone, DNSKEY, 1, 3600, (rdata("DNSKEY", DS_KEY),))
    found = authenticate_keys(zone, [DsRecord.from_rdata(rdata("DS", ds))], dnskey, 0, budget(), ALL)
    assert isinstance(found, VerificationFailure)
    assert found.ede is EDECode.RRSIGS_MISSING
    other = authenticate_keys(
        from_text("other.example.com."), [DsRecord.from_rdata(rdata("DS", ds))], dnskey, 0, budget(), ALL
    )
    assert isinstance(other, VerificationFailure)
    assert other.ede is EDECode.DNSKEY_MISSING


@pytest.mark.parametrize(
    ("text", "time", "ksk"), [(SIGNED_ZONE, SIGNED_ZONE_TIME, 9465), (NSEC3_ZONE, NSEC3_ZONE_TIME, 12708)]
)
def test_example_zones(text: str, time: str, ksk: int) -> None:
    """The SignedRRsets of the example zones of RFC 4035 and RFC 5155 verify with the keys that their DS would vouch
    for."""
    records, now = received(rrsets(text)), dns.dnssec.to_timestamp(time)
    keys = trusted(records, now, ksk)
    assert len(keys.keys) == 2
    for rrset in records:
        found = verify_rrset(rrset, keys, now, budget(), ALL)
        assert isinstance(found, VerifiedSignature), found
        assert found.wildcard is None
        assert found.lifetime == 3600
        assert isinstance(verify_rrset(rrset, keys, now, budget(), ValidatorSettings()), VerificationFailure), (
            "SHA-1 is off unless enabled"
        )


def test_wildcard() -> None:
    """RFC 4035 appendix B.6: the answer was made from a wildcard, and says from which."""
    now = dns.dnssec.to_timestamp(SIGNED_ZONE_TIME)
    keys = trusted(received(rrsets(SIGNED_ZONE)), now, 9465)
    found = verify_rrset(one(rrsets(WILDCARD)), keys, now, budget(), ALL)
    assert isinstance(found, VerifiedSignature), found
    assert found.wildcard == from_text("w.example.")
