"""Lines of a zone file with their numbers, read in pieces, hashed on the way; and one entry of it as a file."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import BinaryIO, NamedTuple

from dns.tokenizer import Tokenizer

#: Octets read at a time.
CHUNK = 1 << 20

#: Octets of the longest line: more than any record can need, and a bound on what one line can make us hold.
LONGEST_LINE = 1 << 22


class Unreadable(Exception):
    """A line that is not text."""


class Place(NamedTuple):
    """A line of a file, counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Lines:
    """The lines of *file*, whose name is *name*, without their ends.

    *number*: of the last one given, from 1. *digest*: of all that has been read (BLAKE2b-256).
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.name = name
        self.number = 0
        self.digest = blake2b(digest_size=32)
        self._lines = self._read(file)

    def __iter__(self) -> Iterator[str]:
        return self._lines

    @property
    def place(self) -> Place:
        """Where the last line given stands."""
        return Place(self.name, self.number)

    def next(self) -> str | None:
        """The next line, None at the end."""
        return next(self._lines, None)

    def _read(self, file: BinaryIO) -> Iterator[str]:
        rest = b""
        while chunk := file.read(CHUNK):
            self.digest.update(chunk)
            end = chunk.rfind(b"\n") + 1
            if not end:
                rest += chunk
                if len(rest) > LONGEST_LINE:
                    self.number += 1
                    raise Unreadable(f"a line of more than {LONGEST_LINE} octets")
                continue
            yield from self._split(rest + chunk[:end])
            rest = chunk[end:]
        if rest:
            yield from self._split(rest)

    def _split(self, block: bytes) -> Iterator[str]:
        try:
            text = block.decode()
        except UnicodeDecodeError as error:
            self.number += 1 + block.count(b"\n", 0, error.start)
            raise Unreadable("octets that are not UTF-8") from None
        for line in text.replace("\r\n", "\n").removesuffix("\n").split("\n"):
            self.number += 1
            yield line


class EntryFile:
    """What a Tokenizer reads: one line, and further ones as long as parentheses or quotes are open.

    An entry of a zone file (RFC 1035 section 5.1) ends with its line unless one of those spans lines; only the
    Tokenizer knows, so it is asked at the end of each.
    """

    def __init__(self, first: str, lines: Lines) -> None:
        self._text = first + "\n"
        self._at = 0
        self._lines = lines
        self.tokenizer = Tokenizer(self, lines.name)

    def read(self, _size: int) -> str:
        """The next character, "" after the entry."""
        if self._at >= len(self._text):
            if not (self.tokenizer.multiline or self.tokenizer.quoting) or (line := self._lines.next()) is None:
                return ""
            self._text, self._at = line + "\n", 0
        self._at += 1
        return self._text[self._at - 1]
