from __future__ import annotations

import struct

import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.model.client import Subnet
from graydns.model.errors import UnanswerableError
from graydns.model.query import Edns
from graydns.wire import edns
from graydns.wire.message import MalformedMessageError
from graydns.wire.parse import parse_query
from tests.conftest import examples
from tests.wire.samples import DIG_QUERIES, HEAD, anyone, opt, raw, refused, someone_on_tcp


def asked(options: bytes = b"", payload: int = 1232, ttl: int = 0) -> Edns:
    """The options of a query with this OPT record."""
    found = parse_query(HEAD + opt(options, payload=payload, ttl=ttl), anyone).edns
    assert found is not None
    return found


def subnet(family: int, source: int, address: bytes, scope: int = 0) -> bytes:
    return raw(edns.ECS, struct.pack("!HBB", family, source, scope) + address)


@pytest.mark.parametrize(("sent", "counts"), [(0, 512), (511, 512), (512, 512), (513, 513), (65535, 65535)])
def test_payload(sent: int, counts: int) -> None:
    """A payload below 512 counts as 512."""
    assert asked(payload=sent).payload == counts


def test_flags() -> None:
    """Of the EDNS flags only DO means anything; the others are no error."""
    assert asked(ttl=0x8000).dnssec_ok
    assert not asked(ttl=0x7FFF).dnssec_ok
    assert asked(ttl=0xFF00FFFF).dnssec_ok


def test_unknown_options() -> None:
    """Unknown options are kept in order and are no error."""
    found = asked(raw(4242, b"x") + raw(4242, b"") + raw(0, b"yy"))
    assert found.options == ((4242, b"x"), (4242, b""), (0, b"yy"))


@pytest.mark.parametrize(
    "options", [b"\0", b"\0\3\0", b"\0\3\0\1", raw(3, b"")[:-1], raw(9, b"ab")[:-1], raw(9, b"") + b"\1"]
)
def test_cut_short(options: bytes) -> None:
    """Options that do not fill their record exactly are FORMERR, in an OPT."""
    reply = refused(HEAD + opt(options))
    assert (reply.rcode(), reply.edns) == (dns.rcode.FORMERR, 0)


@examples(2)
@given(st.binary(max_size=80))
def test_framing(rdata: bytes) -> None:
    """Whatever is taken for options is exactly their encodings joined."""
    try:
        found = edns.parse_opt(1232, 0, rdata)
    except MalformedMessageError:
        return
    assert b"".join(edns.encode_option(code, data) for code, data in found.options) == rdata


def test_presence() -> None:
    """NSID, keepalive and padding are noticed, whatever NSID and padding hold (RFC 5001 section 2.1, RFC 7830)."""
    found = asked(raw(edns.NSID, b"junk") + raw(edns.PADDING, b"\1\2"))
    assert (found.nsid, found.padding, found.keepalive) == (True, True, False)
    assert asked(raw(edns.KEEPALIVE, b"")).keepalive
    assert not asked(raw(77, b"")).nsid


def test_keepalive_timeout() -> None:
    """A timeout in a query is FORMERR over TCP; over UDP the option has no meaning at all."""
    data = HEAD + opt(raw(edns.KEEPALIVE, b"\0\x64"))
    with pytest.raises(UnanswerableError) as caught:
        parse_query(data, someone_on_tcp)
    assert caught.value.reply is not None
    assert caught.value.reply[3] & 15 == 1
    assert parse_query(data, anyone).edns is not None
    assert parse_query(HEAD + opt(raw(edns.KEEPALIVE, b"")), someone_on_tcp).edns is not None


@pytest.mark.parametrize("length", range(45))
def test_cookie_length(length: int) -> None:
    """A cookie has 8, or 16 to 40 octets (RFC 7873 section 5.2.2)."""
    data = HEAD + opt(raw(edns.COOKIE, bytes(length)))
    if length == 8 or 16 <= length <= 40:
        found = parse_query(data, anyone).edns
        assert found is not None
        assert found.cookie == bytes(length)
    else:
        assert refused(data).rcode() == dns.rcode.FORMERR


def test_cookie_twice() -> None:
    """Only the first of several cookies is considered, not even for its length."""
    assert asked(raw(edns.COOKIE, b"first..!") + raw(edns.COOKIE, b"x")).cookie == b"first..!"


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        (subnet(1, 24, bytes((192, 0, 2))), Subnet(bytes((192, 0, 2, 0)), 24)),
        (subnet(1, 32, bytes((192, 0, 2, 1))), Subnet(bytes((192, 0, 2, 1)), 32)),
        (subnet(1, 1, b"\x80"), Subnet(b"\x80\0\0\0", 1)),
        (subnet(1, 0, b""), Subnet(bytes(4), 0)),
        (subnet(2, 0, b""), Subnet(bytes(16), 0)),
        (subnet(2, 56, bytes.fromhex("20010db8000000")), Subnet(bytes.fromhex("20010db8") + bytes(12), 56)),
        (subnet(2, 128, bytes(range(16))), Subnet(bytes(range(16)), 128)),
        (subnet(0, 0, b""), None),
    ],
)
def test_subnet(option: bytes, expected: Subnet | None) -> None:
    """A client subnet is read with its address filled up; what was sent is kept for the echo."""
    found = asked(option)
    assert found.subnet == expected
    assert found.subnet_wire == option[4:]


