from __future__ import annotations

import dns.dnssec
import dns.name
import pytest

from graydns.dnssec.key_trust import ROOT_ANCHORS, DsRecord, NegativeTrustAnchors, TrustAnchors
from graydns.model.dnssec_values import parse_trust_anchor
from graydns.model.name import from_text
from tests.dnssec.signing import Zone

ZONE = Zone("test.")
DIGEST = dns.dnssec.make_ds(dns.name.from_text("test."), ZONE.dnskey, "SHA256").to_text()


def test_root() -> None:
    """Both keys of the root, those of 2017 and 2024."""
    root = TrustAnchors.of(ROOT_ANCHORS).by_zone[b"\0"]
    assert [(it.tag, it.algorithm, it.digest_type, len(it.digest)) for it in root.ds] == [
        (20326, 8, 2, 32),
        (38696, 8, 2, 32),
    ]


@pytest.mark.parametrize(
    "line",
    [
        f"test. IN DS {DIGEST}",
        f"test. DS {DIGEST}",
        f"TEST 3600 IN DS {DIGEST}",
        f"test. IN 3600 ds {DIGEST}",
        f"  test. 3600 DS {DIGEST} ; of 2026",
        f"test.\tIN\tDS\t{DIGEST[:40]} {DIGEST[40:]}",
        f"test. IN DNSKEY {ZONE.dnskey.to_text()}",
        f"test. DNSKEY {ZONE.dnskey.to_text()}",
    ],
    ids=[
        "ds",
        "ds-no-class",
        "ds-ttl-class",
        "ds-class-ttl",
        "ds-comment",
        "ds-tabs-split",
        "dnskey",
        "dnskey-no-class",
    ],
)
def test_forms(line: str) -> None:
    """As a zone file has it, and all of them say the same: a DNSKEY is kept as the DS of that key."""
    anchor = TrustAnchors.of([parse_trust_anchor(line)]).by_zone[from_text("test.")]
    assert anchor.ds == (DsRecord.from_dnskey(from_text("test."), ZONE.octets),)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "neither a DS nor a DNSKEY"),
        ("test.", "neither a DS nor a DNSKEY"),
        ("test. IN DS", "neither a DS nor a DNSKEY"),
        ("test. IN A 192.0.2.1", "neither a DS nor a DNSKEY"),
        ("; nothing", "neither a DS nor a DNSKEY"),
        ("te..st. IN DS " + DIGEST, "not a domain name"),
        ("test. IN DS 1 13 2 00", "not a DS record"),
        ("test. IN DS 1 13 2 zz", "not a DS record"),
        ("test. IN DS 70000 13 2 " + "00" * 32, "not a DS record"),
        ("test. IN DNSKEY 257 3 13", "not a DNSKEY record"),
        ("test. IN DNSKEY 257 3 13 !!", "not a DNSKEY record"),
        ("test. CH DS " + DIGEST, "neither a DS nor a DNSKEY"),
    ],
    ids=[
        "empty",
        "name-only",
        "no-data",
        "address",
        "comment",
        "bad-name",
        "short-digest",
        "digest-not-hex",
        "tag-too-big",
        "key-cut-short",
        "key-not-base64",
        "class-chaos",
    ],
)
def test_faults(line: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_trust_anchor(line)


@pytest.mark.parametrize("flags", [1, 257 | 128])
def test_keys_that_never_vouch(flags: int) -> None:
    """A key that is not of a zone, or revoked, would make everything bogus: it is told at once."""
    with pytest.raises(ValueError, match="flags"):
        parse_trust_anchor(f"test. IN DNSKEY {Zone('test.', flags=flags).dnskey.to_text()}")


def test_several_anchors_of_a_zone_count_together() -> None:
    """Each once."""
    lines = [f"test. IN DS {DIGEST}", "test. IN DS 1 13 2 " + "00" * 32, f"Test. IN DS {DIGEST}"]
    anchors = TrustAnchors.of((*ROOT_ANCHORS, *map(parse_trust_anchor, lines)))
    assert {zone: len(anchor.ds) for zone, anchor in anchors.by_zone.items()} == {b"\0": 2, from_text("test."): 2}


def test_negative() -> None:
    """A negative anchor covers its name and all below; the deepest is told."""
    broken, below = from_text("broken.test."), from_text("a.broken.test.")
    negatives = NegativeTrustAnchors(frozenset({broken, below}))
    for name, expected in [
        ("broken.test.", broken),
        ("x.y.broken.test.", broken),
        ("b.a.broken.test.", below),
        ("a.broken.test.", below),
        ("xbroken.test.", None),
        ("test.", None),
    ]:
        assert negatives.find_covering(from_text(name)) == expected
    assert NegativeTrustAnchors().find_covering(from_text("test.")) is None
