from __future__ import annotations

import struct

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import pytest

from graydns.model.client import Client
from graydns.model.errors import UnanswerableError
from graydns.model.query import Edns
from graydns.wire.parse import parse_query
from tests.wire.samples import ASKER, HEAD, QNAME, anyone, opt, raw, refused

#: What dig 9.18 sends for "www.shop.test A": RD, AD, a payload of 1232, a client cookie.
DIG = bytes.fromhex(
    "c5d501200001000000000001037777770473686f700474657374000001000100002904d000000000000c000a00087a5968b6d3851927"
)


def sized(questions: int, answers: int = 0, authorities: int = 0, additionals: int = 0, flags: int = 0x0100) -> bytes:
    return struct.pack("!6H", 0x1234, flags, questions, answers, authorities, additionals)


A_QUESTION = QNAME + b"\0\1\0\1"
A_RECORD = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + bytes(4)


def test_dig() -> None:
    """A query as dig sends it comes apart into all that it says."""
    query = parse_query(DIG, anyone)
    assert (query.id, query.wire, query.question) == (0xC5D5, DIG, A_QUESTION)
    assert (query.qname, query.qtype, query.qclass) == (QNAME, 1, 1)
    assert (query.recursion_desired, query.authentic_data, query.checking_disabled) == (True, True, False)
    assert query.edns is not None
    assert query.edns.payload == 1232
    assert query.edns.cookie == bytes.fromhex("7a5968b6d3851927")
    assert not query.dnssec_ok
    assert query.tsig == 0


def test_client() -> None:
    """The client is the one that is identified from the options of the query."""
    seen: list[Edns | None] = []

    def identify(edns: Edns | None) -> Client:
        seen.append(edns)
        return ASKER

    query = parse_query(DIG, identify)
    assert query.client is ASKER
    assert seen == [query.edns]
    assert parse_query(sized(1) + A_QUESTION, identify).edns is None
    assert seen[1] is None


def test_letter_case() -> None:
    """The question keeps its letter case, the name to look up is lowered, type and class are left alone."""
    question = b"\3wWw\4SHOP\4TeSt\0\0A\0\1"
    query = parse_query(sized(1) + question, anyone)
    assert (query.question, query.qname, query.qtype) == (question, QNAME, 65)


@pytest.mark.parametrize("size", range(12))
def test_too_short(size: int) -> None:
    """What is shorter than a header gets no reply."""
    with pytest.raises(UnanswerableError) as caught:
        parse_query(DIG[:size], anyone)
    assert caught.value.reply is None


def test_reply() -> None:
    """A reply gets no reply, whatever else it is."""
    for flags in (0x8000, 0x8180, 0xA800):
        with pytest.raises(UnanswerableError) as caught:
            parse_query(sized(1, flags=flags) + A_QUESTION, anyone)
        assert caught.value.reply is None


@pytest.mark.parametrize("opcode", range(1, 16))
def test_opcodes(opcode: int) -> None:
    """Every opcode but QUERY gets NOTIMP with the same opcode, the question if there is one, and OPT for OPT."""
    flags = opcode << 11 | 0x0510  # AA, RD, CD
    with pytest.raises(UnanswerableError) as caught:
        parse_query(sized(1, additionals=1, flags=flags) + QNAME + b"\0\6\0\1" + opt(), anyone)
    reply = caught.value.reply
    assert reply is not None
    assert struct.unpack_from("!6H", reply) == (0x1234, 0x8000 | opcode << 11 | 0x0110 | 4, 1, 0, 0, 1)
    assert reply[12:] == QNAME + b"\0\6\0\1" + opt()
    with pytest.raises(UnanswerableError) as caught:
        parse_query(sized(0, flags=opcode << 11), anyone)
    assert caught.value.reply == sized(0, flags=0x8000 | opcode << 11 | 4)


