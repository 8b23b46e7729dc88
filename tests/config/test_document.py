"""Strict YAML: what is refused, where the error points, and how paths are found again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.config.document import Document
from graydns.config.yaml_tree import MAX_DOCUMENT_ISSUES
from graydns.model.errors import ConfigIssue

REFUSED = [
    ("a: 1\nb: 2\na: 3\n", "3:1", "the same key a second time"),
    ("a: {b: 1, c: 2, b: 3}\n", "1:17", "the same key a second time"),
    ('a: 1\n"a": 2\n', "2:1", "the same key a second time"),
    ("a: &x 1\n", "1:4", "the anchor &x"),
    ("a:\n  - &deep {}\n", "2:5", "the anchor &deep"),
    ("a: *x\n", "1:4", "the alias *x"),
    ("*x : 1\n", "1:1", "the alias *x"),
    ("a: {<<: {b: 1}}\n", "1:5", "a merge key"),
    ("a: !!python/object/apply:os.system [ls]\n", "1:4", "the tag tag:yaml.org,2002:python/object/apply:os.system"),
    ("a: !!int 5\n", "1:4", "the tag tag:yaml.org,2002:int"),
    ("!thing a: 5\n", "1:1", "the tag !thing"),
    ("a: 1\n---\nb: 1\n", "2:1", "a second document"),
    ("a: 1\n...\n---\n...\n", "3:1", "a second document"),
    ("? [a]\n: 1\n", "1:3", "a list or mapping as a key"),
    ("? {a: b}\n: 1\n", "1:3", "a list or mapping as a key"),
    ("- a\n", "1:1", "a list"),
    ("a\n", "1:1", "'a'"),
    ("", "1:1", "nothing"),
    ("# only a comment\n", "1:1", "nothing"),
    ("~\n", "1:1", "nothing"),
    ("a: [1, 2\n", "2:1", "broken YAML"),
    ("a: 'x\n", "2:1", "broken YAML"),
    ("a: b: c\n", "1:5", "broken YAML"),
    ("a:\n\t- b\n", "2:1", "broken YAML"),
    ("%YAML 9.9\n---\na: 1\n", "1:1", "broken YAML"),
    ('a: "\\ud800"\n', "1:7", "broken YAML"),
    ("a: 1\nü: \x01\n", "2:4", "a byte or character that may not stand there"),
    ("a: \x00\n", "1:4", "a byte or character that may not stand there"),
    ("[" * 33 + "]" * 33, "1:33", "a deeper level"),
    ("[" * 200, "1:33", "a deeper level"),
    ("{a: " * 200, "1:129", "a deeper level"),
    ("- " * 200, "1:65", "a deeper level"),
    ("".join("  " * level + "a:\n" for level in range(100)), "33:65", "a deeper level"),
]


@pytest.mark.parametrize(("text", "place", "found"), REFUSED)
def test_refused(text: str, place: str, found: str) -> None:
    """Each thing that strict YAML refuses is reported at its line and column."""
    faults = Document("f", text.encode()).parse().issues
    assert [f"{fault.line}:{fault.column}" for fault in faults] == [place]
    assert faults[0].found.startswith(found)
    assert faults[0].file == "f"


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "], ids=["list", "mapping", "block"])
def test_nesting_without_end(opening: str) -> None:
    """Whether our bound on levels or PyYAML's own comes first, it is one fault and neither a crash nor a tree."""
    reading = Document("f", (opening * 100_000).encode()).parse()
    assert reading.root is None
    assert len(reading.issues) == 1
    assert len(str(reading.issues[0])) < 1000


@pytest.mark.parametrize(
    ("data", "place", "expected"),
    [
        (b"a: \xff\n", "1:4", "well-formed YAML in UTF-8"),
        (b"a: 1\nb: \xc3\xa9\xc3\n", "2:6", "well-formed YAML in UTF-8"),
        (b"a: \xed\xa0\x80\n", "1:4", "well-formed YAML in UTF-8"),
        ("a: 1\n".encode("utf-16"), "1:1", "UTF-8"),
        ("a: 1\n".encode("utf-16-be"), "1:1", "well-formed YAML in UTF-8"),
    ],
)
def test_not_utf8(data: bytes, place: str, expected: str) -> None:
    """Bytes that are not UTF-8 are refused where the parser notices them."""
    (fault,) = Document("f", data).parse().issues
    assert (f"{fault.line}:{fault.column}", fault.expected) == (place, expected)


