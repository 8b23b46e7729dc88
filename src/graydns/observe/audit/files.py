"""The files of the audit log.

::

    audit.jsonl.0000000001    full; named for the number of its first line
    audit.jsonl.0000000714    full; its first line has the HMAC of the last one of the file before
    audit.jsonl               being written
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from attrs import frozen

#: Octets read at a time from the end of a file.
BLOCK = 65_536


@frozen
class Part:
    """One file: the number of its *first* line, and its first *size* octets."""

    first: int
    file: BinaryIO
    size: int


def full_files(path: Path) -> list[tuple[int, Path]]:
    """Those of the log at *path*, oldest first, each with the number of its first line."""
    named = ((each.name.removeprefix(f"{path.name}."), each) for each in path.parent.iterdir())
    return sorted((int(number), each) for number, each in named if number.isascii() and number.isdecimal())


@contextmanager
def opened(path: Path, lock: AbstractContextManager[object] | None = None) -> Iterator[Sequence[Part]]:
    """All files as they are at one moment, while *lock* is held, oldest first; never none. Raises OSError."""
    with ExitStack() as stack:
        with lock or nullcontext():
            files = [(first, stack.enter_context(each.open("rb"))) for first, each in full_files(path)]
            files.append((1, stack.enter_context(path.open("rb"))))
            parts = [Part(first, file, os.fstat(file.fileno()).st_size) for first, file in files]
        yield parts


def first_line(part: Part) -> bytes:
    """Its first line, without a newline; empty if there is none."""
    part.file.seek(0)
    return part.file.readline(part.size).rstrip(b"\n")


def forwards(parts: Sequence[Part]) -> Iterator[tuple[bytes, bool]]:
    """The lines, each with its newline, and whether it is the first of its file."""
    for part in parts:
        part.file.seek(0)
        left, first = part.size, True
        while left and (line := part.file.readline(left)):
            left -= len(line)
            yield line, first
            first = False


def backwards(parts: Sequence[Part], mark: bytes = b"") -> Iterator[bytes]:
    """The lines with *mark* in them, the last one first, without their newlines.

    Blocks without *mark* are passed over whole, so the few lines of changes are found quickly among millions.
    """
    for part in reversed(parts):
        position, rest = part.size, b""
        while position:
            start = max(0, position - BLOCK)
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
