"""Pages: replies in pieces that Perspective Broker can carry, made while they are asked for.

A reply is JSON, cut anywhere; the client joins the pieces. Perspective Broker would take about 5 µs for every value of
a reply on either side, and ends a connection over 640 KiB; a page of text costs it next to nothing, and making one page
takes a few milliseconds however large the reply.

Incoming: a text that a client sends in several calls, as one request is small (``broker.AdminLimits``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import count

from attrs import define, field

from graydns.admin.pb_security import AdminRefusedError, PlainValue

#: Octets of a page.
MAX_PAGE_BYTES = 64 << 10

#: Replies of one connection that are not fetched to their end; the oldest gives way.
MAX_OPEN_REPLIES = 2

#: Containers up to this size, with nothing but scalars in them, are encoded in one go.
_MAX_SMALL_CONTAINER_ITEMS = 256
_SCALAR_TYPES = (str, int, float, bool, type(None))
_encode = json.JSONEncoder(ensure_ascii=True, allow_nan=False).encode

#: What the client gets: a piece, and what to ask the next one with, None after the last.
ReplyPage = tuple[bytes, int | None]


@define(eq=False)
class ReplyPages:
    """The replies of one connection."""

    _open: dict[int, PagedReply] = field(init=False, factory=dict)
    _numbers: Iterator[int] = field(init=False, factory=lambda: count(1))

    def start(self, value: PlainValue) -> ReplyPage:
        """The first page of *value*."""
        reply = PagedReply(iterencode_json(value))
        page = reply.next_page()
        if reply.is_finished:
            return page, None
        if len(self._open) >= MAX_OPEN_REPLIES:
            del self._open[next(iter(self._open))]
        number = next(self._numbers)
        self._open[number] = reply
        return page, number

    def next_page(self, cursor: int) -> ReplyPage:
        """The page that follows the one that came with *cursor*."""
        if (reply := self._open.get(cursor)) is None:
            raise AdminRefusedError("the rest of that reply is gone; ask again")
        page = reply.next_page()
        if reply.is_finished:
            del self._open[cursor]
        return page, None if reply.is_finished else cursor


class PagedReply:
    """One reply on its way out. *ended*: nothing is left."""

    def __init__(self, parts: Iterator[str]) -> None:
        self._parts = parts
        self._rest = b""
        self.is_finished = False

    def next_page(self) -> bytes:
        """The next PAGE octets, or what is left."""
        gathered = [self._rest]
        size = len(self._rest)
        while size <= MAX_PAGE_BYTES and (part := next(self._parts, None)) is not None:
            gathered.append(part.encode("ascii"))
            size += len(part)
        text = b"".join(gathered)
        self._rest = text[MAX_PAGE_BYTES:]
        self.is_finished = not self._rest
        return text[:MAX_PAGE_BYTES]


def iterencode_json(value: PlainValue) -> Iterator[str]:
    """*value* as JSON, bit by bit. Raises TypeError or ValueError for what JSON cannot say."""
    if isinstance(value, dict) and not _is_small(value.values()):
        yield from _iterencode_dict(value)
    elif isinstance(value, list | tuple) and not _is_small(value):
        yield from _iterencode_list(value)
    else:
        yield _encode(value)


def _iterencode_dict(value: dict[str, PlainValue]) -> Iterator[str]:
    lead = "{"
    for key, each in value.items():
        if not isinstance(key, str):
            raise TypeError(f"keys are texts, not {key!r}")
        yield f"{lead}{_encode(key)}: "
        yield from iterencode_json(each)
        lead = ", "
    yield "}"


def _iterencode_list(value: list[PlainValue] | tuple[PlainValue, ...]) -> Iterator[str]:
    lead = "["
    for each in value:
        yield lead
        yield from iterencode_json(each)
        lead = ", "
    yield "]"


def _is_small(values: PlainValue) -> bool:
    return len(values) <= _MAX_SMALL_CONTAINER_ITEMS and all(type(each) in _SCALAR_TYPES for each in values)


#: Characters of a text. A policy that Consul takes in one transaction is shorter.
MAX_UPLOAD_CHARACTERS = 512 << 10


@define(eq=False)
class TextUpload:
    """The one text of a connection that is on its way."""

    _parts: list[str] = field(init=False, factory=list)
    _size: int = field(init=False, default=0)

    def append(self, parts: Iterable[str], first: bool) -> PlainValue:
        """Put *parts* behind what is there, or with *first* in its place; the characters that are there now.

        Raises AdminRefusedError past MOST, and then nothing is there.
        """
        if first:
            self.take()
        self._parts += parts
        self._size = sum(map(len, self._parts))
        if self._size > MAX_UPLOAD_CHARACTERS:
            self.take()
            raise AdminRefusedError(f"more than {MAX_UPLOAD_CHARACTERS} characters")
        return {"characters": self._size}

    def take(self) -> str:
        """The whole text, which is gone then."""
        text = "".join(self._parts)
        self._parts, self._size = [], 0
        return text