def test_alias_bomb() -> None:
    """Aliases are refused one by one and never expanded."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 30)]
    reading = Document("f", "\n".join(lines).encode()).parse()
    assert len(reading.issues) == 30 + 29 * 10
    assert reading.root is not None
    assert reading.root["a29"] == [None] * 10


def test_a_file_full_of_aliases_is_given_up() -> None:
    """What is wrong with a file that is no configuration at all does not take more memory than the file."""
    text = f"a: &a [x]\nb: [{'*a, ' * (2 * MAX_DOCUMENT_ISSUES)}*a]\n"
    reading = Document("f", text.encode()).parse()
    assert reading.root is None
    assert len(reading.issues) == MAX_DOCUMENT_ISSUES + 1
    assert reading.issues[-1].expected == "the value written out; here reading ends"


def test_an_error_has_a_length() -> None:
    """A key or an anchor of any length does not make a line of that length."""
    faults = Document("f", f"? {'k' * 100_000}\n: &{'a' * 100_000} [\n".encode()).parse().issues
    assert len(faults) == 2
    assert all(len(str(fault)) < 1000 for fault in faults)


def test_depth_of_32_is_taken() -> None:
    """32 levels are read, the 33rd is not."""
    assert Document("f", b"{a: " * 32 + b"1" + b"}" * 32).parse().issues == ()
    assert Document("f", b"{a: " * 33 + b"1" + b"}" * 33).parse().root is None


def test_all_faults_of_a_file() -> None:
    """What can be stepped over does not hide what follows."""
    text = "a: &x 1\nb: *x\nc: {d: 1, d: 2}\ne: !t 1\nf: [\n"
    faults = Document("f", text.encode()).parse().issues
    assert [fault.line for fault in faults] == [1, 2, 3, 4, 6]


def test_scalars_stay_text() -> None:
    """Plain scalars are what was typed; only null, ~ and nothing at all mean nothing."""
    text = "a: NO\nb: 010\nc: 1:30\nd: 20261122.10\ne: null\nf: ~\ng:\nh: 'null'\ni: ''\nj: 0x1F\nk: .inf\nl: Null\n"
    assert Document("f", text.encode()).parse().root == {
        "a": "NO",
        "b": "010",
        "c": "1:30",
        "d": "20261122.10",
        "e": None,
        "f": None,
        "g": None,
        "h": "null",
        "i": "",
        "j": "0x1F",
        "k": ".inf",
        "l": "Null",
    }


def test_byte_order_mark() -> None:
    """A UTF-8 byte order mark is no part of the first key."""
    assert Document("f", b"\xef\xbb\xbfa: 1\n").parse().root == {"a": "1"}


NESTED = b"""\
first: 1
list:
  - one
  - {name: two, inner: [x, y]}
API.Shop.Test.:
  key: value
"""


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ((), "1:1"),
        (("first",), "1:8"),
        (("list",), "3:3"),
        (("list", 0), "3:5"),
        (("list", 1, "name"), "4:12"),
        (("list", 1, "inner", 1), "4:28"),
        (("list", 1, "inner", 7), "4:24"),
        (("list", 1, "missing", "deeper"), "4:5"),
        (("missing",), "1:1"),
        (("api.shop.test", "key"), "6:8"),
        (("first", "below", 3), "1:8"),
    ],
)
def test_locate(path: tuple[str | int, ...], place: str) -> None:
    """A path is found again, or else the nearest place above it; names compare without case and final dot."""
    fault = Document("f", NESTED).locate(ConfigIssue(path, "this", "that"))
    assert str(fault).startswith(f"f:{place}: ")
    assert (fault.path, fault.found, fault.expected) == (path, "this", "that")


@given(st.text() | st.text(alphabet="[]{}:,-?&*!|>'\"%@`#~ \n\tab\x00\x85\ufeff"))
def test_any_text(text: str) -> None:
    """Whatever the text, reading ends in a tree or in faults that have a place."""
    reading = Document("f", text.encode("utf-8", "surrogatepass")).parse()
    assert reading.root is not None or reading.issues
    assert all(fault.line > 0 and fault.column > 0 for fault in reading.issues)


@given(st.binary())
def test_any_bytes(data: bytes) -> None:
    """Whatever the bytes, reading ends in a tree or in faults, and any path can be looked for."""
    document = Document("f", data)
    reading = document.parse()
    assert reading.root is not None or reading.issues
    assert document.locate(ConfigIssue(("a", 0), "this", "that")).line > 0
