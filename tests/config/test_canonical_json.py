"""Canonical JSON: the vectors of RFC 8785, and what is refused."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.config.canonical_json import canonicalize, parse_json, to_yaml_node
from graydns.config.issues import ValidationError

SAMPLE = rb"""{
  "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
  "literals": [null, true, false]
}"""

#: RFC 8785 section 3.2.4.
SAMPLE_OCTETS = bytes.fromhex(
    "7b226c69746572616c73223a5b6e756c6c2c747275652c66616c73655d2c226e"
    "756d62657273223a5b3333333333333333332e333333333333332c31652b3330"
    "2c342e352c302e3030322c31652d32375d2c22737472696e67223a22e282ac24"
    "5c75303030665c6e4127425c225c5c5c5c5c222f227d"
)

SORTED = rb"""{"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh",
 "1": "One", "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control",
 "\u00f6": "Latin Small Letter O With Diaeresis"}"""

#: RFC 8785 appendix B: the octets of a double, and how it is written.
NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}

REFUSED: dict[bytes, str] = {
    b"": "expecting value at line 1, column 1",
    b'{"a": 1,}': "at line 1",
    b'{"a": 1, "b": 2, "a": 3}': "the key 'a' twice",
    b"NaN": "NaN, which is no number of JSON",
    b"[-Infinity]": "-Infinity, which",
    b"1e400": "JSON that has a canonical form",
    b"9007199254740992": "JSON that has a canonical form",
    b"1" * 5000: "a whole number of more than 16 digits",
    b'"\\ud800"': "JSON that has a canonical form",
    b'{"\\ud800": 1}': "JSON that has a canonical form",
    b'"\xff"': "octets that are not UTF-8",
    b"\xff\xfe1\x00": "octets that are not UTF-8",
    b"[" * 33 + b"]" * 33: "at most 32 levels",
    b"[" * 200_000: "a deeper level",
}


def text_of(error: ValidationError) -> str:
    """What it says."""
    return "; ".join(f"{issue.found}, {issue.expected}" for issue in error.issues)


def test_sample_of_the_rfc() -> None:
    """The example of sections 3.2.2 to 3.2.4 comes out octet by octet."""
    assert parse_json(SAMPLE)[1] == SAMPLE_OCTETS


def test_order_of_the_rfc() -> None:
    """Names are in the order of their UTF-16 code units (section 3.2.3)."""
    order = list(json.loads(parse_json(SORTED)[1]).values())
    assert [value.split()[0] for value in order] == ["Carriage", "One", "Control", "Latin", "Euro", "Emoji:", "Hebrew"]


@pytest.mark.parametrize("octets", NUMBERS)
def test_numbers_of_the_rfc(octets: str) -> None:
    """Doubles are written as ECMAScript does (appendix B)."""
    (number,) = struct.unpack(">d", bytes.fromhex(octets))
    assert canonicalize(number).decode() == NUMBERS[octets]


@pytest.mark.parametrize("octets", ["7fffffffffffffff", "7ff0000000000000"])
def test_no_numbers(octets: str) -> None:
    """What is no number has no form (appendix B)."""
    (number,) = struct.unpack(">d", bytes.fromhex(octets))
    with pytest.raises(ValidationError):
        canonicalize(number)


@pytest.mark.parametrize("data", REFUSED)
def test_what_is_refused(data: bytes) -> None:
    """What others could read in another way is not read at all."""
    with pytest.raises(ValidationError) as caught:
        parse_json(data)
    assert REFUSED[data] in text_of(caught.value)


def test_texts() -> None:
    """A schema sees numbers as they are written canonically, however they were written."""
    assert to_yaml_node(parse_json(b'{"a": [1e1, 1.50, true, null, "x", -0]}')[0]) == {
        "a": ["10", "1.5", "true", None, "x", "0"]
    }


VALUES = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5) | st.floats(-1e15, 1e15) | st.integers(-(2**53) + 1, 2**53 - 1),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_one_form(value: Any) -> None:
    """Whatever the order of names and the white space, the form is one, and says the same."""
    loose = json.dumps(turned(value), indent=2, ensure_ascii=True).encode()
    form = canonicalize(value)
    assert parse_json(loose)[1] == form
    assert json.loads(form) == json.loads(loose)


def turned(value: Any) -> Any:
    """The same, names in another order."""
    if isinstance(value, list):
        return [turned(item) for item in value]
    if isinstance(value, dict):
        return {key: turned(item) for key, item in reversed(value.items())}
    return value


@given(st.binary(max_size=60) | st.text('[]{},:"\\u0aDd8e-+.19 ntf', max_size=40).map(str.encode))
def test_any_octets(data: bytes) -> None:
    """Arbitrary octets never raise anything but Issues."""
    try:
        _, form = parse_json(data)
    except ValidationError:
        return
    assert json.loads(form) == json.loads(data)


def test_the_deepest() -> None:
    """JSON may be as deep as a file."""
    assert parse_json(b"[" * 32 + b"]" * 32)[1] == b"[" * 32 + b"]" * 32
