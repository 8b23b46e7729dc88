"""The canonical order of names."""

from __future__ import annotations

import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.dnssec.denial_evidence import count_shared_labels, is_between, to_canonical, truncate_name
from graydns.model.name import ROOT
from graydns.model.name import from_text as name

#: The example of RFC 4034 section 6.1.
SORTED = (
    "example.",
    "a.example.",
    "yljkjljk.a.example.",
    "z.a.example.",
    "zabc.a.example.",
    "z.example.",
    "\\001.z.example.",
    "*.z.example.",
    "\\200.z.example.",
)

wire_labels = st.lists(st.binary(min_size=1, max_size=3).map(bytes.lower), max_size=4)


def test_rfc_4034_example() -> None:
    wire = [name(text) for text in reversed(SORTED)]
    assert sorted(wire, key=to_canonical) == [name(text) for text in SORTED]


@given(one=wire_labels, other=wire_labels)
def test_it_is_the_order_of_dnspython(one: list[bytes], other: list[bytes]) -> None:
    left, right = (dns.name.Name([*labels, b""]) for labels in (one, other))
    assert (to_canonical(left.to_wire() or b"") < to_canonical(right.to_wire() or b"")) is (left < right)


@pytest.mark.parametrize(
    ("low", "place", "high", "inside"),
    [
        (b"b", b"c", b"d", True),
        (b"b", b"b", b"d", False),
        (b"b", b"d", b"d", False),
        (b"b", b"a", b"d", False),
        (b"d", b"e", b"b", True),
        (b"d", b"a", b"b", True),
        (b"d", b"c", b"b", False),
        (b"b", b"b", b"b", False),
        (b"b", b"c", b"b", True),
    ],
)
def test_between_goes_round(low: bytes, place: bytes, high: bytes, inside: bool) -> None:
    assert is_between(low, place, high) is inside


def test_shared_and_ancestor() -> None:
    assert count_shared_labels(to_canonical(name("a.b.example.")), to_canonical(name("c.b.example."))) == 2
    assert count_shared_labels(to_canonical(name("a.b.example.")), to_canonical(ROOT)) == 0
    assert truncate_name(name("a.b.example."), 2) == name("b.example.")
    assert truncate_name(name("a.b.example."), 0) == ROOT
