"""The short way through a reply comes to what the long one does, or leaves it to that."""

from __future__ import annotations

import attrs
import dns.message
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from graydns.model.answer import Answer
from graydns.model.client import Subnet
from graydns.model.dns_parameters import NOERROR
from graydns.model.query import Query
from graydns.upstream.reply_evaluation import match_address_reply
from graydns.upstream.reply_parser import InvalidReply, parse_reply
from graydns.upstream.scrub import scrub_reply
from graydns.upstream.upstream_request import RequestForm, make_request
from tests.upstream.queries import AAAA, GROUP, MX, NS, make_query, write_reply

QUERY = make_query()
ASKED = b"\0\7\1\0\0\1\0\0\0\0\0\0" + QUERY.question
WITH_EDNS = dns.message.make_query("www.shop.test", "A", use_edns=0).to_wire()


def short(data: bytes, query: Query = QUERY) -> Answer | None:
    """What the short way makes of *data*."""
    return match_address_reply(data, make_request(query, GROUP), 100.0)


def same(one: Answer, other: Answer) -> bool:
    """Whether two answers say the same; they compare by identity."""
    return attrs.asdict(one, recurse=False) == attrs.asdict(other, recurse=False)


@pytest.mark.parametrize("query", [ASKED, WITH_EDNS], ids=["plain", "EDNS"])
def test_addresses_of_the_name_are_taken(query: bytes) -> None:
    """One address or several, with OPT and without, are what the long way says they are."""
    for texts in (["www.shop.test. 60 IN A 192.0.2.1"], ["www.shop.test. 60 IN A 192.0.2.1 / 192.0.2.2 / 192.0.2.3"]):
        data = write_reply(query, texts)
        answer, request = short(data), make_request(QUERY, GROUP)
        assert answer is not None
        assert same(answer, scrub_reply(parse_reply(data, request), request, RequestForm.FULL, 100.0))


@pytest.mark.parametrize(
    ("answer", "authority", "rcode"),
    [
        ([], [], 0),
        ([], ["shop.test. 60 IN SOA a. b. 1 2 3 4 5"], 3),
        (["www.shop.test. 60 IN CNAME x.shop.test.", "x.shop.test. 60 IN A 192.0.2.1"], [], 0),
        (["www.shop.test. 60 IN A 192.0.2.1"], ["shop.test. 60 IN NS ns.shop.test."], 0),
        (["other.shop.test. 60 IN A 192.0.2.1"], [], 0),
        (["www.shop.test. 60 IN A 192.0.2.1", "www.shop.test. 60 IN AAAA 2001:db8::1"], [], 0),
        (["www.shop.test. 99999999 IN A 192.0.2.1"], [], 0),
        (["www.shop.test. 60 IN A 192.0.2.1"], [], 2),
    ],
    ids=["empty", "negative", "chain", "authority", "other name", "other type", "long TTL", "SERVFAIL"],
)
def test_everything_else_is_left(answer: list[str], authority: list[str], rcode: int) -> None:
    """What is more than addresses of the name that was asked for takes the long way."""
    assert short(write_reply(ASKED, answer, authority, rcode=rcode)) is None


@pytest.mark.parametrize("rdtype", [MX, NS])
def test_other_types_are_left(rdtype: int) -> None:
    """Names inside of rdata need to be read."""
    assert short(write_reply(ASKED, ["www.shop.test. 60 IN A 192.0.2.1"]), make_query(rdtype=rdtype)) is None


def test_groups_that_are_told_subnets_are_left() -> None:
    """A scope has to be looked for."""
    query = make_query(subnet=Subnet(b"\xc0\0\2\0", 24))
    request = make_request(query, evolve(GROUP, ecs=True))
    assert match_address_reply(write_reply(ASKED, ["www.shop.test. 60 IN A 192.0.2.1"]), request, 100.0) is None


@given(st.data())
def test_damaged_replies_never_say_more_than_on_the_long_way(data: st.DataObject) -> None:
    """However a reply is damaged behind its question, the two ways do not contradict each other."""
    rdtype = data.draw(st.sampled_from([1, AAAA]))
    query = make_query(rdtype=rdtype)
    text = "192.0.2.1 / 192.0.2.2" if rdtype == 1 else "2001:db8::1"
    kind = "A" if rdtype == 1 else "AAAA"
    asked = dns.message.make_query("www.shop.test", kind, use_edns=data.draw(st.sampled_from([False, 0])))
    reply = bytearray(write_reply(asked.to_wire(), [f"www.shop.test. 60 IN {kind} {text}"]))
    start = 12 + len(query.question)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.one_of(st.integers(3, 11), st.integers(start, len(reply) - 1)))
        reply[at] = data.draw(st.integers(0, 255))
    cut = bytes(reply[: data.draw(st.integers(start, len(reply)))])
    if cut[4:6] != b"\0\1" or (answer := short(cut, query)) is None:
        return
    request = make_request(query, GROUP)
    taken = parse_reply(cut, request)
    assert taken.rcode == NOERROR
    try:
        assert same(answer, scrub_reply(taken, request, RequestForm.FULL, 100.0))
    except InvalidReply as error:
        pytest.fail(f"the long way does not believe it: {error}")