@pytest.mark.parametrize(
    "option",
    [
        raw(edns.ECS, b""),
        raw(edns.ECS, b"\0\1\0"),
        subnet(3, 8, b"\1"),
        subnet(3, 0, b""),
        subnet(0, 8, b"\1"),
        subnet(0, 0, b"\1"),
        subnet(1, 33, bytes(5)),
        subnet(2, 129, bytes(17)),
        subnet(1, 24, bytes((192, 0, 2)), scope=24),
        subnet(0, 0, b"", scope=1),
        subnet(1, 24, bytes((192, 0))),
        subnet(1, 24, bytes((192, 0, 2, 0))),
        subnet(1, 0, b"\0"),
        subnet(1, 25, bytes((192, 0, 2, 0x40))),
        subnet(1, 1, b"\x40"),
        subnet(2, 121, bytes(15) + b"\1"),
        subnet(1, 8, b"\1") + subnet(1, 8, b"\1"),
        subnet(1, 8, b"\1") + subnet(0, 0, b""),
    ],
)
def test_bad_subnet(option: bytes) -> None:
    """A client subnet that breaks RFC 7871 in any way, or a second one, is FORMERR."""
    reply = refused(HEAD + opt(option))
    assert (reply.rcode(), reply.edns, reply.options) == (dns.rcode.FORMERR, 0, ())


@pytest.mark.parametrize("query", DIG_QUERIES)
def test_as_sent(query: bytes) -> None:
    """What dig and kdig send to keep their subnet private is a subnet of no bits."""
    found = parse_query(query, anyone).edns
    assert found is not None
    assert found.subnet == Subnet(bytes(4), 0)


def test_echo() -> None:
    """The echo of a client subnet changes its scope and nothing else."""
    wire = subnet(1, 24, bytes((192, 0, 2)))
    assert edns.encode_subnet_reply(wire[4:], 20) == subnet(1, 24, bytes((192, 0, 2)), scope=20)


def test_tags_joined() -> None:
    """The data of several tag options is joined by commas, in order."""
    found = asked(raw(edns.TAGS, b"a=1") + raw(77, b"z") + raw(edns.TAGS, b"b=2"))
    assert found.tags == b"a=1,b=2"
    assert asked(raw(edns.TAGS, b"")).tags == b""
    assert asked(raw(77, b"z")).tags is None


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"client=qa-laptop", (("client", "qa-laptop"),)),
        (b"a=1,b=2", (("a", "1"), ("b", "2"))),
        ("ort=Zürich".encode(), (("ort", "Zürich"),)),
        (b"a=", (("a", ""),)),
        (b"a=b=c", (("a", "b=c"),)),
        (b",".join(b"k%d=v" % n for n in range(16)), tuple((f"k{n}", "v") for n in range(16))),
        (b"a=" + b"x" * 510, (("a", "x" * 510),)),
        (b"", None),
        (b"a", None),
        (b"=1", None),
        (b"a=1,", None),
        (b",a=1", None),
        (b"a=1,,b=2", None),
        (b"a=1,a=1", None),
        (b"a=1,a=2", None),
        (b"a=\0", None),
        (b"a=1\n", None),
        (b"a=\x7f", None),
        (b"a=\xc2\x9b", None),
        (b"a=\xff", None),
        (b",".join(b"k%d=v" % n for n in range(17)), None),
        (b"a=" + b"x" * 511, None),
    ],
)
def test_tags(data: bytes, expected: tuple[tuple[str, str], ...] | None) -> None:
    """Tags are all believed or all ignored."""
    assert edns.parse_tags(data) == expected


@examples(2)
@given(st.binary(max_size=600) | st.text(alphabet="ab=,\x01é", max_size=40).map(str.encode))
def test_tags_arbitrary(data: bytes) -> None:
    """Tags that are taken say, joined again, what was sent."""
    tags = edns.parse_tags(data)
    if tags is not None:
        assert ",".join(f"{key}={value}" for key, value in tags).encode() == data
        assert len(dict(tags)) == len(tags) <= 16


def test_extended_rcode() -> None:
    """An OPT record carries the upper bits of an rcode and DO, and says version 0."""
    assert edns.encode_opt_record(1232, True, rcode=23) == opt(payload=1232, ttl=0x01008000)
    assert edns.encode_opt_record(512, False, raw(3, b"ns"), 5) == opt(raw(3, b"ns"), payload=512)
    assert edns.encode_option(3, b"ns") == raw(3, b"ns")
