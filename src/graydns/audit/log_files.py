"""The files of the audit log.

::

    audit.jsonl.0000000001    full; named for the number of its first line
    audit.jsonl.0000000714    full; its first line has the HMAC of the last one of the file before
    audit.jsonl               being written

Retention: full files are removed only after a line in the chain says that they may be. The first line of each file has
the number of the oldest line that was kept when it was written, so the chain alone reveals the removal of other files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import BinaryIO

from attrs import define, field, frozen

from graydns.audit.hmac_chain import HmacChain
from graydns.audit.line_formats import LogFileStart, format_kept_marker, format_missing_files, parse_file_start

#: Octets read at a time from the end of a file.
READ_BLOCK_BYTES = 65_536


@frozen
class LogFilePart:
    """One file: the number of its *first* line, and its first *size* octets."""

    first: int
    file: BinaryIO
    size: int


def list_full_files(path: Path) -> list[tuple[int, Path]]:
    """The full files of the log at *path*, oldest first, each with the number of its first line."""
    named = ((each.name.removeprefix(f"{path.name}."), each) for each in path.parent.iterdir())
    return sorted((int(number), each) for number, each in named if number.isascii() and number.isdecimal())


@contextmanager
def open_log_files(path: Path, lock: AbstractContextManager[object] | None = None) -> Iterator[Sequence[LogFilePart]]:
    """Open all files, oldest first, in their state while *lock* is held. Raises OSError."""
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

    Blocks without *mark* are skipped whole, so the few lines of changes are found quickly among millions.
    """
    for part in reversed(parts):
        position, rest = part.size, b""
        while position:
            start = max(0, position - READ_BLOCK_BYTES)
            rest = os.pread(part.file.fileno(), position - start, start) + rest
            position = start
            if mark not in rest:
                # The end of the line that begins in the block before.
                rest = rest.split(b"\n", 1)[0]
                continue
            first, *lines = rest.split(b"\n")
            yield from (line for line in reversed(lines) if line and mark in line)
            rest = first
        if rest and mark in rest:
            yield rest


@define
class LogRetention:
    """Keeps *keep* full files of the log at *path*. *complete_from*: from this line on the log is complete, or a line
    says what is missing."""

    path: Path
    seal: HmacChain = field(repr=False)
    keep: Callable[[], int] = field(repr=False)
    complete_from: int

    def start_file(self, fields: bytes, number: int) -> tuple[int, list[bytes]]:
        """Begin a new file with line *number*, which would have *fields*. Raises OSError.

        Returns what ``complete_from`` is once it is written, and the fields of the lines to write, with the marker.
        """
        files = [path for _, path in list_full_files(self.path)]
        oldest, stays = (
            (self._read_start(files[0]), self._read_start(files[-self.keep() :][0])) if files else (None, None)
        )
        first = number if not files else self.complete_from if oldest is None else oldest.number
        # The marker of an altered file is ignored: verification reports the file as long as it exists.
        since = max(self.complete_from, first if stays is None or stays.kept is None else stays.number)
        lines = [fields]
        if first > self.complete_from:
            lines.insert(0, format_missing_files(self.complete_from, first - 1))
        lines[0] = format_kept_marker(since, lines[0])
        return since, lines

    def remove_old_files(self) -> None:
        """Remove full files over the limit, the oldest first; stop at one that cannot be removed, so that there is no
        gap."""
        with suppress(OSError):
            for _, path in list_full_files(self.path)[: -self.keep()]:
                path.unlink()

    def _read_start(self, path: Path) -> LogFileStart | None:
        with path.open("rb") as file:
            return parse_file_start(file.readline().rstrip(b"\n"), self.seal)
