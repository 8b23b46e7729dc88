"""Rows: RRsets of a name in one bytes object."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.authority.zone_data import StoredRRset, iterate_rrsets, pack_node, pack_record, unpack_node

nodes = st.dictionaries(
    st.integers(0, 65535),
    st.builds(
        StoredRRset, st.integers(0, 2**31 - 1), st.lists(st.binary(max_size=40), min_size=1, max_size=5).map(tuple)
    ),
    max_size=5,
)


@given(nodes)
def test_a_node_survives(node: dict[int, StoredRRset]) -> None:
    """What is packed comes out again, lowest type first."""
    assert unpack_node(pack_node(node)) == node
    assert list(unpack_node(pack_node(node))) == sorted(node)


@given(nodes, nodes)
def test_rows_may_be_joined_while_reading(one: dict[int, StoredRRset], other: dict[int, StoredRRset]) -> None:
    """Two rows one after the other are a row, in which a type may stand twice."""
    assert list(iterate_rrsets(pack_node(one) + pack_node(other))) == list(iterate_rrsets(pack_node(one))) + list(
        iterate_rrsets(pack_node(other))
    )


def test_a_single_record_is_a_row() -> None:
    """The short way to the row of one record gives the same bytes."""
    assert pack_record(1, 300, b"abcd") == pack_node({1: StoredRRset(300, (b"abcd",))})


def test_an_empty_non_terminal_is_an_empty_row() -> None:
    """No records, no bytes."""
    assert pack_node({}) == b""
    assert unpack_node(b"") == {}


def test_what_no_record_can_have_is_refused() -> None:
    """A length of more than 16 bits has no place in a row."""
    with pytest.raises(struct.error):
        pack_record(1, 300, bytes(65536))
