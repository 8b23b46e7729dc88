"""Parsing: the JSON of Consul's lists, entry by entry, so that megabytes of it need not stop the world."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from graydns.model.errors import ConsulReplyError

#: Octets up to which a body is parsed at once: two or three milliseconds.
LARGE = 256 * 1024

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")


def document(body: bytes) -> object:
    """All of *body*; of an empty one None. Raises ConsulReplyError."""
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError) as error:
        raise ConsulReplyError(f"found no JSON: {error}") from None


def entries(body: bytes, what: str, key: str | None = None) -> Iterator[object]:
    """The entries of the list that *body* is, or that it has at *key*. Raises ConsulReplyError, of a large body perhaps
    after some of them."""
    if len(body) > LARGE:
        yield from _one_by_one(body, what, key)
        return
    whole = document(body)
    if key is not None:
        whole = whole.get(key) if isinstance(whole, dict) else None
    if not isinstance(whole, list):
        raise ConsulReplyError(f"{what}: found {type(whole).__name__}, expected a list")
    yield from whole


def _one_by_one(body: bytes, what: str, key: str | None = None) -> Iterator[object]:
    try:
        text = body.decode()
        at = _after_space(text, 0) if key is None else _value(text, key)
        if text[at : at + 1] != "[":
            raise ConsulReplyError(f"{what}: found something else than a list")
        at = _after_space(text, at + 1)
        more = text[at : at + 1] != "]"
        while more:
            entry, at = _DECODER.raw_decode(text, _after_space(text, at))
            yield entry
            at = _after_space(text, at)
            more = text[at : at + 1] == ","
            at += more
        if text[at : at + 1] != "]" or (key is None and _after_space(text, at + 1) != len(text)):
            raise ConsulReplyError(f"{what}: found something else behind an entry")
    except (ValueError, RecursionError) as error:
        raise ConsulReplyError(f"{what}: found no JSON: {error}") from None


def _value(text: str, key: str) -> int:
    """Where the value at *key* of an object begins. Raises ValueError."""
    at = _after_space(text, 0)
    before = "{"
    while text[at : at + 1] == before:
        name, at = _DECODER.raw_decode(text, _after_space(text, at + 1))
        at = _after_space(text, at)
        if text[at : at + 1] != ":":
            break
        at = _after_space(text, at + 1)
        if name == key:
            return at
        _, at = _DECODER.raw_decode(text, at)
        at, before = _after_space(text, at), ","
    raise ValueError(f"an object with {key} was expected")


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()
