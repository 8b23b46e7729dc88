"""What is believed of an upstream's reply."""

from __future__ import annotations

import struct

import dns.message
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from graydns.model import name as names
from graydns.model.answer import Answer
from graydns.model.query import Query
from graydns.upstream.reply_parser import InvalidReply, parse_reply
from graydns.upstream.scrub import scrub_reply
from graydns.upstream.upstream_request import RequestForm, make_request
from graydns.wire.message import QUESTION_OFFSET, NameReader, records
from graydns.wire.rdata_layout import NAME_LAYOUT_BY_TYPE as LAYOUTS
from graydns.wire.rdata_layout import canonicalize_rdata
from graydns.wire.render import render_reply
from tests.upstream.queries import (
    AAAA,
    ANY,
    CNAME,
    DNAME,
    GROUP,
    MX,
    TXT,
    A,
    accept_reply,
    make_query,
    show,
    write_reply,
)

SOA_TEXT = "shop.test. 600 IN SOA ns.shop.test. root.shop.test. 1 3600 600 86400 300"
SIGNED = "A 13 3 60 20301231000000 20260101000000 1 shop.test. c2lnbmF0dXJl"


def ask(
    query: Query, *answer: str, authority: tuple[str, ...] = (), additional: tuple[str, ...] = (), rcode: int = 0
) -> Answer:
    """What is believed of a reply with these records."""
    message = make_request(query, GROUP).make_message(RequestForm.FULL)
    return accept_reply(write_reply(message, answer, authority, additional, rcode), query)


def test_answer_is_a_part_of_the_reply() -> None:
    """Where all of the answer section is believed, its bytes are taken over as they are."""
    query = make_query()
    message = make_request(query, GROUP).make_message(RequestForm.FULL)
    data = write_reply(message, ["www.shop.test. 60 IN A 192.0.2.1 / 192.0.2.2"])
    answer = accept_reply(data, query)
    assert answer.body == data[12 + len(query.question) :][: len(answer.body)]
    assert sorted(line.split()[-1] for line in show(query, answer)) == ["192.0.2.1", "192.0.2.2"]
    assert (answer.ttl, answer.forwarded, answer.authoritative, answer.origin) == (60, True, False, GROUP)


def test_chain_is_followed() -> None:
    """Aliases from the question to the records asked for are all believed."""
    query = make_query(rdtype=AAAA)
    answer = ask(
        query,
        "www.shop.test. 60 IN CNAME web.shop.test.",
        "web.shop.test. 30 IN CNAME cdn.example.",
        "cdn.example. 90 IN AAAA 2001:db8::1",
    )
    assert [line.split()[4:] for line in show(query, answer)] == [
        ["CNAME", "web.shop.test."],
        ["CNAME", "cdn.example."],
        ["AAAA", "2001:db8::1"],
    ]
    assert answer.ttl == 30


def test_chain_out_of_order_is_put_in_order() -> None:
    """A reply that lists the target before the alias gives an answer in the order of the chain."""
    query = make_query()
    answer = ask(query, "web.shop.test. 60 IN A 192.0.2.1", "www.shop.test. 60 IN CNAME web.shop.test.")
    assert [line.split()[1] for line in show(query, answer)] == ["www.shop.test.", "web.shop.test."]


def test_nothing_else_is_believed() -> None:
    """Records for other names, authority of a positive answer and additional data are dropped."""
    query = make_query()
    answer = ask(
        query,
        "www.shop.test. 60 IN A 192.0.2.1",
        "bank.example. 60 IN A 203.0.113.66",
        authority=("shop.test. 60 IN NS ns.evil.example.", "test. 60 IN NS ns.evil.example."),
        additional=("ns.evil.example. 60 IN A 203.0.113.66",),
    )
    assert show(query, answer) == ["answer www.shop.test. 60 IN A 192.0.2.1"]


def test_records_are_rebuilt_when_something_between_them_is_dropped() -> None:
    """Names in rdata that were compressed against dropped records are whole in the answer."""
    query = make_query(rdtype=MX)
    answer = ask(
        query,
        "mail.other.example. 60 IN A 203.0.113.66",
        "www.shop.test. 60 IN MX 10 mail.other.example.",
    )
    assert show(query, answer) == ["answer www.shop.test. 60 IN MX 10 mail.other.example."]


