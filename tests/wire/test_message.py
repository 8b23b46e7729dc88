from __future__ import annotations

import struct
from typing import SupportsIndex

import dns.exception
import dns.message
import dns.name
import dns.rrset
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from graydns.model import name as names
from graydns.wire.message import MalformedMessageError, MessageRecord, NameReader, records
from tests.wire.samples import names as wire_names

HEADER = bytes(12)
FIXED = struct.pack("!HHIH", 1, 1, 60, 0)


def walk(data: bytes, answers: int = 1) -> list[MessageRecord]:
    return list(records(data, 12, (answers, 0, 0)))


def test_fields() -> None:
    """A record says where its TTL and rdata lie, and its owner is decompressed and lowered."""
    response = dns.message.make_response(dns.message.make_query("WWW.shop.test.", "A"))
    response.answer.append(dns.rrset.from_text("WWW.shop.test.", 300, "IN", "A", "192.0.2.1", "192.0.2.2"))
    response.authority.append(dns.rrset.from_text("Shop.test.", 600, "IN", "NS", "ns1.shop.test."))
    wire = response.to_wire()
    found = list(records(wire, 12 + 15 + 4, (2, 1, 0)))
    owners = [names.to_text(record.owner) for record in found]
    assert owners == ["www.shop.test", "www.shop.test", "shop.test"]
    assert [(r.section, r.rdtype, r.rdclass, r.ttl) for r in found] == [(0, 1, 1, 300), (0, 1, 1, 300), (1, 2, 1, 600)]
    addresses = {wire[record.rdata_at : record.rdata_end] for record in found[:2]}  # dnspython shuffles
    assert addresses == {bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2))}
    for record in found:
        assert wire[record.ttl_at : record.ttl_at + 4] == struct.pack("!I", record.ttl)
        assert record.end == record.rdata_end
    assert found[-1].end == len(wire)
    assert NameReader(wire).read(found[2].rdata_at) == (names.from_text("ns1.shop.test"), len(wire))


def test_raw_ttl() -> None:
    """A TTL is given as its 32 bits are, as OPT keeps other things there."""
    assert walk(HEADER + b"\0" + struct.pack("!HHIH", 41, 1232, 0xFFFFFFFF, 0))[0].ttl == 0xFFFFFFFF


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\0" + FIXED[:-1],
        b"\0" + FIXED[:-2] + b"\0\1",
        b"\1",
        b"\1a" + FIXED,
        b"\xc0",
        b"\xc0\x0c" + FIXED,
        b"\xc0\x0d" + FIXED,
        b"\xc0\x00" + FIXED,
        b"\xff\xff" + FIXED,
        b"\x40a\0" + FIXED,
        b"\x80a\0" + FIXED,
        b"\1a" * 128 + b"\0" + FIXED,
    ],
)
def test_malformed(data: bytes) -> None:
    """A record cut short, a pointer that does not point back, an unknown label or a long name is
    MalformedMessageError."""
    with pytest.raises(MalformedMessageError):
        walk(HEADER + data)


def test_loop() -> None:
    """Two names that point to each other are Malformed."""
    first = b"\1a\xc0\x1a" + FIXED  # at 12, points to 26
    with pytest.raises(MalformedMessageError):
        walk(HEADER + first + b"\1b\xc0\x0c" + FIXED, 2)


def test_run_into_itself() -> None:
    """A name that points back to octets which run on into it again is MalformedMessageError."""
    with pytest.raises(MalformedMessageError):
        walk(HEADER + b"\0" + FIXED[:-2] + b"\0\2\1x" + b"\1a\xc0\x17" + FIXED, 2)


@pytest.mark.parametrize("target", range(12, 27))
def test_a_pointer_leads_to_what_no_time_changes(target: int) -> None:
    """A name may be read from anywhere but from a TTL, whose octets are labels today and others tomorrow."""
    first = b"\0" + struct.pack("!HHIH", 1, 1, 0, 4) + bytes(4)  # all of it labels: type 1 at 13, TTL from 17 to 20
    message = HEADER + first + struct.pack("!H", 0xC000 | target) + FIXED
    if target in (12, 13, 15, 21, 23, 24, 25, 26):
        assert len(walk(message, 2)) == 2
    else:
        with pytest.raises(MalformedMessageError):
            walk(message, 2)


