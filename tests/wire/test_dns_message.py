from __future__ import annotations

from graydns.model import name as names
from graydns.model.answer import ADDITIONAL, ANSWER, AUTHORITY, Answer
from graydns.wire import answer_body
from graydns.wire.answer_body import RRset
from tests.wire.samples import QNAME, ZONE

NS1 = names.from_text("ns1.shop.test")


def test_rrsets() -> None:
    """The RRsets that an answer was built from can be had back from it."""
    given = [
        RRset(ANSWER, QNAME, 1, 1, 300, (bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2)))),
        RRset(AUTHORITY, ZONE, 2, 1, 3600, (NS1,)),
        RRset(ADDITIONAL, NS1, 1, 1, 60, (bytes((192, 0, 2, 53)),)),
    ]
    content, spans = answer_body.build_body(QNAME, given)
    answer = Answer(body=content, spans=spans, rcode=3)
    assert answer_body.read_rrsets(QNAME + b"\0\1\0\1", answer) == given
    assert answer_body.make_dns_message(QNAME + b"\0\1\0\1", answer).rcode() == 3