def test_opcode_unreadable() -> None:
    """What follows the header of an unknown opcode may be anything; only what reads as a question is echoed."""
    for rest in (b"", b"\xff" * 40, A_QUESTION[:-1], b"\xc0\x0c\0\1\0\1"):
        reply = refused(sized(1, 7, 7, 7, flags=0x7800) + rest)
        assert (reply.rcode(), reply.question, reply.edns) == (dns.rcode.NOTIMP, [], -1)
    assert refused(sized(1, 7, 7, 7, flags=0x7800) + A_QUESTION + b"\xff").question


def test_question_count() -> None:
    """A query has exactly one question; else the reply is FORMERR with a bare header, and OPT for OPT (RFC 9619)."""
    for questions, rest in ((0, b""), (2, A_QUESTION * 2), (65535, A_QUESTION)):
        with pytest.raises(UnanswerableError) as caught:
            parse_query(sized(questions) + rest, anyone)
        assert caught.value.reply == sized(0, flags=0x8101)
    for questions in (0, 2):
        reply = refused(sized(questions, additionals=1) + A_QUESTION * questions + opt())
        assert (reply.rcode(), reply.question, reply.edns) == (dns.rcode.FORMERR, [], 0)


@pytest.mark.parametrize(
    "question",
    [
        b"",
        A_QUESTION[:-1],
        QNAME[:-1],
        b"\3www\xc0\x0c\0\1\0\1",
        b"\xc0\x0c\0\1\0\1",
        b"\x41" + b"a" * 65 + b"\0\0\1\0\1",
        b"\x80a\0\0\1\0\1",
        b"\x3fa\0\0\1\0\1",
        (b"\x3f" + b"a" * 63) * 4 + b"\0\0\1\0\1",
        b"\1a" * 127 + b"\1\0\0\1\0\1",
    ],
)
def test_bad_question(question: bytes) -> None:
    """A question that is cut short, compressed, of unknown labels or too long is FORMERR, without a question."""
    reply = refused(sized(1) + question)
    assert (reply.rcode(), reply.question) == (dns.rcode.FORMERR, [])


def test_longest_name() -> None:
    """A name of 255 octets is a name, one more is not."""
    name = b"\1a" * 127 + b"\0"
    assert parse_query(sized(1) + name + b"\0\1\0\1", anyone).qname == name
    assert refused(sized(1) + b"\2aa" + name[2:] + b"\0\1\0\1").rcode() == dns.rcode.FORMERR


@pytest.mark.parametrize(
    ("qtype", "qclass"), [(252, 1), (251, 1), (250, 1), (255, 1), (0, 1), (1, 3), (1, 254), (999, 77)]
)
def test_odd_questions(qtype: int, qclass: int) -> None:
    """Types and classes that the pipeline refuses parse like any other."""
    query = parse_query(sized(1) + QNAME + struct.pack("!HH", qtype, qclass), anyone)
    assert (query.qtype, query.qclass) == (qtype, qclass)


def test_opt_question() -> None:
    """Nobody can ask for type OPT."""
    assert refused(sized(1) + QNAME + b"\0\x29\0\1").rcode() == dns.rcode.FORMERR


def test_reserved_flag() -> None:
    """The reserved flag of a query is neither an error nor echoed."""
    assert parse_query(sized(1, flags=0x0140) + A_QUESTION, anyone).recursion_desired
    assert refused(sized(1, flags=0x0140) + A_QUESTION + b"x").flags & 0x0040 == 0


def test_other_sections() -> None:
    """Records in other sections are tolerated where they parse; options and all are still read."""
    data = sized(1, 1, 1, 2) + A_QUESTION + A_RECORD * 3 + opt(raw(3, b""))
    query = parse_query(data, anyone)
    assert query.edns is not None
    assert query.edns.nsid
    for broken in (A_RECORD[:-1], b"\xc0\xff" + A_RECORD[2:], b"\xc0\x21" + A_RECORD[2:], b""):
        assert refused(sized(1, 0, 1, 0) + A_QUESTION + broken).rcode() == dns.rcode.FORMERR


