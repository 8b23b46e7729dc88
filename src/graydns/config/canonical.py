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

from graydns.config.misfit import Misfit, Misfits, misfits, shown
from graydns.config.tree import MOST_DEPTH, Node

Json: TypeAlias = "Mapping[str, Json] | Sequence[Json] | str | int | float | bool | None"

#: Digits of a whole number; 2^53 - 1 has 16 of them.
_MOST_DIGITS = 17


def canonical(value: Json) -> bytes:
    """The canonical form of *value*. Raises Misfits where it has none."""
    try:
        return rfc8785.dumps(value)
    except (ValueError, RecursionError) as error:
        raise misfits(value, f"JSON that has a canonical form ({error})") from None


def parse(data: bytes) -> tuple[Any, bytes]:
    """What *data* says, in UTF-8, each name of an object once, at most MOST_DEPTH levels deep; and its canonical form.

    Raises Misfits.
    """
    try:
        text = data.decode()
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant, parse_int=_whole)
    except UnicodeDecodeError:
        raise _broken("octets that are not UTF-8") from None
    except json.JSONDecodeError as error:
        raise _broken(f"{error.msg.lower()} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _broken("a deeper level") from None
    except ValueError as error:
        raise _broken(str(error)) from None
    _check_depth(value)
    return value, canonical(value)


def as_texts(value: Json) -> Node:
    """*value*, which was parsed, as ``config.document`` has a file: every scalar but null is text."""
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, bool | float):
        return canonical(value).decode()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        return {key: as_texts(item) for key, item in value.items()}
    return [as_texts(item) for item in value]


def _check_depth(value: Json) -> None:
    level: list[Any] = [value]
    for _ in range(MOST_DEPTH):
        inside = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list))
        level = list(chain.from_iterable(inside))
    if any(isinstance(each, dict | list) for each in level):
        raise misfits(value, f"at most {MOST_DEPTH} levels of lists and mappings")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key {shown(name)} twice")
        found[name] = value
    return found


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text}, which is no number of JSON")


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError("a whole number of more than 16 digits")
    return int(text)


def _broken(found: str) -> Misfits:
    return Misfits((Misfit((), found, "JSON (RFC 8259), each name of an object once"),))
