from __future__ import annotations

from collections.abc import Callable

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from graydns.model.client import Client, Subnet
from graydns.model.errors import UnanswerableError
from graydns.model.query import Edns, Query
from graydns.wire.parse import parse_query
from tests.wire.samples import DIG_QUERIES, anyone, names, someone_on_tcp

subnets = st.one_of(
    st.builds(lambda a, n: dns.edns.ECSOption(str(a), n), st.ip_addresses(v=4), st.integers(0, 32)),
    st.builds(lambda a, n: dns.edns.ECSOption(str(a), n), st.ip_addresses(v=6), st.integers(0, 128)),
)
cookies = st.builds(
    dns.edns.CookieOption, st.binary(min_size=8, max_size=8), st.sampled_from([b"", b"s" * 8, b"t" * 32])
)
others = st.builds(dns.edns.GenericOption, st.integers(100, 65000), st.binary(max_size=40))
option_lists: st.SearchStrategy[list[dns.edns.Option]] = st.tuples(
    st.lists(subnets, max_size=1), st.lists(cookies, max_size=1), st.lists(others, max_size=3)
).map(lambda lists: [option for found in lists for option in found])


@st.composite
def messages(draw: st.DrawFn) -> dns.message.Message:
    """Queries as dnspython writes them, with and without EDNS."""
    wire = draw(names)
    name = dns.name.from_wire(wire, 0)[0]
    rdtype = dns.rdatatype.RdataType.make(draw(st.integers(1, 65535).filter(lambda value: value != 41)))
    flags = draw(st.integers(0, 7))
    with_edns = draw(st.booleans())
    return dns.message.make_query(
        name,
        rdtype,
        flags=sum(bit for at, bit in enumerate((0x0100, 0x0020, 0x0010)) if flags >> at & 1),
        use_edns=0 if with_edns else None,
        want_dnssec=with_edns and draw(st.booleans()),
        payload=draw(st.integers(0, 65535)),
        options=draw(option_lists) if with_edns else None,
    )


def outcome(data: bytes, identify: Callable[[Edns | None], Client]) -> Query | bytes | None:
    try:
        return parse_query(data, identify)
    except UnanswerableError as error:
        return error.reply


def silent_or_sound(data: bytes) -> None:
    """Parse *data*; whatever is refused must be refused in a sound reply that is no longer."""
    for identify in (anyone, someone_on_tcp):
        match outcome(data, identify):
            case None:
                assert len(data) < 12 or data[2] & 0x80
            case Query() as query:
                assert data[12:].startswith(query.question)
                assert query.qname == query.question[:-4].lower()
            case reply:
                assert reply[:2] == data[:2]
                assert reply[2] & 0xF8 == data[2] & 0x78 | 0x80
                assert len(reply) <= len(data)
                if data[2] & 0x78 != 5 << 3:  # dnspython wants the question of an UPDATE to be for SOA
                    dns.message.from_wire(reply)


@given(messages())
def test_agrees(message: dns.message.Message) -> None:
    """A valid query says to us what it says to dnspython."""
    query = parse_query(message.to_wire(), anyone)
    question = message.question[0]
    assert query.id == message.id
    assert query.question[:-4] == question.name.to_wire()
    assert (query.qtype, query.qclass) == (question.rdtype, question.rdclass)
    asked = (query.recursion_desired, query.authentic_data, query.checking_disabled)
    assert asked == tuple(bool(message.flags & bit) for bit in (dns.flags.RD, dns.flags.AD, dns.flags.CD))
    assert (query.edns is None) == (message.edns < 0)
    if query.edns is not None:
        agrees_on_edns(query.edns, message)


def agrees_on_edns(edns: Edns, message: dns.message.Message) -> None:
    assert edns.payload == max(512, message.payload)
    assert edns.dnssec_ok == bool(message.ednsflags & dns.flags.DO)
    assert edns.options == tuple((option.otype, option.to_wire()) for option in message.options)
    by_type = {option.otype: option for option in message.options}
    subnet = by_type.get(dns.edns.OptionType.ECS)
    if isinstance(subnet, dns.edns.ECSOption):
        width = 4 if subnet.family == 1 else 16
        assert edns.subnet == Subnet(subnet.addrdata.ljust(width, b"\0"), subnet.srclen)
    else:
        assert edns.subnet is None
        assert edns.subnet_wire is None
    cookie = by_type.get(dns.edns.OptionType.COOKIE)
    assert edns.cookie == (cookie.to_wire() if cookie else None)


@given(st.binary(max_size=300))
@example(b"\0" * 12)
@example(b"\0\0\0\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1")
def test_arbitrary_bytes(data: bytes) -> None:
    """Bytes of any kind become a Query or UnanswerableError, nothing else."""
    silent_or_sound(data)


@given(st.tuples(*[st.integers(0, 3)] * 4), st.integers(0, 0x7FFF), st.binary(max_size=120))
def test_arbitrary_sections(counts: tuple[int, ...], flags: int, rest: bytes) -> None:
    """The same behind a header that promises little enough to be kept."""
    header = b"\x12\x34" + flags.to_bytes(2, "big") + b"".join(count.to_bytes(2, "big") for count in counts)
    silent_or_sound(header + rest)


@given(
    messages().map(lambda message: message.to_wire()) | st.sampled_from(DIG_QUERIES),
    st.lists(st.tuples(st.integers(2, 400), st.integers(0, 255)), max_size=4),
    st.integers(0, 4),
    st.binary(max_size=4),
)
def test_mutations(wire: bytes, edits: list[tuple[int, int]], shorter: int, longer: bytes) -> None:
    """The same for valid queries with some octets changed, lost or added."""
    data = bytearray(wire)
    for at, value in edits:
        data[at % len(data)] = value
    silent_or_sound(bytes(data[: len(data) - shorter]) + longer)


@pytest.mark.parametrize("wire", DIG_QUERIES)
def test_every_cut(wire: bytes) -> None:
    """No proper prefix of a query is a query."""
    for size in range(len(wire)):
        silent_or_sound(wire[:size])
        assert not isinstance(outcome(wire[:size], anyone), Query)