def test_trailing_octets() -> None:
    """Octets after the last record are FORMERR, with question, and with OPT where the query has one."""
    reply = refused(sized(1) + A_QUESTION + b"\0")
    assert (reply.rcode(), len(reply.question), reply.edns) == (dns.rcode.FORMERR, 1, -1)
    reply = refused(HEAD + opt(ttl=0x8000) + b"\0")
    assert (reply.rcode(), len(reply.question), reply.edns) == (dns.rcode.FORMERR, 1, 0)
    assert reply.ednsflags == dns.flags.DO


def test_version() -> None:
    """An unknown EDNS version is BADVERS in an OPT of version 0, before anybody looks at its options."""
    reply = refused(HEAD + opt(b"\xff\xff\xff", ttl=0x00018001))
    assert (reply.rcode(), reply.edns, reply.ednsflags & 0xFFFF) == (dns.rcode.BADVERS, 0, dns.flags.DO)
    assert reply.flags == dns.flags.QR | dns.flags.RD
    assert len(reply.question) == 1


def test_version_after_form() -> None:
    """A malformed message is FORMERR even if it speaks another EDNS version."""
    assert refused(HEAD + opt(ttl=0x00010000) + b"\0").rcode() == dns.rcode.FORMERR


def test_opt_placement() -> None:
    """Two OPT records, one under a name, or one outside the additional section are FORMERR."""
    for data in (
        sized(1, additionals=2) + A_QUESTION + opt() * 2,
        sized(1, additionals=1) + A_QUESTION + opt(owner=QNAME),
        sized(1, answers=1) + A_QUESTION + opt(),
        sized(1, authorities=1) + A_QUESTION + opt(),
    ):
        assert refused(data).rcode() == dns.rcode.FORMERR
    assert refused(sized(1, additionals=2) + A_QUESTION + opt() * 2).edns == 0
    assert refused(sized(1, additionals=1) + A_QUESTION + opt(owner=QNAME)).edns == -1


def test_opt_owner_compressed() -> None:
    """An OPT record may name the root by a pointer to one."""
    pointer = b"\xc0" + bytes((12 + len(QNAME) - 1,))
    assert parse_query(HEAD + opt(owner=pointer), anyone).edns is not None


def signed(data: bytes = DIG) -> bytes:
    message = dns.message.from_wire(data)
    message.use_tsig(dns.tsigkeyring.from_text({"key.test": "c2VjcmV0"}))
    return message.to_wire()


def test_tsig() -> None:
    """The offset of a TSIG record at the end is kept, with or without OPT before it."""
    with_opt = parse_query(signed(), anyone)
    assert with_opt.tsig == len(DIG)
    assert with_opt.edns is not None
    plain = sized(1) + A_QUESTION
    assert parse_query(signed(plain), anyone).tsig == len(plain)


def test_tsig_placement() -> None:
    """TSIG anywhere but at the end of the additional section, twice, or of another class is FORMERR."""
    plain = sized(1) + A_QUESTION
    tsig = signed(plain)[len(plain) :]
    for data in (
        sized(1, additionals=2) + A_QUESTION + tsig + opt(),
        sized(1, additionals=2) + A_QUESTION + tsig * 2,
        sized(1, answers=1) + A_QUESTION + tsig,
        sized(1, additionals=1) + A_QUESTION + tsig.replace(b"\0\xfa\0\xff", b"\0\xfa\0\1"),
    ):
        assert refused(data).rcode() == dns.rcode.FORMERR


def test_error_flags() -> None:
    """An error reply copies ID, RD and CD of the query and sets nothing else."""
    reply = refused(sized(1, flags=0x07FF & ~0x000F) + A_QUESTION + b"x")
    assert reply.id == 0x1234
    assert reply.flags == dns.flags.QR | dns.flags.RD | dns.flags.CD | dns.rcode.FORMERR
