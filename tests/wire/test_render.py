from __future__ import annotations

from typing import TypedDict, Unpack

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from graydns.model import name as names
from graydns.model.answer import ADDITIONAL, ANSWER, AUTHORITY, Answer, Ede
from graydns.model.dnssec_values import Security
from graydns.model.query import Query
from graydns.wire import answer_body, edns
from graydns.wire.answer_body import RRset
from graydns.wire.message import records
from graydns.wire.parse import parse_query
from graydns.wire.render import render_reply
from tests.wire.samples import HEAD, QNAME, ZONE, anyone, ask, opt, raw, rrset_lists

NS1 = names.from_text("ns1.shop.test")


class Settings(TypedDict, total=False):
    now: float
    limit: int
    options: bytes
    payload: int
    recursion_available: bool
    scope: int
    pad: int


def rendered(query: Query, answer: Answer, **changes: Unpack[Settings]) -> bytes:
    defaults: Settings = {"now": 0.0, "limit": 1232, "recursion_available": False}
    return render_reply(query, answer, **(defaults | changes))


def replied(query: Query, answer: Answer, **changes: Unpack[Settings]) -> dns.message.Message:
    return dns.message.from_wire(rendered(query, answer, **changes), one_rr_per_rrset=True)


def answer_of(*rrsets: RRset) -> Answer:
    content, spans = answer_body.build_body(QNAME, rrsets)
    return Answer(body=content, spans=spans, authoritative=True)


def block(section: int, octets: int, required: bool = True, owner: bytes = QNAME) -> RRset:
    """An RRset of one record with so many octets of rdata."""
    return RRset(section, owner, 65280, 1, 60, (bytes(octets),), required)


SMALL = answer_of(
    RRset(ANSWER, QNAME, 1, 1, 300, (bytes((192, 0, 2, 1)),)),
    RRset(AUTHORITY, ZONE, 2, 1, 3600, (NS1,)),
    RRset(ADDITIONAL, NS1, 1, 1, 60, (bytes((192, 0, 2, 53)),), required=False),
)


def test_reply() -> None:
    """A reply has the ID and question of the query and the records of the answer, each in its section."""
    query = ask("WwW.shop.test.")
    reply = replied(query, SMALL)
    assert reply.id == query.id
    assert reply.question[0].name.to_text() == "WwW.shop.test."
    assert [rrset.to_text() for rrset in reply.answer] == ["WwW.shop.test. 300 IN A 192.0.2.1"]
    assert [rrset.to_text() for rrset in reply.authority] == ["shop.test. 3600 IN NS ns1.shop.test."]
    assert [rrset.to_text() for rrset in reply.additional] == ["ns1.shop.test. 60 IN A 192.0.2.53"]
    assert rendered(query, SMALL)[12 : 12 + len(query.question)] == query.question


@pytest.mark.parametrize("bits", range(32))
def test_flags(bits: int) -> None:
    """AA is the answer's, RA ours, RD and CD the asker's; nothing else of the query's flags comes back."""
    authoritative, available, desired, disabled, secure = (bool(bits >> at & 1) for at in range(5))
    asked = (dns.flags.RD if desired else 0) | (dns.flags.CD if disabled else 0) | 0x0040 | dns.flags.TC | dns.flags.AA
    answer = evolve(
        SMALL, authoritative=authoritative, security=Security.SECURE if secure else Security.INSECURE, rcode=3
    )
    reply = replied(ask(flags=asked), answer, recursion_available=available)
    expected = dns.flags.QR | (asked & (dns.flags.RD | dns.flags.CD))
    expected |= (dns.flags.AA if authoritative else 0) | (dns.flags.RA if available else 0)
    assert reply.flags == expected | 3


