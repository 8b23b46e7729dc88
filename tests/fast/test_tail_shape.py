"""Shapes say of a query's tail what the full parser says of it, or nothing."""

import dns.edns
import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.fast.tail_shape import SHAPE_KEY_BYTES, parse_tail_shape
from graydns.model.client import Client
from graydns.model.errors import UnanswerableError
from graydns.model.query import Edns
from graydns.wire.parse import parse_query

PAYLOAD = 1232


def tail_of(message: dns.message.Message) -> tuple[bytes, bytes]:
    """A query's wire and what follows its question."""
    wire = message.to_wire()
    return wire, wire[12 + len(message.question[0].name.to_wire() or b"") + 4 :]


def identify(_: Edns | None) -> Client:
    return Client(b"\x7f\0\0\1")


def test_no_opt_record_takes_512_octets() -> None:
    """A query without EDNS is answered within 512 octets."""
    shape = parse_tail_shape(b"", PAYLOAD)
    assert shape is not None
    assert (shape.opt, shape.limit, shape.family) == (0, 512, 0)


@pytest.mark.parametrize(("payload", "limit"), [(100, 512), (512, 512), (1000, 1000), (1232, 1232), (4096, PAYLOAD)])
def test_limit_is_the_smaller_of_both_and_at_least_512(payload: int, limit: int) -> None:
    """RFC 6891 section 6.2.3: sizes below 512 count as 512; ours bounds the client's."""
    query = dns.message.make_query("a.test", "A", use_edns=0, payload=payload)
    _, tail = tail_of(query)
    shape = parse_tail_shape(tail[:SHAPE_KEY_BYTES], PAYLOAD)
    assert shape is not None
    assert shape.limit == limit


@given(
    prefix=st.integers(0, 32),
    address=st.ip_addresses(v=4),
    want_dnssec=st.booleans(),
)
def test_subnet_shape_agrees_with_the_parser(prefix: int, address: object, want_dnssec: bool) -> None:
    """For a well-formed IPv4 subnet the shape has the parser's prefix, address and DO bit."""
    option = dns.edns.ECSOption(str(address), prefix)
    query = dns.message.make_query("a.test", "A", want_dnssec=want_dnssec, use_edns=0, options=[option])
    wire, tail = tail_of(query)
    shape = parse_tail_shape(tail[:SHAPE_KEY_BYTES], PAYLOAD) if len(tail) >= SHAPE_KEY_BYTES else None
    edns = parse_query(wire, identify).edns
    assert shape is not None
    assert edns is not None
    assert edns.subnet is not None
    assert shape.length == len(tail)
    assert (tail[SHAPE_KEY_BYTES:] + shape.address_padding, shape.prefix) == (edns.subnet.address, edns.subnet.prefix)
    assert bool(shape.flags) is want_dnssec


@given(st.binary(max_size=40))
def test_whatever_the_parser_refuses_has_no_shape_that_fits(noise: bytes) -> None:
    """A tail that has a fitting shape is one that the parser accepts."""
    head = dns.message.make_query("a.test", "A").to_wire()
    wire = head[:10] + (b"\0\1" if noise else b"\0\0") + head[12:] + noise
    shape = parse_tail_shape(noise[:SHAPE_KEY_BYTES], PAYLOAD)
    if shape is None or shape.length != len(noise) or wire[-1] & shape.host_bits_mask:
        return
    try:
        parse_query(wire, identify)
    except UnanswerableError as error:
        pytest.fail(f"the parser says: {error}")


def test_version_one_has_no_shape() -> None:
    """Another EDNS version is the parser's business (BADVERS)."""
    _, tail = tail_of(dns.message.make_query("a.test", "A", use_edns=0))
    assert parse_tail_shape(tail[:6] + b"\1" + tail[7:], PAYLOAD) is None
