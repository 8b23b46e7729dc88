"""Pages: replies in pieces that Perspective Broker can carry, made while they are asked for.

A reply is JSON, cut anywhere; the client joins the pieces. Perspective Broker would take about 5 µs for every value of
a reply on either side, and ends a connection over 640 KiB; a page of text costs it next to nothing, and making one page
takes a few milliseconds however large the reply.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count

from attrs import define, field

from graydns.admin.control import Plain
from graydns.admin.security import Refused

#: Octets of a page.
PAGE = 64 << 10

#: Replies of one connection that are not fetched to their end; the oldest gives way.
UNFINISHED = 2

#: Containers up to this size, with nothing but scalars in them, are encoded in one go.
_SMALL = 256
_SCALARS = (str, int, float, bool, type(None))
_encode = json.JSONEncoder(ensure_ascii=True, allow_nan=False).encode

#: What the client gets: a piece, and what to ask the next one with, None after the last.
Page = tuple[bytes, int | None]


@define(eq=False)
class Pages:
    """The replies of one connection."""

    _open: dict[int, Reply] = field(init=False, factory=dict)
    _numbers: Iterator[int] = field(init=False, factory=lambda: count(1))

    def first(self, value: Plain) -> Page:
        """The first page of *value*."""
        reply = Reply(pieces(value))
        page = reply.page()
        if reply.ended:
            return page, None
        if len(self._open) >= UNFINISHED:
            del self._open[next(iter(self._open))]
        number = next(self._numbers)
        self._open[number] = reply
        return page, number

    def more(self, cursor: int) -> Page:
        """The page that follows the one that came with *cursor*."""
        if (reply := self._open.get(cursor)) is None:
            raise Refused("the rest of that reply is gone; ask again")
        page = reply.page()
        if reply.ended:
            del self._open[cursor]
        return page, None if reply.ended else cursor


class Reply:
    """One reply on its way out. *ended*: nothing is left."""

    def __init__(self, parts: Iterator[str]) -> None:
        self._parts = parts
        self._rest = b""
        self.ended = False

    def page(self) -> bytes:
        """The next PAGE octets, or what is left."""
        gathered = [self._rest]
        size = len(self._rest)
        while size <= PAGE and (part := next(self._parts, None)) is not None:
            gathered.append(part.encode("ascii"))
            size += len(part)
        text = b"".join(gathered)
        self._rest = text[PAGE:]
        self.ended = not self._rest
        return text[:PAGE]


def pieces(value: Plain) -> Iterator[str]:
    """*value* as JSON, bit by bit. Raises TypeError or ValueError for what JSON cannot say."""
    if isinstance(value, dict) and not _is_small(value.values()):
        yield from _dict_pieces(value)
    elif isinstance(value, list | tuple) and not _is_small(value):
        yield from _list_pieces(value)
    else:
        yield _encode(value)


def _dict_pieces(value: dict[str, Plain]) -> Iterator[str]:
    lead = "{"
    for key, each in value.items():
        if not isinstance(key, str):
            raise TypeError(f"keys are texts, not {key!r}")
        yield f"{lead}{_encode(key)}: "
        yield from pieces(each)
        lead = ", "
    yield "}"


def _list_pieces(value: list[Plain] | tuple[Plain, ...]) -> Iterator[str]:
    lead = "["
    for each in value:
        yield lead
        yield from pieces(each)
        lead = ", "
    yield "]"


def _is_small(values: Plain) -> bool:
    return len(values) <= _SMALL and all(type(each) in _SCALARS for each in values)