def test_letter_case_of_owner_follows_the_asker() -> None:
    """Owner names that point at the question are spelt as the client spelt it."""
    query = make_query()
    mixed = query._replace(question=b"\3WwW\4ShOp\4test\0\0\1\0\1")
    answer = accept_reply(
        write_reply(make_request(mixed, GROUP).make_message(RequestForm.FULL), ["WwW.ShOp.test. 60 IN A 192.0.2.1"]),
        mixed,
    )
    assert show(query, answer) == ["answer www.shop.test. 60 IN A 192.0.2.1"]


def test_negative_answer_lives_as_long_as_its_soa_says() -> None:
    """The TTL of NXDOMAIN is the lower of the SOA's TTL and MINIMUM, in the answer and in its SOA record."""
    query = make_query()
    answer = ask(query, authority=(SOA_TEXT,), rcode=3)
    assert (answer.rcode, answer.ttl) == (3, 300)
    assert show(query, answer)[0].startswith("authority shop.test. 300 IN SOA")


def test_negative_ttl_is_capped() -> None:
    """The group's negative_ttl bounds it further."""
    query = make_query()
    message = make_request(query, GROUP).make_message(RequestForm.FULL)
    data = write_reply(message, authority=[SOA_TEXT])
    assert accept_reply(data, query, evolve(GROUP, negative_ttl=20)).ttl == 20


def test_soa_of_elsewhere_is_not_believed() -> None:
    """An SOA that is not at or above the name is dropped, and then the negative answer is not reused."""
    answer = ask(make_query(), authority=("other.test. 600 IN SOA a. b. 1 1 1 1 300",), rcode=3)
    assert (answer.body, answer.ttl) == (b"", 0)


def test_soa_belongs_to_the_last_name_of_the_chain() -> None:
    """With an alias, the SOA is that of the zone where the chain ends."""
    query = make_query()
    alias = "www.shop.test. 60 IN CNAME gone.example."
    answer = ask(query, alias, authority=("example. 600 IN SOA a. b. 1 1 1 1 30",), rcode=3)
    assert ([line.split()[4] for line in show(query, answer)], answer.ttl) == (["CNAME", "SOA"], 30)
    assert ask(query, alias, authority=(SOA_TEXT,), rcode=3).ttl == 0


def test_chain_may_end_early() -> None:
    """An alias whose target has no such records and no SOA is an answer, though not one to reuse."""
    query = make_query()
    answer = ask(query, "www.shop.test. 60 IN CNAME web.shop.test.")
    assert (len(show(query, answer)), answer.ttl) == (1, 0)


@pytest.mark.parametrize(
    "records",
    [
        ("www.shop.test. 60 IN CNAME a.test.", "a.test. 60 IN CNAME www.shop.test."),
        ("www.shop.test. 60 IN CNAME www.shop.test.",),
        tuple(f"{'www.shop' if not n else f'a{n}'}.test. 60 IN CNAME a{n + 1}.test." for n in range(20)),
        ("www.shop.test. 60 IN CNAME a.test.", "www.shop.test. 60 IN CNAME b.test."),
        ("shop.test. 60 IN DNAME other.test.", "www.shop.test. 60 IN CNAME www.evil.test."),
    ],
)
def test_impossible_chains_are_refused(records: tuple[str, ...]) -> None:
    """Loops, endless chains, two aliases of one name and an alias that contradicts its DNAME make the reply useless."""
    with pytest.raises(InvalidReply):
        ask(make_query(), *records)


def test_dname_belongs_to_the_chain() -> None:
    """A DNAME above the name is believed with the alias that follows from it (RFC 6672)."""
    query = make_query()
    answer = ask(
        query,
        "shop.test. 60 IN DNAME other.test.",
        "www.shop.test. 60 IN CNAME www.other.test.",
        "www.other.test. 60 IN A 192.0.2.1",
    )
    assert [line.split()[4] for line in show(query, answer)] == ["DNAME", "CNAME", "A"]


def test_signatures_only_for_those_who_asked() -> None:
    """RRSIGs stay in answers to queries with DO and nowhere else."""
    records = ("www.shop.test. 60 IN A 192.0.2.1", f"www.shop.test. 60 IN RRSIG {SIGNED}")
    for dnssec_ok, types in ((True, ["A", "RRSIG"]), (False, ["A"])):
        query = make_query(dnssec_ok=dnssec_ok)
        assert [line.split()[4] for line in show(query, ask(query, *records))] == types


