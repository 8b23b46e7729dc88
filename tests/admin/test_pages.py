"""Replies in pages."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.admin.pages import PAGE, UNFINISHED, Pages, pieces
from graydns.admin.security import Refused
from tests.conftest import examples

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def assembled(pages: Pages, value: Any) -> tuple[Any, list[int]]:
    """*value* after its way through *pages*, and the sizes of those."""
    page, cursor = pages.first(value)
    parts = [page]
    while cursor is not None:
        page, cursor = pages.more(cursor)
        parts.append(page)
    return json.loads(b"".join(parts)), [len(part) for part in parts]


@examples(0.5)
@given(plain)
def test_a_value_comes_out_as_it_went_in(value: Any) -> None:
    """Pieces are JSON for the same value."""
    assert json.loads("".join(pieces(value))) == value


@pytest.mark.parametrize(
    "value",
    [
        [{"rule": f"rule-{at}", "reason": "x" * 50, "matched": False} for at in range(20_000)],
        {"text": "ü" * 400_000},
        {"inner": {"numbers": list(range(30_000))}},
        "x" * (PAGE - 2),
        "x" * PAGE,
    ],
    ids=["rows", "text", "numbers", "one page", "a page and two octets"],
)
def test_large_values_are_cut(value: Any) -> None:
    """Every page but the last is full, none is over PAGE, and nothing is missing."""
    got, sizes = assembled(Pages(), value)
    assert got == value
    assert set(sizes[:-1]) <= {PAGE}
    assert 0 < sizes[-1] <= PAGE


def test_replies_that_nobody_fetches_are_let_go() -> None:
    """A connection keeps so many unfinished replies; the oldest makes room, and its cursor is refused."""
    pages = Pages()
    cursors = [pages.first("x" * 2 * PAGE)[1] for _ in range(UNFINISHED + 1)]
    assert None not in cursors
    with pytest.raises(Refused, match="ask again"):
        pages.more(cursors[0] or 0)
    assert pages.more(cursors[-1] or 0)[0]


@pytest.mark.parametrize("value", [object(), {1: 2, "list": []}, {"x": {1}}, float("nan"), b"octets"])
def test_what_is_not_plain_is_an_error(value: Any) -> None:
    """Values that JSON cannot say do not pass as something else."""
    with pytest.raises((TypeError, ValueError)):
        "".join(pieces(value))
