"""Large replies and large texts, in parts that Perspective Broker can carry.

A reply is JSON, split into pages at any character; the client joins them. A page is made when the client asks for it,
which takes a few milliseconds however large the reply is. Perspective Broker itself would need about 5 µs for every
value of a reply on either side, and closes a connection that sends more than 640 KiB.

A text that is longer than a request, a release policy, is sent in several calls and joined by TextUpload.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import count

from attrs import define, field

from graydns.admin.pb_security import AdminRefusedError, PlainValue
from graydns.operations.operation import MAX_UPLOAD_CHARACTERS

#: Bytes of a page.
MAX_PAGE_BYTES = 64 << 10

#: Replies of one connection whose last page has not been sent; past that the oldest is dropped.
MAX_OPEN_REPLIES = 2

#: Items of a list or dict of scalars that is encoded in one step.
_MAX_SMALL_CONTAINER_ITEMS = 256
_SCALAR_TYPES = (str, int, float, bool, type(None))
_encode = json.JSONEncoder(ensure_ascii=True, allow_nan=False).encode

#: A page, and the cursor with which the client asks for the next one; None after the last.
ReplyPage = tuple[bytes, int | None]


@define(eq=False)
class ReplyPages:
    """The replies of one connection that are being sent."""

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
        """The page after the one sent with *cursor*. Raises AdminRefusedError if the reply was dropped."""
        if (reply := self._open.get(cursor)) is None:
            raise AdminRefusedError("the rest of that reply is gone; ask again")
        page = reply.next_page()
        if reply.is_finished:
            del self._open[cursor]
        return page, None if reply.is_finished else cursor


class PagedReply:
    """One reply that is being sent. *is_finished*: its last page has been made."""

    def __init__(self, parts: Iterator[str]) -> None:
        self._parts = parts
        self._rest = b""
        self.is_finished = False

    def next_page(self) -> bytes:
        """The next MAX_PAGE_BYTES, or the rest."""
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
    """*value* as JSON, in parts. Raises TypeError or ValueError for values that JSON does not have."""
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


@define(eq=False)
class TextUpload:
    """The text that a connection is sending in parts."""

    _parts: list[str] = field(init=False, factory=list)
    _size: int = field(init=False, default=0)

    def append(self, parts: Iterable[str], first: bool) -> PlainValue:
        """Append *parts*, or with *first* begin a new text with them. Returns the number of characters so far.

        Raises AdminRefusedError past MAX_UPLOAD_CHARACTERS; the text is then empty.
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
        """Return the text, and begin a new one."""
        text = "".join(self._parts)
        self._parts, self._size = [], 0
        return text