def test_proofs_need_a_signature_of_a_zone_above_the_name() -> None:
    """NSEC records of a wildcard answer are believed if the signer's zone holds the name, others are not."""
    query = make_query(dnssec_ok=True)
    answer = ask(
        query,
        "www.shop.test. 60 IN A 192.0.2.1",
        f"www.shop.test. 60 IN RRSIG {SIGNED}",
        authority=(
            "a.shop.test. 60 IN NSEC z.shop.test. A RRSIG NSEC",
            f"a.shop.test. 60 IN RRSIG {SIGNED.replace('A 13', 'NSEC 13')}",
            "a.other.test. 60 IN NSEC z.other.test. A RRSIG NSEC",
            f"a.other.test. 60 IN RRSIG {SIGNED.replace('A 13', 'NSEC 13').replace('shop.test.', 'other.test.')}",
            "b.shop.test. 60 IN NSEC c.shop.test. A RRSIG NSEC",
        ),
    )
    assert [line.split()[1] for line in show(query, answer) if line.startswith("authority")] == ["a.shop.test."] * 2


def test_proofs_without_end_are_not_looked_at() -> None:
    """Hundreds of them would keep all other clients waiting."""
    proofs = tuple(f"n{number}.shop.test. 60 IN NSEC o{number}.shop.test. A RRSIG NSEC" for number in range(101))
    with pytest.raises(InvalidReply, match="authority section"):
        ask(make_query(dnssec_ok=True), authority=proofs, rcode=3)


def test_any_gives_all_types_of_the_name() -> None:
    """A question for ANY takes every record of the name and no other name's."""
    query = make_query(rdtype=ANY)
    answer = ask(query, "www.shop.test. 60 IN A 192.0.2.1", "www.shop.test. 60 IN TXT x", "b.test. 60 IN A 192.0.2.2")
    assert [line.split()[4] for line in show(query, answer)] == ["A", "TXT"]


def test_ttls_are_bounded_and_equal_within_an_rrset() -> None:
    """TTLs over max_ttl are cut, one with the highest bit set counts as 0, and an RRset takes its lowest."""
    query = make_query()
    message = make_request(query, GROUP).make_message(RequestForm.FULL)
    data = write_reply(message, ["www.shop.test. 604800 IN A 192.0.2.1", "www.shop.test. 90000 IN A 192.0.2.2"])
    answer = accept_reply(data, query)
    assert answer.ttl == GROUP.max_ttl
    assert [line.split()[2] for line in show(query, answer)] == [str(GROUP.max_ttl)] * 2
    high = data.replace((604800).to_bytes(4, "big"), b"\x80\0\0\1")
    assert [line.split()[2] for line in show(query, accept_reply(high, query))] == ["0", "0"]


def test_signers_are_whole_names() -> None:
    """A compressed signer (RFC 4034 section 3.1.7), or none, makes a reply useless."""
    query = make_query(dnssec_ok=True)
    message = make_request(query, GROUP).make_message(RequestForm.FULL)
    data = write_reply(message, ["www.shop.test. 60 IN A 192.0.2.1", f"www.shop.test. 60 IN RRSIG {SIGNED}"])
    head, signer, tail = data.rpartition(b"\4shop\4test\0")
    assert tail.startswith(b"signature")
    for damaged in (b"\xc0\x10" + signer[2:], b"\x3f" + signer[1:]):
        with pytest.raises(InvalidReply, match="RRSIG"):
            accept_reply(head + damaged + tail, query)


@pytest.mark.parametrize("damage", ["cut", "trailing", "long address", "header pointer", "second OPT", "bad rdata"])
def test_only_whole_messages_are_believed(damage: str) -> None:
    """A reply that is cut, padded or malformed anywhere is useless as a whole."""
    query = make_query(rdtype=TXT if damage == "bad rdata" else CNAME if damage == "header pointer" else A)
    message = make_request(query, GROUP).make_message(RequestForm.FULL)
    honest = {A: "A 192.0.2.1", TXT: "TXT xyz", CNAME: "CNAME www.other.test."}[query.qtype]
    data = write_reply(message, [f"www.shop.test. 60 IN {honest}"])
    opt = data[-11:]
    damaged = {
        "cut": data[:-1],
        "trailing": data + b"\0",
        "long address": data.replace(b"\0\4\xc0\0\2\1", b"\0\5\xc0\0\2\1\1"),
        "header pointer": data.replace(b"\3www\5other\xc0\x15", b"\3www\5other\xc0\0"),
        "second OPT": data[:11] + b"\2" + data[12:] + opt,
        "bad rdata": data.replace(b"\0\4\3xyz", b"\0\4\x09xyz"),
    }[damage]
    assert damaged != data
    with pytest.raises(InvalidReply):
        accept_reply(damaged, query)


