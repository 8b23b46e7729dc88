"""The files of the audit log.

::

    audit.jsonl.0000000001    full; named for the number of its first line
    audit.jsonl.0000000714    full; its first line has the HMAC of the last one of the file before
    audit.jsonl               being written

Retention: which full files stay. Nothing is removed before a line in the chain says that it may be.

The first line of each file tells the oldest line that was kept when it was written (``marks.kept``); so whoever removes
a file that is to be kept, and has not the key, is found by the chain alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import BinaryIO

from attrs import define, field, frozen

from graydns.audit.hmac_chain import HmacChain
from graydns.audit.line_formats import LogFileStart, format_missing_files, kept, parse_file_start

#: Octets read at a time from the end of a file.
READ_BLOCK_BYTES = 65_536


@frozen
class LogFilePart:
    """One file: the number of its *first* line, and its first *size* octets."""

    first: int
    file: BinaryIO
    size: int


def list_full_files(path: Path) -> list[tuple[int, Path]]:
    """Those of the log at *path*, oldest first, each with the number of its first line."""
    named = ((each.name.removeprefix(f"{path.name}."), each) for each in path.parent.iterdir())
    return sorted((int(number), each) for number, each in named if number.isascii() and number.isdecimal())


@contextmanager
def open_log_files(path: Path, lock: AbstractContextManager[object] | None = None) -> Iterator[Sequence[LogFilePart]]:
    """All files as they are at one moment, while *lock* is held, oldest first; never none. Raises OSError."""
    with ExitStack() as stack:
        with lock or nullcontext():
            files = [(first, stack.enter_context(each.open("rb"))) for first, each in list_full_files(path)]
            files.append((1, stack.enter_context(path.open("rb"))))
            parts = [LogFilePart(first, file, os.fstat(file.fileno()).st_size) for first, file in files]
        yield parts


def read_first_line(part: LogFilePart) -> bytes:
    """Its first line, without a newline; empty if there is none."""
    part.file.seek(0)
    return part.file.readline(part.size).rstrip(b"\n")


def read_lines(parts: Sequence[LogFilePart]) -> Iterator[tuple[bytes, bool]]:
    """The lines, each with its newline, and whether it is the first of its file."""
    for part in parts:
        part.file.seek(0)
        left, first = part.size, True
        while left and (line := part.file.readline(left)):
            left -= len(line)
            yield line, first
            first = False


def read_lines_backwards(parts: Sequence[LogFilePart], mark: bytes = b"") -> Iterator[bytes]:
    """The lines with *mark* in them, the last one first, without their newlines.

    Blocks without *mark* are passed over whole, so the few lines of changes are found quickly among millions.
    """
    for part in reversed(parts):
        position, rest = part.size, b""
        while position:
            start = max(0, position - READ_BLOCK_BYTES)
            rest = os.pread(part.file.fileno(), position - start, start) + rest
            position = start
            if mark not in rest:
                # What is left of the line that begins in the block before.
                rest = rest.split(b"\n", 1)[0]
                continue
            first, *lines = rest.split(b"\n")
            yield from (line for line in reversed(lines) if line and mark in line)
            rest = first
        if rest and mark in rest:
            yield rest


@define
class LogRetention:
    """Of the log at *path*: *keep* full files. *since*: from this line on all is there, or a line tells what is not."""

    path: Path
    seal: HmacChain = field(repr=False)
    keep: Callable[[], int] = field(repr=False)
    complete_from: int

    def start_file(self, fields: bytes, number: int) -> tuple[int, list[bytes]]:
        """What ``since`` is once the first line, number *number*, of a new file is written, which would have *fields*,
        and the fields of the lines to write, with the mark. Raises OSError.
        """
        files = [path for _, path in list_full_files(self.path)]
        oldest, stays = (
            (self._read_start(files[0]), self._read_start(files[-self.keep() :][0])) if files else (None, None)
        )
        first = number if not files else self.complete_from if oldest is None else oldest.number
        # A file that is not as it was written says nothing: ``verify`` tells of it for as long as it is there.
        since = max(self.complete_from, first if stays is None or stays.kept is None else stays.number)
        lines = [fields]
        if first > self.complete_from:
            lines.insert(0, format_missing_files(self.complete_from, first - 1))
        lines[0] = kept(since, lines[0])
        return since, lines

    def remove_old_files(self) -> None:
        """Remove full files past those that are kept, the oldest first. What cannot be removed stays, and what is
        younger, so that there is no gap."""
        with suppress(OSError):
            for _, path in list_full_files(self.path)[: -self.keep()]:
                path.unlink()

    def _read_start(self, path: Path) -> LogFileStart | None:
        with path.open("rb") as file:
            return parse_file_start(file.readline().rstrip(b"\n"), self.seal)
