"""Arguments from clients."""

from __future__ import annotations

from typing import Any

import pytest

from graydns.admin.argument_checks import MAX_CONTAINER_ITEMS, MAX_TEXT_CHARACTERS, ArgumentSignature, matches_type
from graydns.admin.pb_security import AdminRefusedError


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("a", str),
        (None, str | None),
        (1, int),
        (1, float),
        (1.5, float | None),
        (True, bool),
        ({"a": "1"}, dict[str, str]),
        (["a"], list[str]),
        ({}, dict[str, int]),
    ],
)
def test_what_fits(value: Any, hint: Any) -> None:
    """Values of the type asked for are taken."""
    assert matches_type(value, hint)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (b"a", str),
        (1, str),
        (True, int),
        (1.0, int),
        (float("nan"), float),
        (float("inf"), float),
        (1, bool),
        ({"a": 1}, dict[str, str]),
        ({1: "a"}, dict[str, str]),
        ([1], list[str]),
        (("a",), list[str]),
        ("a" * (MAX_TEXT_CHARACTERS + 1), str),
        (["a"] * (MAX_CONTAINER_ITEMS + 1), list[str]),
    ],
)
def test_what_does_not(value: Any, hint: Any) -> None:
    """Others are not, nor is what is too long."""
    assert not matches_type(value, hint)


def test_binding() -> None:
    """Names and defaults are filled in; anything too much, missing or wrong is refused with its name."""

    def method(self: object, name: str, last: int = 20) -> None:
        """Take two arguments."""

    shape = ArgumentSignature.from_function(method)
    assert shape.bind((), {"name": "a"}) == {"name": "a", "last": 20}
    assert shape.bind(("a", 3), {}) == {"name": "a", "last": 3}
    for positional, named in (((), {}), (("a", 1, 2), {}), ((), {"name": "a", "self": 1}), (("a",), {"last": "x"})):
        with pytest.raises(AdminRefusedError):
            shape.bind(positional, named)