def read_rrsets(query: Query, answer: Answer, age: int) -> tuple[bytes, ...]:
    """The rdata of the last record when it is so old, with all names in full: what a client makes of them."""
    message = render_reply(query, answer, now=(answer.stored_at or 0.0) + age, limit=65535, recursion_available=True)
    counts = (int.from_bytes(message[6:8]), int.from_bytes(message[8:10]), 0)
    start = QUESTION_OFFSET + len(query.question)
    last = list(records(message, start, counts))[-1]
    return (canonicalize_rdata(message, NameReader(message), last.rdtype, last.rdata_at, last.rdata_end),)


@pytest.mark.parametrize("rdtype", [each for each in LAYOUTS if each not in (CNAME, DNAME)])
def test_no_name_changes_as_time_goes_by(rdtype: int) -> None:
    """Wherever a pointer leads, its name is the same when the TTLs have counted down, or there is none."""
    query = make_query(rdtype=rdtype)
    request = make_request(query, GROUP)
    first, count, last = LAYOUTS[rdtype]
    before, after = bytes(first) + b"\1a\0" * (count - 1) + b"\4mail", bytes(last)
    head = struct.pack("!6H", 0, 0x8180, 1, 2, 0, 0) + query.question
    head += struct.pack("!HHHIH", 0xC00C, CNAME, 1, 256, 6) + b"\3web\xc0\x10"
    head += struct.pack("!HHHIH", 0xC000 | len(head) - 6, rdtype, 1, 256, len(before) + 2 + last) + before
    seen = set()
    for target in range(len(head)):
        try:
            answer = scrub_reply(
                parse_reply(head + struct.pack("!H", 0xC000 | target) + after, request),
                request,
                RequestForm.FULL,
                100.0,
            )
        except InvalidReply:
            continue
        now = {read_rrsets(query, answer, age) for age in (0, 1, 100, 255)}
        assert len(now) == 1, target
        seen |= now
    assert len(seen) >= 4


def test_number_of_records_is_bounded() -> None:
    """A reply of thousands of records is refused by its header alone."""
    query = make_query()
    with pytest.raises(InvalidReply, match="too many records"):
        accept_reply(b"\0\0\x81\x80\0\1\7\xd0" + bytes(4) + query.question, query)


def test_name_that_does_not_exist_has_no_records() -> None:
    """NXDOMAIN with records for the name contradicts itself."""
    with pytest.raises(InvalidReply):
        ask(make_query(), "www.shop.test. 60 IN A 192.0.2.1", rcode=3)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(tail: bytes) -> None:
    """Whatever follows the header and question, the reply is believed or refused; nothing else happens."""
    query = make_query(dnssec_ok=True, rdtype=ANY)
    counts = bytes((0, 1, 0, tail[0] % 4 if tail else 0, 0, len(tail) % 3, 0, 1))
    _scrub_or_refuse(b"\0\0\x81\x80" + counts + query.question + tail, query)


@given(st.data())
def test_no_damage_raises_anything_else(data: st.DataObject) -> None:
    """An honest reply with some octets changed is believed or refused; nothing else happens."""
    query = make_query(dnssec_ok=True)
    reply = bytearray(
        write_reply(
            make_request(query, GROUP).make_message(RequestForm.FULL),
            [
                "www.shop.test. 60 IN CNAME web.shop.test.",
                f"www.shop.test. 60 IN RRSIG {SIGNED.replace('A 13', 'CNAME 13')}",
            ],
            [
                SOA_TEXT,
                "a.shop.test. 60 IN NSEC z.shop.test. A",
                f"a.shop.test. 60 IN RRSIG {SIGNED.replace('A', 'NSEC', 1)}",
            ],
        )
    )
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(12 + len(query.question), len(reply) - 1))
        reply[at] = data.draw(st.integers(0, 255))
    _scrub_or_refuse(bytes(reply), query)


def _scrub_or_refuse(data: bytes, query: Query) -> None:
    request = make_request(query, GROUP)
    try:
        answer = scrub_reply(parse_reply(data, request), request, RequestForm.FULL, 1.0)
    except InvalidReply:
        return
    message = b"\0\0\x81\x80\0\1" + b"".join(count.to_bytes(2, "big") for count in answer.counts())
    dns.message.from_wire(message + query.question + answer.body)
    assert answer.ttl <= GROUP.max_ttl


def test_names_in_bodies_are_lowered_only_where_built() -> None:
    """A rebuilt body has lowered owners, which names compare equal to."""
    query = make_query()
    answer = ask(query, "WEB.shop.test. 60 IN A 192.0.2.1", "www.shop.test. 60 IN CNAME WEB.shop.test.")
    assert names.from_text("web.shop.test")[:4] in answer.body
