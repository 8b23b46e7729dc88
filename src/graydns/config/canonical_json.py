"""JSON, read strictly and written in the one form that can be signed: RFC 8785, the JSON Canonicalization Scheme.

Numbers are what RFC 8785 makes of them, IEEE 754 doubles (RFC 7493): a whole number beyond 2^53 - 1 is refused, as
others would read another one. A schema that takes texts sees each number as it is written canonically: ``1e1`` is
``10``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NoReturn, TypeAlias

import rfc8785

from graydns.config.issues import ValidationError, ValidationIssue, format_value, make_validation_error
from graydns.config.yaml_tree import MAX_NESTING_DEPTH, YamlNode

JsonValue: TypeAlias = "Mapping[str, JsonValue] | Sequence[JsonValue] | str | int | float | bool | None"

#: Digits of a whole number; 2^53 - 1 has 16 of them.
_MAX_INTEGER_DIGITS = 17


def canonicalize(value: JsonValue) -> bytes:
    """The canonical form of *value*. Raises ValidationError where it has none."""
    try:
        return rfc8785.dumps(value)
    except (ValueError, RecursionError) as error:
        raise make_validation_error(value, f"JSON that has a canonical form ({error})") from None


def parse_json(data: bytes) -> tuple[Any, bytes]:
    """What *data* says, in UTF-8, each name of an object once, at most MAX_NESTING_DEPTH levels deep; and its canonical
    form.

    Raises ValidationError.
    """
    try:
        text = data.decode()
        value = json.loads(
            text, object_pairs_hook=_reject_duplicate_names, parse_constant=_reject_constant, parse_int=_parse_integer
        )
    except UnicodeDecodeError:
        raise _make_json_error("octets that are not UTF-8") from None
    except json.JSONDecodeError as error:
        raise _make_json_error(f"{error.msg.lower()} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _make_json_error("a deeper level") from None
    except ValueError as error:
        raise _make_json_error(str(error)) from None
    _check_depth(value)
    return value, canonicalize(value)


def to_yaml_node(value: JsonValue) -> YamlNode:
    """*value*, which was parsed, as ``config.document`` has a file: every scalar but null is text."""
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, bool | float):
        return canonicalize(value).decode()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        return {key: to_yaml_node(item) for key, item in value.items()}
    return [to_yaml_node(item) for item in value]


def _check_depth(value: JsonValue) -> None:
    level: list[Any] = [value]
    for _ in range(MAX_NESTING_DEPTH):
        inside = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list))
        level = list(chain.from_iterable(inside))
    if any(isinstance(each, dict | list) for each in level):
        raise make_validation_error(value, f"at most {MAX_NESTING_DEPTH} levels of lists and mappings")


def _reject_duplicate_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key {format_value(name)} twice")
        found[name] = value
    return found


def _reject_constant(text: str) -> NoReturn:
    raise ValueError(f"{text}, which is no number of JSON")


def _parse_integer(text: str) -> int:
    if len(text) > _MAX_INTEGER_DIGITS:
        raise ValueError("a whole number of more than 16 digits")
    return int(text)


def _make_json_error(found: str) -> ValidationError:
    return ValidationError((ValidationIssue((), found, "JSON (RFC 8259), each name of an object once"),))
