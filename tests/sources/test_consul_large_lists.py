"""Large lists, entry by entry: the same as all at once."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.model.errors import ConsulReplyError
from graydns.sources.consul import catalog_parser

_documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def one_by_one(body: bytes) -> list[Any]:
    """The entries of *body* as of a large one."""
    return list(catalog_parser._iterate_large(body, "it"))


@given(st.lists(_documents), st.sampled_from([None, 1]))
def test_the_same_as_all_at_once(documents: list[Any], indent: int | None) -> None:
    """Whatever the entries are, and whatever space is between them."""
    assert one_by_one(json.dumps(documents, indent=indent).encode()) == documents


@given(st.dictionaries(st.text(), _documents, max_size=4), st.lists(_documents), st.sampled_from([None, 1]))
def test_a_list_within_an_object(others: dict[str, Any], documents: list[Any], indent: int | None) -> None:
    """Wherever it stands."""
    whole = {**others, "here": documents, "behind": 1}
    assert list(catalog_parser._iterate_large(json.dumps(whole, indent=indent).encode(), "it", "here")) == documents
    with pytest.raises(ConsulReplyError):
        list(catalog_parser._iterate_large(json.dumps(whole).encode(), "it", "here?"))


@given(st.lists(_documents, max_size=3), st.data())
def test_damage_is_unreadable(documents: list[Any], data: st.DataObject) -> None:
    """A body with one octet less, or another one, is still JSON or ConsulReplyError, and nothing else is raised."""
    body = bytearray(json.dumps(documents).encode())
    wanted: Any = None
    at = data.draw(st.integers(0, len(body) - 1))
    body[at : at + 1] = data.draw(st.binary(max_size=1))
    found: list[Any] | None = None
    with suppress(ConsulReplyError):
        found = one_by_one(bytes(body))
    with suppress(ValueError):
        wanted = json.loads(body.decode())
    assert found == (wanted if isinstance(wanted, list) else None)


@pytest.mark.parametrize("body", [b"", b"{}", b"5", b"[1 2]", b"[1", b"\xff[]", b"[" * 100_000])
@pytest.mark.parametrize("large", [0, catalog_parser.MAX_INLINE_PARSE_BYTES])
def test_what_is_no_list(body: bytes, large: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """At either size."""
    monkeypatch.setattr(catalog_parser, "MAX_INLINE_PARSE_BYTES", large)
    with pytest.raises(ConsulReplyError):
        list(catalog_parser.iterate_entries(body, "it"))
