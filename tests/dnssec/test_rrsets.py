from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.dnssec.rrsets import find_rrset, parse_rrsets
from graydns.model.answer import ANSWER, AUTHORITY
from graydns.model.name import from_text
from graydns.wire.message import MalformedMessageError
from tests.conftest import examples
from tests.dnssec.signing import Zone, body_of, message, received, rrsets

RRSIG = 46
QUESTION = struct.pack("!HH", 1, 1)


def body(*records: tuple[bytes, int, int, bytes]) -> tuple[bytes, tuple[int, int, int]]:
    """Records of owner, type, TTL and rdata, as they are."""
    made = b"".join(
        owner + struct.pack("!HHIH", rdtype, 1, ttl, len(rdata)) + rdata for owner, rdtype, ttl, rdata in records
    )
    return made, (len(records), 0, 0)


def test_rrsets_with_their_signatures() -> None:
    """RRsets come in order of appearance, each with the signatures of its section, owner and type."""
    zone = Zone()
    addresses, ns = rrsets(
        """
        www.example. 300 IN A 192.0.2.2
        www.example. 300 IN A 192.0.2.1
        example. 600 IN NS ns.example.
        """
    )
    reply = message([addresses, zone.signed(addresses)], "www.example.", [zone.signed(ns), ns])
    first, second = parse_rrsets(*body_of(reply, "www.example."))
    assert (first.section, first.owner, first.rdtype, first.ttl) == (ANSWER, from_text("www.example."), 1, 300)
    assert first.rdatas == (bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2)))
    assert [it.covered for it in first.signatures] == [1]
    assert (second.section, second.owner, second.rdtype, second.ttl) == (AUTHORITY, from_text("example."), 2, 600)
    assert [it.covered for it in second.signatures] == [2]
    assert find_rrset((first, second), from_text("example."), 2) is second
    assert find_rrset((first, second), from_text("example."), 1) is None


def test_signature_fields() -> None:
    """An RRSIG is read field by field, its signer lowered, and its signed part is its rdata up to the signature."""
    text = "a.example. 60 IN RRSIG MX 13 2 3600 20300101000000 20000101000000 65535 Example. AQID"
    mx, rrsig = rrsets(f"a.example. 50 IN MX 1 b.example.\n{text}")
    (rrset,) = received([mx, rrsig])
    (signature,) = rrset.signatures
    assert (signature.covered, signature.algorithm, signature.labels, signature.original_ttl) == (15, 13, 2, 3600)
    assert (signature.expiration, signature.inception, signature.tag) == (1893456000, 946684800, 65535)
    assert (signature.signer, signature.octets, signature.ttl) == (from_text("example."), bytes((1, 2, 3)), 60)
    assert signature.signed + signature.octets == rrsig[0].to_digestable()


def test_signatures_of_nothing() -> None:
    """A signature that covers nothing here is left out; of another section or owner is nothing too."""
    zone = Zone()
    a, b = rrsets("a.example. 1 IN A 192.0.2.1\nb.example. 1 IN A 192.0.2.1")
    assert parse_rrsets(*body_of(message([zone.signed(a)]))) == ()
    assert parse_rrsets(*body_of(message([a], authority=[zone.signed(a)])))[0].signatures == ()
    assert received([a, zone.signed(b)])[0].signatures == ()


def test_signatures_asked_for() -> None:
    """Asked for RRSIGs, they are an RRset that nothing signs; those of a denial stay with what they cover."""
    zone = Zone()
    a, mx, soa = rrsets(
        """
        a.example. 1 IN A 192.0.2.1
        a.example. 1 IN MX 1 a.example.
        example. 1 IN SOA a.example. b.example. 1 2 3 4 5
        """
    )
    signatures = [zone.signed(a), zone.signed(mx)]
    (found,) = parse_rrsets(*body_of(message(signatures)), qtype=RRSIG)
    assert (found.rdtype, found.signatures) == (RRSIG, ())
    assert set(found.rdatas) == {it[0].to_digestable() for it in signatures}
    (denied,) = parse_rrsets(*body_of(message([], authority=[soa, zone.signed(soa)])), qtype=RRSIG)
    assert (denied.rdtype, len(denied.signatures)) == (6, 1)


def test_question_is_pointed_at() -> None:
    """Names in owner and rdata may point into the question, whose letters are as the asker's."""
    qname = from_text("www.example.")
    made, counts = body((b"\xc0\x0c", 5, 60, b"\x01A\xc0\x10"))
    (cname,) = parse_rrsets(qname, len(qname) + 4, made, counts)
    assert (cname.owner, cname.rdatas) == (qname, (from_text("a.example."),))


def test_duplicates_and_ttls() -> None:
    """A record that comes twice counts once, the lowest TTL is that of the set, and one above 31 bits counts as 0."""
    made, counts = body((b"\0", 1, 60, b"\1\2\3\4"), (b"\0", 1, 50, b"\1\2\3\4"), (b"\0", 1, 70, b"\1\2\3\3"))
    (rrset,) = parse_rrsets(b"\0", 5, made, counts)
    assert (rrset.ttl, rrset.rdatas) == (50, (b"\1\2\3\3", b"\1\2\3\4"))
    made, counts = body((b"\0", 1, 60, b"\1\2\3\4"), (b"\0", 1, 1 << 31, b"\1\2\3\5"))
    assert parse_rrsets(b"\0", 5, made, counts)[0].ttl == 0


