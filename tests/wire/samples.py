"""What the tests of the codec share: askers, messages made by dnspython, and strategies for names and RRsets."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import dns.edns
import dns.flags
import dns.message
import pytest
from hypothesis import strategies as st

from graydns.model.client import Client
from graydns.model.errors import UnanswerableError
from graydns.model.query import Edns, Query
from graydns.model.transport import TCP
from graydns.wire.answer_body import RRset
from graydns.wire.parse import parse_query

ASKER = Client(bytes((192, 0, 2, 1)))
TCP_ASKER = Client(bytes((192, 0, 2, 1)), TCP)

QNAME = b"\3www\4shop\4test\0"
ZONE = b"\4shop\4test\0"

#: OPT with ID 0x1234 and RD, asking www.shop.test A, ARCOUNT 1; the record itself is still to come.
HEAD = bytes.fromhex("123401000001000000000001") + QNAME + b"\0\1\0\1"

#: Queries for a.test A: dig 9.18 +subnet=0, the same with +keepalive +nsid, kdig 3.2 +subnet=0/0.
DIG_QUERIES = tuple(
    bytes.fromhex(text)
    for text in (
        "26100120000100000000000101610474657374000001000100002904d00000000000140008000400010000000a00087b58428c4d0f6f15",
        "c5d50120000100000000000101610474657374000001000100002904d000000000001c000300000008000400010000000a0008"
        "7a5968b6d3851927000b0000",
        "4d170120000100000000000101610474657374000001000100002910000000000000080008000400010000",
    )
)


def anyone(edns: Edns | None) -> Client:
    """Identifies everybody as the same sender of datagrams."""
    return ASKER


def someone_on_tcp(edns: Edns | None) -> Client:
    """Identifies everybody as the same sender over TCP."""
    return TCP_ASKER


def opt(options: bytes = b"", *, payload: int = 1232, ttl: int = 0, owner: bytes = b"\0") -> bytes:
    """An OPT record, well-formed or not."""
    return owner + struct.pack("!HHIH", 41, payload, ttl, len(options)) + options


def raw(code: int, data: bytes) -> bytes:
    """An EDNS option."""
    return struct.pack("!HH", code, len(data)) + data


def ask(
    name: str = "www.shop.test.",
    rdtype: str = "A",
    *,
    edns: bool = True,
    dnssec_ok: bool = False,
    flags: int = dns.flags.RD,
    options: Sequence[dns.edns.Option] = (),
) -> Query:
    """A parsed query that dnspython wrote."""
    message = dns.message.make_query(name, rdtype, want_dnssec=dnssec_ok, flags=flags)
    if edns:
        message.use_edns(0, message.ednsflags, 1232, options=list(options))
    return parse_query(message.to_wire(), anyone)


def refused(data: bytes) -> dns.message.Message:
    """The reply that *data* gets in place of becoming a Query, as dnspython reads it."""
    with pytest.raises(UnanswerableError) as caught:
        parse_query(data, anyone)
    assert caught.value.reply is not None
    assert len(caught.value.reply) <= len(data)  # nobody can use us to amplify
    return dns.message.from_wire(caught.value.reply)


def _fits(labels: list[bytes]) -> bool:
    return sum(len(label) + 1 for label in labels) < 255


labels = st.binary(min_size=1, max_size=63)
names = (
    st.lists(labels, max_size=8).filter(_fits).map(lambda found: b"".join(bytes((len(x),)) + x for x in found) + b"\0")
)
lowered_names = names.map(bytes.lower)


@st.composite
def rrset_lists(draw: st.DrawFn, qname: bytes) -> list[RRset]:
    """RRsets in order of section, of types without names in their rdata, under owners that often share suffixes."""
    owners = st.one_of(
        st.just(qname),
        st.builds(
            lambda label: bytes((len(label),)) + label.lower() + b"\4shop\4test\0", st.binary(min_size=1, max_size=9)
        ),
        lowered_names,
    )
    made = st.builds(
        RRset,
        st.integers(0, 2),
        owners,
        st.integers(65280, 65290),
        st.just(1),
        st.integers(0, 2**31 - 1),
        st.lists(st.binary(max_size=300), min_size=1, max_size=4).map(tuple),
        st.booleans(),
    )
    return sorted(draw(st.lists(made, max_size=8)), key=lambda rrset: rrset.section)
