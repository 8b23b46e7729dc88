"""Rows: RRsets of a name in one bytes object."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.authority.rows import Stored, pack, rrsets, single, unpack

nodes = st.dictionaries(
    st.integers(0, 65535),
    st.builds(Stored, st.integers(0, 2**31 - 1), st.lists(st.binary(max_size=40), min_size=1, max_size=5).map(tuple)),
    max_size=5,
)


@given(nodes)
def test_a_node_survives(node: dict[int, Stored]) -> None:
    """What is packed comes out again, lowest type first."""
    assert unpack(pack(node)) == node
    assert list(unpack(pack(node))) == sorted(node)


@given(nodes, nodes)
def test_rows_may_be_joined_while_reading(one: dict[int, Stored], other: dict[int, Stored]) -> None:
    """Two rows one after the other are a row, in which a type may stand twice."""
    assert list(rrsets(pack(one) + pack(other))) == list(rrsets(pack(one))) + list(rrsets(pack(other)))


def test_a_single_record_is_a_row() -> None:
    """The short way to the row of one record gives the same bytes."""
    assert single(1, 300, b"abcd") == pack({1: Stored(300, (b"abcd",))})


def test_an_empty_non_terminal_is_an_empty_row() -> None:
    """No records, no bytes."""
    assert pack({}) == b""
    assert unpack(b"") == {}


def test_what_no_record_can_have_is_refused() -> None:
    """A length of more than 16 bits has no place in a row."""
    with pytest.raises(struct.error):
        single(1, 300, bytes(65536))
