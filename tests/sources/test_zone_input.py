"""Lines and their numbers, whatever the pieces in which a file is read."""

from __future__ import annotations

from contextlib import suppress
from hashlib import blake2b
from io import BytesIO

import dns.exception
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.sources import zone_input
from graydns.sources.zone_input import EntryInput, UnreadableLineError, ZoneFileLines


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zone_input, "READ_CHUNK_BYTES", 7)
    monkeypatch.setattr(zone_input, "MAX_LINE_BYTES", 50)


@given(st.lists(st.text("abcü (", max_size=12), max_size=8), st.sampled_from(["\n", "\r\n"]))
def test_pieces_do_not_show(texts: list[str], end: str) -> None:
    """Every line comes once, without its end, and the digest is that of the contents."""
    data = end.join(texts).encode()
    read = ZoneFileLines(BytesIO(data), "zone")
    numbered = [(text, number) for number, text in enumerate(end.join(texts).split(end), 1)]
    if not numbered[-1][0]:
        # What follows the last end is no line.
        numbered.pop()
    assert [(line, read.number) for line in read] == numbered
    assert read.digest.digest() == blake2b(data, digest_size=32).digest()


def test_a_line_without_end_is_refused() -> None:
    """What one line can make us hold is bounded."""
    read = ZoneFileLines(BytesIO(b"a\n" + b"x" * 100), "zone")
    assert next(iter(read)) == "a"
    with pytest.raises(UnreadableLineError, match="a line of more than"):
        next(iter(read))
    assert read.location == ("zone", 2)


def test_octets_that_are_no_text() -> None:
    """The line is known."""
    read = ZoneFileLines(BytesIO(b"a\nb\n\xff\nc\n"), "zone")
    with pytest.raises(UnreadableLineError):
        list(read)
    assert str(read.location) == "zone:3"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a 1\nnext\n", "next"),
        ("a ( 1\n 2 )\nnext\n", "next"),
        ('a "1\\\n2"\nnext\n', "next"),
        ("a ( ; ) no\n ) \nnext\n", "next"),
        ("a (\n", None),
    ],
)
def test_an_entry_ends_where_the_tokenizer_says(text: str, left: str | None) -> None:
    """With its line, unless parentheses or quotes are open."""
    read = ZoneFileLines(BytesIO(text.encode()), "zone")
    tokenizer = EntryInput(read.next_line() or "", read).tokenizer
    with suppress(dns.exception.SyntaxError):
        while not tokenizer.get().is_eof():
            pass
    assert read.next_line() == left
