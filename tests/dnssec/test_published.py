from __future__ import annotations

import dns.dnssec
import dns.rdata
import pytest

from graydns.dnssec.delegation import DS, trust_keys
from graydns.dnssec.keys import Key, KeySet
from graydns.dnssec.records import RRset, find
from graydns.dnssec.signature import Failed, Settings, Verified, verify
from graydns.model.name import from_text
from graydns.model.proof import EdeCode
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


def trusted(records: tuple[RRset, ...], now: int, key: int) -> KeySet:
    """The keys of a zone, its DS made of key number *key*."""
    zone = from_text("example.")
    dnskey = find(records, zone, DNSKEY)
    assert dnskey is not None
    ds = next(DS.of_key(zone, octets) for octets in dnskey.rdatas if Key(octets).tag == key)
    keys = trust_keys(zone, [ds], dnskey, now, budget(), ALL)
    assert isinstance(keys, KeySet), keys
    return keys


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_examples_of_every_algorithm(example: Example) -> None:
    """What RFCs 5702, 6605 and 8080 print verifies as it stands there, and with a signature changed it does not."""
    rrset = one(rrsets(example.records))
    keys = KeySet.of(from_text(example.zone), [Key(rdata("DNSKEY", example.dnskey))])
    now = dns.dnssec.to_timestamp(example.time)
    found = verify(rrset, keys, now, budget(), Settings())
    assert isinstance(found, Verified), found
    assert found.lifetime == 3600
    assert found.wildcard is None
    (signature,) = rrset.signatures
    changed = signature._replace(octets=signature.octets[:-1] + bytes((signature.octets[-1] ^ 1,)))
    failed = verify(rrset._replace(signatures=(changed,)), keys, now, budget(), Settings())
    assert isinstance(failed, Failed)
    assert failed.ede is EdeCode.BOGUS


@pytest.mark.parametrize("example", [it for it in EXAMPLES.values() if it.ds], ids=lambda it: it.zone)
def test_ds_of_examples(example: Example) -> None:
    """The DS that is printed beside a key is that of the key: only a signature of the DNSKEY RRset is missing."""
    zone = from_text(example.zone)
    dnskey = RRset(0, zone, DNSKEY, 1, 3600, (rdata("DNSKEY", example.dnskey),))
    found = trust_keys(zone, [DS.read(rdata("DS", example.ds))], dnskey, 0, budget(), Settings())
    assert isinstance(found, Failed)
    assert found.ede is EdeCode.RRSIGS_MISSING


@pytest.mark.parametrize("ds", DS_OF_KEY)
def test_ds_digests(ds: str) -> None:
    """The digests of RFC 4034 section 5.4 and RFC 4509 section 2.3."""
    zone = from_text(DS_ZONE)
    dnskey = RRset(0, zone, DNSKEY, 1, 3600, (rdata("DNSKEY", DS_KEY),))
    found = trust_keys(zone, [DS.read(rdata("DS", ds))], dnskey, 0, budget(), ALL)
    assert isinstance(found, Failed)
    assert found.ede is EdeCode.RRSIGS_MISSING
    other = trust_keys(from_text("other.example.com."), [DS.read(rdata("DS", ds))], dnskey, 0, budget(), ALL)
    assert isinstance(other, Failed)
    assert other.ede is EdeCode.DNSKEY_MISSING


@pytest.mark.parametrize(
    ("text", "time", "ksk"), [(SIGNED_ZONE, SIGNED_ZONE_TIME, 9465), (NSEC3_ZONE, NSEC3_ZONE_TIME, 12708)]
)
def test_example_zones(text: str, time: str, ksk: int) -> None:
    """The RRsets of the example zones of RFC 4035 and RFC 5155 verify with the keys that their DS would vouch for."""
    records, now = received(rrsets(text)), dns.dnssec.to_timestamp(time)
    keys = trusted(records, now, ksk)
    assert len(keys.keys) == 2
    for rrset in records:
        found = verify(rrset, keys, now, budget(), ALL)
        assert isinstance(found, Verified), found
        assert found.wildcard is None
        assert found.lifetime == 3600
        assert isinstance(verify(rrset, keys, now, budget(), Settings()), Failed), "SHA-1 is off unless enabled"


def test_wildcard() -> None:
    """RFC 4035 appendix B.6: the answer was made from a wildcard, and says from which."""
    now = dns.dnssec.to_timestamp(SIGNED_ZONE_TIME)
    keys = trusted(received(rrsets(SIGNED_ZONE)), now, 9465)
    found = verify(one(rrsets(WILDCARD)), keys, now, budget(), ALL)
    assert isinstance(found, Verified), found
    assert found.wildcard == from_text("w.example.")