def test_a_label_over_a_ttl_is_none() -> None:
    """Nor may one begin before it, or in a name that goes on past the one that points."""
    over = b"\0" + struct.pack("!HHIH", 1, 8, 0, 4) + bytes(4)  # at 16 a label of 8 octets begins
    with pytest.raises(MalformedMessageError):
        walk(HEADER + over + b"\xc0\x10" + FIXED, 2)
    onwards = b"\0" + struct.pack("!HHIH", 1, 1, 60, 1) + b"\x05"  # at 23 one that ends in the next record's TTL
    with pytest.raises(MalformedMessageError):
        walk(HEADER + onwards + b"\xc0\x17" + struct.pack("!HHIH", 1, 1, 0, 1) + b"\0", 2)


def test_compressed_length() -> None:
    """A name counts with what its pointers bring: 255 octets pass, 256 do not."""
    base = b"\x3f" + b"a" * 63 + b"\x3f" + b"b" * 63 + b"\x3f" + b"c" * 63 + b"\0"  # 193 octets
    for label, passes in ((61, True), (62, False)):
        data = HEADER + base + FIXED + bytes((label,)) + b"d" * label + b"\xc0\x0c" + FIXED
        if passes:
            assert len(walk(data, 2)[1].owner) == 255
        else:
            with pytest.raises(MalformedMessageError):
                walk(data, 2)


def chained(length: int) -> bytes:
    """A message with one record whose rdata is a chain of *length* pointers, and one that points to its end."""
    chain = b"\0"
    for _ in range(length):
        chain += struct.pack("!H", 0xC000 | max(23, 23 + len(chain) - 2))
    return HEADER + b"\0" + FIXED[:-2] + struct.pack("!H", len(chain)) + chain + chain[-2:] + FIXED


def test_pointer_chain() -> None:
    """A chain of pointers is followed so far and no further, and without deep recursion."""
    assert walk(chained(100), 2)[1].owner == names.ROOT
    for length in (200, 8000):
        with pytest.raises(MalformedMessageError):
            walk(chained(length), 2)


class Counting(bytes):
    """Bytes that count how many of them are looked at one by one."""

    looks = 0

    def __getitem__(self, key: SupportsIndex | slice) -> int | bytes:  # type: ignore[override]
        self.looks += not isinstance(key, slice)
        return super().__getitem__(key)


@pytest.mark.parametrize("backwards", [False, True])
def test_work(backwards: bool) -> None:
    """The work grows with the message, though every record points to another place in the longest of names."""
    data = HEADER
    targets: list[int] = []
    for _ in range(40):
        begin = len(data) + 11
        data += b"\0" + FIXED[:-2] + struct.pack("!H", 253) + b"\1a" * 126 + b"\0"
        places = range(begin, begin + 252, 2)
        targets += reversed(places) if backwards else places
    data += b"".join(struct.pack("!H", 0xC000 | target) + FIXED for target in targets if target < 0x4000)
    counting = Counting(data)
    found = list(records(counting, 12, (40 + len([t for t in targets if t < 0x4000]), 0, 0)))
    assert found[-1].end == len(data)
    assert counting.looks < 2 * len(data)


@given(st.binary(max_size=400), st.integers(0, 40), st.tuples(*[st.integers(0, 20)] * 3))
@example(b"\xc0\x0c", 0, (1, 0, 0))
def test_arbitrary_bytes(data: bytes, offset: int, counts: tuple[int, int, int]) -> None:
    """Bytes of any kind are records within bounds, or MalformedMessageError."""
    try:
        for record in records(data, offset, counts):
            assert record.ttl_at < record.rdata_at <= record.rdata_end == record.end <= len(data)
            assert len(record.owner) <= 255
            assert record.owner == record.owner.lower()
    except MalformedMessageError:
        pass


@given(
    st.lists(st.integers(0, 3) | st.integers(0xC0, 0xC1) | st.integers(0, 255), min_size=14, max_size=200), st.data()
)
def test_agrees_on_names(octets: list[int], data: st.DataObject) -> None:
    """A name that we read is the one dnspython reads there; what we refuse it refuses too."""
    wire = bytes(octets)
    at = data.draw(st.integers(12, len(wire) - 1))
    try:
        ours = NameReader(wire).read(at)
    except MalformedMessageError as error:
        if "point back" not in str(error):
            with pytest.raises(dns.exception.DNSException):
                dns.name.from_wire(wire, at)
        return
    name, used = dns.name.from_wire(wire, at)
    assert ours == (name.canonicalize().to_wire(), at + used)


@given(st.lists(wire_names, min_size=1, max_size=6))
def test_agrees_on_messages(owners: list[bytes]) -> None:
    """The owners of a message that dnspython compressed are the ones it was given."""
    message = dns.message.Message()
    for owner in owners:
        name = dns.name.from_wire(owner, 0)[0]
        message.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "192.0.2.1"))
    wire = message.to_wire()
    assert [record.owner for record in records(wire, 12, (len(owners), 0, 0))] == [owner.lower() for owner in owners]
