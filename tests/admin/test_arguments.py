"""Arguments that clients send."""

from __future__ import annotations

from typing import Any

import pytest

from graydns.admin.argument_checks import bind_arguments
from graydns.admin.pb_security import AdminRefusedError
from graydns.operations.operation import (
    MAX_CONTAINER_ITEMS,
    MAX_TEXT_CHARACTERS,
    Argument,
    make_signature,
    matches_type,
)


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
def test_values_of_the_declared_type_match(value: Any, hint: Any) -> None:
    """None, numbers, texts, lists and dicts of the declared type are accepted."""
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
def test_values_of_another_type_or_too_large_do_not_match(value: Any, hint: Any) -> None:
    """Neither is a number that is not finite."""
    assert not matches_type(value, hint)


def test_arguments_are_bound_by_name_with_defaults() -> None:
    """Names and defaults are filled in; anything too much, missing or of a wrong type is refused with its name."""
    signature = make_signature([Argument("name"), Argument("last", int, 20)])
    assert bind_arguments(signature, (), {"name": "a"}) == {"name": "a", "last": 20}
    assert bind_arguments(signature, ("a", 3), {}) == {"name": "a", "last": 3}
    for positional, named, refusal in (
        ((), {}, "wrong arguments: missing a required argument: 'name'"),
        (("a", 1, 2), {}, "wrong arguments: too many positional arguments"),
        ((), {"name": "a", "self": 1}, "wrong arguments: got an unexpected keyword argument 'self'"),
        (("a",), {"last": "x"}, "wrong argument last"),
    ):
        with pytest.raises(AdminRefusedError) as caught:
            bind_arguments(signature, positional, named)
        assert str(caught.value) == refusal