def test_classes_do_not_mix() -> None:
    """Records of another class are another RRset, and signatures are of one class."""
    wire = b"".join(b"\0" + struct.pack("!HHIH", 1, rdclass, 1, 1) + b"x" for rdclass in (1, 3))
    wire += b"\0" + struct.pack("!HHIH", RRSIG, 3, 1, 20) + b"\0\1" + bytes(17) + b"x"
    found = parse_rrsets(b"\0", 5, wire, (3, 0, 0))
    assert [(it.rdclass, len(it.signatures)) for it in found] == [(1, 0), (3, 1)]


@pytest.mark.parametrize(
    "text",
    [
        "NS Ns.Example.",
        "CNAME TARGET.Example.",
        "PTR Host.Example.",
        "DNAME Other.Example.",
        "SOA Ns.Example. Admin.Example. 1 2 3 4 5",
        "MX 10 Mail.Example.",
        "RP Mbox.Example. Txt.Example.",
        "AFSDB 1 Afs.Example.",
        "RT 1 Relay.Example.",
        "PX 1 A.Example. B.Example.",
        "SRV 1 2 3 Target.Example.",
        'NAPTR 1 2 "S" "Http+I2R" "" Next.Example.',
        "KX 1 Kx.Example.",
        'TXT "Not A Name" "Second"',
        'HINFO "VAX" "Unix"',
        'CAA 0 issue "CA.Example."',
        "LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m",
        "NSEC Next.Example. A NS TYPE65534",
        "SVCB 1 Svc.Example. alpn=h2 port=443",
        "TYPE65280 \\# 4 41424344",
    ],
)
def test_canonical_form(text: str) -> None:
    """Names are lowered and decompressed where RFC 4034 section 6.2 and RFC 6840 section 5.1 say so, and only there."""
    rdtype = text.split()[0]
    (rrset,) = rrsets(f"Owner.Example. 60 IN {text}")
    (found,) = parse_rrsets(*body_of(message([rrset], "sub.owner.example."), "sub.owner.example."))
    assert found.owner == from_text("owner.example.")
    assert found.rdatas == (rrset[0].to_digestable(),)
    if rdtype in ("NSEC", "SVCB"):
        assert b"Example" in found.rdatas[0]
    elif rdtype not in ("TXT", "HINFO", "CAA", "LOC", "NAPTR", "TYPE65280"):
        assert found.rdatas[0] == found.rdatas[0].lower()


@pytest.mark.parametrize(
    ("rdtype", "rdata"),
    [
        (5, b"\1a"),  # ends within the name
        (5, b"\1a\0\0"),  # goes on after it
        (5, b"\xc0\xff"),  # points forward
        (6, b"\0\0"),
        (15, b"\0"),
        (33, b"\0\1\0\1\0\1\0\0"),
        (RRSIG, b""),
        (RRSIG, bytes(18)),  # no signer
        (RRSIG, bytes(18) + b"\xc0\x0c"),  # compressed
        (RRSIG, bytes(18) + b"\5example\0"),
        (RRSIG, bytes(18) + b"\x3f" + bytes(62)),
        (RRSIG, bytes(18) + (b"\x3f" + bytes(63)) * 4 + b"\0"),  # longer than 255 octets
    ],
)
def test_malformed(rdtype: int, rdata: bytes) -> None:
    made, counts = body((b"\0", rdtype, 1, rdata), (b"\0", 1, 1, b"\1\2\3\4"))
    with pytest.raises(MalformedMessageError):
        parse_rrsets(b"\0", 5, made, counts)


def test_short_message() -> None:
    with pytest.raises(MalformedMessageError):
        parse_rrsets(b"\0", 5, b"", (1, 0, 0))
    with pytest.raises(MalformedMessageError):
        parse_rrsets(b"\0", 5, body((b"\0", RRSIG, 1, bytes(18)))[0], (1, 0, 0))


@examples(2)
@given(st.data())
def test_any_octets(data: st.DataObject) -> None:
    """Whatever comes, it is read or it is MalformedMessageError; what is read is sorted, and none comes twice."""
    records = st.tuples(
        st.just(b"\0"), st.sampled_from([1, 2, 5, 6, 15, 33, 35, 46, 47, 48, 65000]), st.just(1), st.binary(max_size=40)
    )
    made, counts = body(*data.draw(st.lists(records, max_size=4)))
    cut = data.draw(st.integers(0, len(made)))
    wire = made if data.draw(st.booleans()) else made[:cut]
    try:
        found = parse_rrsets(b"\0", 5, wire, counts)
    except MalformedMessageError:
        return
    for rrset in found:
        assert list(rrset.rdatas) == sorted(set(rrset.rdatas))
        assert rrset.rdtype != RRSIG


@pytest.mark.parametrize("rdtype", [3, 4, 7, 8, 9, 14])
def test_names_that_nobody_asks_for_any_more(rdtype: int) -> None:
    """MD, MF, MB, MG, MR and MINFO (RFC 1035) may be compressed: they are signed as they were before that."""
    qname = from_text("box.example.")
    names = 2 if rdtype == 14 else 1
    rdata = b"\xc0\x0c" * names
    body = b"\xc0\x0c" + rdtype.to_bytes(2) + b"\0\1\0\0\1\0" + len(rdata).to_bytes(2) + rdata
    (found,) = parse_rrsets(qname, len(qname) + 4, body, (1, 0, 0))
    assert found.rdatas == (qname * names,)