@pytest.mark.parametrize("security", Security)
@pytest.mark.parametrize(("authentic", "dnssec_ok"), [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("disabled", [False, True])
def test_authentic_data(security: Security, authentic: bool, dnssec_ok: bool, disabled: bool) -> None:
    """AD is set for a secure answer to those who asked with AD or DO, whether or not they validate themselves."""
    flags = (dns.flags.AD if authentic else 0) | (dns.flags.CD if disabled else 0)
    reply = replied(ask(flags=flags, dnssec_ok=dnssec_ok), evolve(SMALL, security=security))
    assert bool(reply.flags & dns.flags.AD) == (security is Security.SECURE and (authentic or dnssec_ok))


def test_opt() -> None:
    """There is an OPT record if and only if the query had one; it has our payload, version 0 and of all flags DO."""
    assert replied(ask(edns=False), SMALL).edns == -1
    for dnssec_ok in (False, True):
        reply = replied(ask(dnssec_ok=dnssec_ok), SMALL, payload=1400)
        assert (reply.edns, reply.payload, reply.ednsflags) == (0, 1400, dns.flags.DO if dnssec_ok else 0)
        assert reply.options == ()
    odd = parse_query(HEAD + opt(ttl=0x7FFF), anyone)
    assert replied(odd, SMALL).ednsflags == 0


@pytest.mark.parametrize(("rcode", "plain"), [(0, 0), (2, 2), (5, 5), (15, 15), (16, 2), (23, 2), (4095, 2)])
def test_rcode(rcode: int, plain: int) -> None:
    """An rcode above 15 needs an OPT record; without one the server just failed."""
    assert replied(ask(), Answer(rcode=rcode)).rcode() == rcode
    assert replied(ask(edns=False), Answer(rcode=rcode)).rcode() == plain


def test_options() -> None:
    """Options given by the caller go in as they are."""
    reply = replied(ask(), SMALL, options=raw(3, b"ns1") + raw(11, b"\0\x50"))
    assert [(option.otype, option.to_wire()) for option in reply.options] == [(3, b"ns1"), (11, b"\0\x50")]


def test_options_without_edns() -> None:
    """A query without EDNS gets none of the options, extended errors, echo or padding."""
    answer = evolve(SMALL, edes=(Ede(3, "stale"),))
    bare = rendered(ask(edns=False), SMALL)
    dressed = rendered(ask(edns=False)._replace(id=0), answer, options=raw(3, b"x"), scope=24, pad=468)
    assert dressed[2:] == bare[2:]


@pytest.mark.parametrize(
    ("address", "source", "scope"), [("192.0.2.0", 24, 16), ("2001:db8::", 56, 0), ("0.0.0.0", 0, 0)]
)
def test_subnet(address: str, source: int, scope: int) -> None:
    """The client subnet of a query comes back as sent but for the scope; without one there is none."""
    reply = replied(ask(options=[dns.edns.ECSOption(address, source)]), SMALL, scope=scope)
    assert reply.options == (dns.edns.ECSOption(address, source, scope),)
    assert replied(ask(), SMALL, scope=24).options == ()


def test_subnet_of_no_family() -> None:
    """A client subnet of family 0 comes back as it is."""
    data = HEAD + opt(raw(edns.ECS, bytes(4)))
    assert rendered(parse_query(data, anyone), SMALL, limit=512).endswith(raw(edns.ECS, bytes(4)))


def test_extended_errors() -> None:
    """Each extended error of the answer is an option with its code and text."""
    answer = Answer(rcode=2, edes=(Ede(22, "kein Server antwortet für shop.test"), Ede(0)))
    options = replied(ask(), answer).options
    assert [(o.code, o.text) for o in options if isinstance(o, dns.edns.EDEOption)] == [
        (22, "kein Server antwortet für shop.test"),
        (0, None),
    ]


def test_age() -> None:
    """The TTLs of a cached answer age by whole seconds; those of others stay."""
    cached = evolve(SMALL, stored_at=100.5)
    for now, expected in ((100.5, 300), (101.4, 300), (101.5, 299), (9000.0, 0), (99.0, 300)):
        assert replied(ask(), cached, now=now).answer[0].ttl == expected
    assert replied(ask(), SMALL, now=9000.0).answer[0].ttl == 300


def test_cut() -> None:
    """What does not fit is cut off by whole RRsets, with TC and the counts of what is left."""
    answer = answer_of(*[block(ANSWER, 200) for _ in range(4)], block(AUTHORITY, 10))
    wire = rendered(ask(), answer, limit=512)
    reply = dns.message.from_wire(wire, one_rr_per_rrset=True)
    assert len(wire) <= 512
    assert reply.flags & dns.flags.TC
    assert (len(reply.answer), len(reply.authority), reply.edns) == (2, 0, 0)
    whole = replied(ask(), answer, limit=65535)
    assert not whole.flags & dns.flags.TC
    assert (len(whole.answer), len(whole.authority)) == (4, 1)


def test_cut_exactly() -> None:
    """A reply may fill its limit to the last octet; one octet less and it is cut."""
    answer = answer_of(block(ANSWER, 500))
    for query in (ask(), ask(edns=False)):
        size = len(rendered(query, answer, limit=65535))
        assert len(rendered(query, answer, limit=size)) == size
        reply = replied(query, answer, limit=size - 1)
        assert reply.flags & dns.flags.TC
        assert not reply.answer


def test_optional() -> None:
    """Losing additional records that are only helpful sets no TC; losing glue does (RFC 9471)."""
    optional, glue = block(ADDITIONAL, 300, required=False), block(ADDITIONAL, 30)
    lost = replied(ask(), answer_of(block(ANSWER, 300), optional), limit=512)
    assert (len(lost.answer), len(lost.additional)) == (1, 0)
    assert not lost.flags & dns.flags.TC
    for order in ((block(AUTHORITY, 300), optional, glue), (block(AUTHORITY, 300), block(ADDITIONAL, 300))):
        reply = replied(ask(), answer_of(*order), limit=512)
        assert reply.flags & dns.flags.TC
        assert (len(reply.authority), len(reply.additional)) == (1, 0)


def test_cut_keeps_options() -> None:
    """The OPT record and all its options outlive any cut, for the longest question in the smallest reply."""
    query = ask(".".join(["a" * 63] * 3 + ["b" * 61]) + ".", options=[dns.edns.ECSOption("2001:db8::", 128)])
    content, spans = answer_body.build_body(query.qname, [RRset(ANSWER, query.qname, 65280, 1, 60, (bytes(300),))])
    answer = Answer(body=content, spans=spans, edes=(Ede(3, "x" * 300),))
    wire = rendered(query, answer, limit=512, options=raw(3, bytes(128)))
    reply = dns.message.from_wire(wire)
    assert len(wire) <= 512
    assert [int(option.otype) for option in reply.options] == [edns.NSID, edns.ECS, edns.EDE]
    assert reply.flags & dns.flags.TC


def test_texts_go_first() -> None:
    """The text of an extended error gives way to records; its code does not."""
    answer = evolve(answer_of(block(ANSWER, 300)), edes=(Ede(3, "x" * 300),))
    reply = replied(ask(), answer, limit=512)
    assert len(reply.answer) == 1
    assert not reply.flags & dns.flags.TC
    assert reply.options == (dns.edns.EDEOption(dns.edns.EDECode.STALE_ANSWER),)
    assert replied(ask(), answer, limit=1232).options == (dns.edns.EDEOption(dns.edns.EDECode.STALE_ANSWER, "x" * 300),)


def test_padding() -> None:
    """A padded reply is a multiple of the block, padding its last option, of zeros."""
    for octets in range(380, 480):
        answer = evolve(answer_of(block(ANSWER, octets)), edes=(Ede(3, "stale"),))
        wire = rendered(ask(), answer, options=raw(3, b"ns1"), pad=468, limit=65535)
        assert len(wire) % 468 == 0
        last = dns.message.from_wire(wire).options[-1]
        assert last.otype == edns.PADDING
        assert not any(last.to_wire() or b"")


def test_padding_limit() -> None:
    """Padding goes as far as the limit, and stays away where not even its header fits."""
    answer = answer_of(block(ANSWER, 400))
    size = len(rendered(ask(), answer))
    for room in range(20):
        wire = rendered(ask(), answer, limit=size + room, pad=468)
        assert len(wire) == (min(size + room, 468) if room >= 4 else size)
        dns.message.from_wire(wire)


def test_padding_after_cut() -> None:
    """A truncated reply is padded too."""
    wire = rendered(ask(), answer_of(block(ANSWER, 400), block(ANSWER, 400)), limit=512, pad=468)
    assert len(wire) == 468
    assert dns.message.from_wire(wire).flags & dns.flags.TC


def test_largest() -> None:
    """Over TCP a reply may have 65,535 octets."""
    query = ask()
    answer = answer_of(*[block(ANSWER, 16000 - 12) for _ in range(4)], block(ANSWER, 65535 - 64000 - 12 - 31 - 11))
    wire = rendered(query, answer, limit=65535)
    assert len(wire) == 65535
    assert len(dns.message.from_wire(wire, one_rr_per_rrset=True).answer) == 5


edes = st.lists(st.builds(Ede, st.integers(0, 30), st.text(max_size=60)), max_size=2).map(tuple)


@given(
    rrset_lists(QNAME),
    edes,
    st.integers(512, 2000),
    st.sampled_from((0, 128, 468)),
    st.booleans(),
    st.integers(0, 100),
)
def test_round_trip(
    rrsets: list[RRset], errors: tuple[Ede, ...], limit: int, pad: int, with_edns: bool, age: int
) -> None:
    """Within any limit, what dnspython reads is the longest run of whole RRsets, TC where it must be, OPT always."""
    content, spans = answer_body.build_body(QNAME, rrsets)
    answer = Answer(body=content, spans=spans, edes=errors, stored_at=0.0)
    query = ask(edns=with_edns, options=[dns.edns.ECSOption("192.0.2.0", 24)] if with_edns else ())
    wire = rendered(query, answer, limit=limit, pad=pad, now=float(age))
    assert len(wire) <= limit
    reply = dns.message.from_wire(wire, one_rr_per_rrset=True)
    assert (reply.edns == 0) == with_edns
    counts = (len(reply.answer), len(reply.authority), len(reply.additional))
    start = 12 + len(QNAME) + 4
    found = [
        (record.section, record.owner, record.rdtype, record.ttl, wire[record.rdata_at : record.rdata_end])
        for record in records(wire, start, counts)
    ]
    whole = [(r.section, r.owner, r.rdtype, max(0, r.ttl - age), x) for r in rrsets for x in r.rdatas]
    assert found == whole[: len(found)]
    kept = next(n for n in range(len(rrsets) + 1) if sum(len(r.rdatas) for r in rrsets[:n]) == len(found))
    assert bool(reply.flags & dns.flags.TC) == any(rrset.required for rrset in rrsets[kept:])
    if kept < len(rrsets):
        least = 11 + 11 + 6 * len(errors) if with_edns else 0
        assert start + spans[kept].end + least > limit
