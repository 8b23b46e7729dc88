"""Texts that are sent in parts, and replies in pages."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.admin.paging import (
    MAX_OPEN_REPLIES,
    MAX_PAGE_BYTES,
    ReplyPages,
    TextUpload,
    iterencode_json,
)
from graydns.admin.pb_security import AdminRefusedError
from graydns.operations.operation import MAX_UPLOAD_CHARACTERS
from tests.conftest import examples


def test_parts_are_joined_in_order() -> None:
    """Taking the text empties it, and a first part drops the parts before it."""
    incoming = TextUpload()
    assert incoming.append(["a", "b"], True) == {"characters": 2}
    assert incoming.append(["c"], False) == {"characters": 3}
    assert incoming.take() == "abc"
    assert incoming.take() == ""
    incoming.append(["half of one"], True)
    incoming.append(["another"], True)
    assert incoming.take() == "another"


def test_a_text_over_the_limit_is_refused() -> None:
    """At the limit it is accepted; one character more, and the text is empty."""
    incoming = TextUpload()
    incoming.append(["x" * (MAX_UPLOAD_CHARACTERS - 1)], True)
    assert incoming.append(["x"], False) == {"characters": MAX_UPLOAD_CHARACTERS}
    with pytest.raises(AdminRefusedError, match=str(MAX_UPLOAD_CHARACTERS)):
        incoming.append(["x"], False)
    assert incoming.take() == ""


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def assembled(pages: ReplyPages, value: Any) -> tuple[Any, list[int]]:
    """*value* after its way through *pages*, and the sizes of those."""
    page, cursor = pages.start(value)
    parts = [page]
    while cursor is not None:
        page, cursor = pages.next_page(cursor)
        parts.append(page)
    return json.loads(b"".join(parts)), [len(part) for part in parts]


@examples(0.5)
@given(plain)
def test_pages_are_json_of_the_value(value: Any) -> None:
    """Joined and parsed, they are the value."""
    assert json.loads("".join(iterencode_json(value))) == value


@pytest.mark.parametrize(
    "value",
    [
        [{"rule": f"rule-{at}", "reason": "x" * 50, "matched": False} for at in range(20_000)],
        {"text": "ü" * 400_000},
        {"inner": {"numbers": list(range(30_000))}},
        "x" * (MAX_PAGE_BYTES - 2),
        "x" * MAX_PAGE_BYTES,
    ],
    ids=["rows", "text", "numbers", "one page", "a page and two octets"],
)
def test_large_values_are_split_into_full_pages(value: Any) -> None:
    """All pages but the last are full, none is larger, and nothing is missing."""
    got, sizes = assembled(ReplyPages(), value)
    assert got == value
    assert set(sizes[:-1]) <= {MAX_PAGE_BYTES}
    assert 0 < sizes[-1] <= MAX_PAGE_BYTES


def test_the_oldest_unfinished_reply_is_dropped() -> None:
    """Its cursor is refused."""
    pages = ReplyPages()
    cursors = [pages.start("x" * 2 * MAX_PAGE_BYTES)[1] for _ in range(MAX_OPEN_REPLIES + 1)]
    assert None not in cursors
    with pytest.raises(AdminRefusedError, match="ask again"):
        pages.next_page(cursors[0] or 0)
    assert pages.next_page(cursors[-1] or 0)[0]


@pytest.mark.parametrize("value", [object(), {1: 2, "list": []}, {"x": {1}}, float("nan"), b"octets"])
def test_values_that_json_does_not_have_are_errors(value: Any) -> None:
    """They are not converted to others."""
    with pytest.raises((TypeError, ValueError)):
        "".join(iterencode_json(value))
