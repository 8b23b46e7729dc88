from __future__ import annotations

import struct

import dns.message
from hypothesis import given
from hypothesis import strategies as st

from graydns.model import name as names
from graydns.model.answer import ADDITIONAL, ANSWER, AUTHORITY, Answer
from graydns.wire import answer_body
from graydns.wire.answer_body import RRset
from graydns.wire.message import records
from tests.wire.samples import QNAME, ZONE, rrset_lists

NS1 = names.from_text("ns1.shop.test")
RRSETS = (
    RRset(ANSWER, QNAME, 1, 1, 300, (bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2)))),
    RRset(AUTHORITY, ZONE, 2, 1, 3600, (NS1,)),
    RRset(ADDITIONAL, NS1, 1, 1, 60, (bytes((192, 0, 2, 53)),), required=False),
)
START = 12 + len(QNAME) + 4


def message(content: bytes, counts: tuple[int, int, int], qname: bytes = QNAME) -> bytes:
    """A reply to a question for *qname*, type A."""
    return struct.pack("!6H", 1, 0x8000, 1, *counts) + qname + b"\0\1\0\1" + content


def test_spans() -> None:
    """A span tells section, number, end, the places of the TTLs and whether it is required."""
    content, spans = answer_body.build_body(QNAME, RRSETS)
    assert [(span.section, span.record_count, span.required) for span in spans] == [
        (0, 2, True),
        (1, 1, True),
        (2, 1, False),
    ]
    assert [struct.unpack_from("!I", content, at)[0] for span in spans for at in span.ttls] == [300, 300, 3600, 60]
    assert spans[0].end == 2 * 16
    assert spans[-1].end == len(content)


def test_compression() -> None:
    """Owners become pointers to the question, to suffixes of it and to earlier owners; rdata stays as it is."""
    content, spans = answer_body.build_body(QNAME, [*RRSETS, RRset(ADDITIONAL, b"\1x" + NS1, 1, 1, 60, (b"", b""))])
    assert content[:2] == content[16:18] == b"\xc0\x0c"
    assert content[spans[0].end :][:2] == b"\xc0\x10"
    assert NS1 in content
    assert content[spans[1].end :][:6] == b"\3ns1\xc0\x10"
    ns1_at = START + spans[1].end
    x_at = START + spans[2].end
    assert content[spans[2].end :][:4] == b"\1x" + struct.pack("!H", 0xC000 | ns1_at)
    assert content[-12:-10] == struct.pack("!H", 0xC000 | x_at)


def test_root() -> None:
    """The root, as question and as owner, is written out."""
    content, _ = answer_body.build_body(b"\0", [RRset(ANSWER, b"\0", 1, 1, 1, (b"abcd",))])
    assert content == b"\0" + struct.pack("!HHIH", 1, 1, 1, 4) + b"abcd"


def test_far_away() -> None:
    """No pointer goes to a place past 16,383, where a pointer cannot reach."""
    far = names.from_text("far.example")
    rrsets = [
        RRset(ANSWER, QNAME, 65280, 1, 1, (bytes(9000), bytes(9000))),
        RRset(ADDITIONAL, far, 65280, 1, 1, (b"1", b"2")),
        RRset(ADDITIONAL, b"\1x" + far, 65280, 1, 1, (b"3",)),
    ]
    content, spans = answer_body.build_body(QNAME, rrsets)
    found = list(records(message(content, (2, 0, 3)), START, (2, 0, 3)))
    assert [record.owner for record in found] == [QNAME, QNAME, far, far, b"\1x" + far]
    assert content.count(far) == 3
    assert spans[-1].end == len(content)


def test_aged() -> None:
    """TTLs go down by the seconds that passed and stop at 0; nothing else changes."""
    content, spans = answer_body.build_body(QNAME, RRSETS)
    answer = Answer(body=content, spans=spans)
    older = answer_body.age_body(answer, 100)
    assert [record.ttl for record in records(message(older, (2, 1, 1)), START, (2, 1, 1))] == [200, 200, 3500, 0]
    assert answer_body.age_body(answer, 0) is content
    assert answer_body.age_body(answer, -5) is content
    assert answer_body.set_ttls(Answer(body=older, spans=spans), 30) == answer_body.set_ttls(answer, 30)


def test_with_ttl() -> None:
    """All TTLs become the one that is given."""
    content, spans = answer_body.build_body(QNAME, RRSETS)
    changed = answer_body.set_ttls(Answer(body=content, spans=spans), 30)
    assert {record.ttl for record in records(message(changed, (2, 1, 1)), START, (2, 1, 1))} == {30}
    assert len(changed) == len(content)


@given(rrset_lists(QNAME))
def test_every_prefix(rrsets: list[RRset]) -> None:
    """Every prefix of a body that ends with a span is a message that dnspython reads as the RRsets which went in."""
    content, spans = answer_body.build_body(QNAME, rrsets)
    for count in range(len(rrsets) + 1):
        prefix = Answer(body=content[: spans[count - 1].end if count else 0], spans=spans[:count])
        wire = message(prefix.body, prefix.counts())
        dns.message.from_wire(wire)
        found = [
            (record.section, record.owner, record.rdtype, record.ttl, wire[record.rdata_at : record.rdata_end])
            for record in records(wire, START, prefix.counts())
        ]
        assert found == [(r.section, r.owner, r.rdtype, r.ttl, x) for r in rrsets[:count] for x in r.rdatas]


@given(rrset_lists(QNAME), st.integers(0, 2**31))
def test_ageing_arbitrary(rrsets: list[RRset], seconds: int) -> None:
    """Ageing is subtraction for every record of every body."""
    content, spans = answer_body.build_body(QNAME, rrsets)
    answer = Answer(body=content, spans=spans)
    wire = message(answer_body.age_body(answer, seconds), answer.counts())
    found = [record.ttl for record in records(wire, START, answer.counts())]
    assert found == [max(0, rrset.ttl - seconds) for rrset in rrsets for _ in rrset.rdatas]
