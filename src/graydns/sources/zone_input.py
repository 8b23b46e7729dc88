"""Lines of a zone file with their numbers, read in pieces, hashed on the way; and one entry of it as a file.

Opening the files of one zone: nothing outside the zone's folder, whatever links say.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, NamedTuple

from dns.tokenizer import Tokenizer

#: Octets read at a time.
READ_CHUNK_BYTES = 1 << 20

#: Octets of the longest line: more than any record can need, and a bound on what one line can make us hold.
MAX_LINE_BYTES = 1 << 22


class UnreadableLineError(Exception):
    """A line that is not text."""


class LineLocation(NamedTuple):
    """A line of a file, counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class ZoneFileLines:
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
    def location(self) -> LineLocation:
        """Where the last line given stands."""
        return LineLocation(self.name, self.number)

    def next_line(self) -> str | None:
        """The next line, None at the end."""
        return next(self._lines, None)

    def _read(self, file: BinaryIO) -> Iterator[str]:
        rest = b""
        while chunk := file.read(READ_CHUNK_BYTES):
            self.digest.update(chunk)
            end = chunk.rfind(b"\n") + 1
            if not end:
                rest += chunk
                if len(rest) > MAX_LINE_BYTES:
                    self.number += 1
                    raise UnreadableLineError(f"a line of more than {MAX_LINE_BYTES} octets")
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
            raise UnreadableLineError("octets that are not UTF-8") from None
        for line in text.replace("\r\n", "\n").removesuffix("\n").split("\n"):
            self.number += 1
            yield line


class EntryInput:
    """What a Tokenizer reads: one line, and further ones as long as parentheses or quotes are open.

    An entry of a zone file (RFC 1035 section 5.1) ends with its line unless one of those spans lines; only the
    Tokenizer knows, so it is asked at the end of each.
    """

    def __init__(self, first: str, lines: ZoneFileLines) -> None:
        self._text = first + "\n"
        self._at = 0
        self._lines = lines
        self.tokenizer = Tokenizer(self, lines.name)

    def read(self, _size: int) -> str:
        """The next character, "" after the entry."""
        if self._at >= len(self._text):
            if not (self.tokenizer.multiline or self.tokenizer.quoting) or (line := self._lines.next_line()) is None:
                return ""
            self._text, self._at = line + "\n", 0
        self._at += 1
        return self._text[self._at - 1]


class OutsideFolderError(Exception):
    """A path that leads out of the zone's folder, or to something other than a regular file."""


def open_inside(folder: Path, path: str | Path) -> tuple[BinaryIO, Path]:
    """Open the regular file *path* (relative to *folder*) for reading; also returns where it really is.

    Symbolic links are followed as long as they stay in *folder*. What they resolve to is then opened one component
    at a time without following links, so that none can be replaced in between.
    Raises OutsideFolderError and OSError.
    """
    root = folder.resolve(strict=True)
    target = (root / path).resolve(strict=True)
    if not target.is_relative_to(root):
        raise OutsideFolderError("a file outside the zone's folder")
    descriptor = _open_without_links(root, target.relative_to(root).parts)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OutsideFolderError("not a regular file")
    return open(descriptor, "rb"), target


def _open_without_links(root: Path, parts: tuple[str, ...]) -> int:
    """A descriptor for the file reached from *root* by *parts*, none of which may be a link. Raises OSError."""
    at = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    for part in parts:
        above = at
        try:
            # O_NONBLOCK: opening a pipe must not wait for a writer.
            at = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=above)
        finally:
            os.close(above)
    return at
