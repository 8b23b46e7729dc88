"""Start: what a start finds of a log that was written before, and what it has to say of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import islice, pairwise
from pathlib import Path

from attrs import frozen
from twisted.logger import Logger

from graydns.observe.audit.files import BLOCK, Part, backwards, first_line, full_files, opened
from graydns.observe.audit.heads import Published, head_path, load_head
from graydns.observe.audit.marks import HEAD_GONE, cut_off, files_gone, read_begin
from graydns.observe.audit.seal import Head, Seal, head_of

#: Lines at the end that are looked at to tell whether the key is theirs.
_TRIED = 100

_log = Logger()


@frozen
class Found:
    """*last* line; *first* number of the file being written; from *kept* on all is to be there. *oldest*: the number
    from which on there are lines, where *losses*, the fields of lines to be written, have told of those before."""

    last: Head
    first: int
    kept: int
    oldest: int
    losses: Sequence[bytes]


def find(path: Path, seal: Seal) -> Found:
    """What is there of the log at *path*. Raises OSError; ValueError if the head or the key is not the log's."""
    published = load_head(path, seal)
    with opened(path) as parts:
        last = next((told for line in backwards(parts) if (told := head_of(line)) is not None), Head())
        begins = [read_begin(first_line(part), seal) for part in parts if part.size]
        if last != Head() and not any(begins) and not _fits(parts, seal) and not (published and published.sealed):
            raise ValueError("none of its lines fits audit.key: they were sealed with another one")
        if published is not None and not published.sealed:
            raise ValueError(f"{head_path(path).name} was altered, or sealed with another key")
        first = head_of(first_line(parts[-1]))
        kept = next((begin.kept for begin in reversed(begins) if begin and begin.kept is not None), None)
        oldest = begins[0].number if begins and begins[0] else 1
        losses = _losses(parts, last, oldest, kept, published)
    return Found(last, last.number + 1 if first is None else first.number, kept or 1, oldest, losses)


def _losses(
    parts: Sequence[Part], last: Head, oldest: int, kept: int | None, published: Published | None
) -> list[bytes]:
    losses = []
    if oldest > (kept or 1):
        losses.append(files_gone(kept or 1, oldest - 1))
    if published is None:
        # It is there before any line with a mark is.
        if kept is not None:
            losses.append(HEAD_GONE)
    elif published.head.number >= oldest and not has(parts, published.head, last):
        losses.append(cut_off(published.head))
    return losses


def has(parts: Sequence[Part], head: Head, last: Head) -> bool:
    """Whether the line that *head* speaks of is there, or went with an old file. *last*: the last line."""
    if head in (last, Head()) or head.number < parts[0].first:
        return True
    mark = b'{"number":%d,' % head.number
    found = (head_of(line) for line in backwards(parts, mark) if line.startswith(mark))
    return next(found, None) == head


def _fits(parts: Sequence[Part], seal: Seal) -> bool:
    for line, before in pairwise(islice(backwards(parts), _TRIED)):
        if (head := head_of(before)) is not None and seal.holds(head.hmac, line):
            return True
    return False


def has_sealed(path: Path) -> bool:
    """Whether there are lines that were sealed in the log at *path*, with whatever key. Raises OSError."""
    for each in reversed(_files(path)):
        with each.open("rb") as file:
            parts = (Part(1, file, os.fstat(file.fileno()).st_size),)
            if any(head_of(line) is not None for line in backwards(parts)):
                return True
    return False


def _files(path: Path) -> list[Path]:
    """Those that there are, oldest first."""
    if not path.parent.is_dir():
        return []
    return [each for _, each in full_files(path)] + [path] * path.exists()


def put_older_aside(path: Path) -> None:
    """Rename a log in which no line has a seal, from a version that had none, to ``<name>.older``. Raises OSError."""
    files = _files(path)
    if head_path(path).exists() or not any(each.stat().st_size for each in files) or has_sealed(path):
        return
    older, count = path.with_name(f"{path.name}.older"), 1
    while older.exists() or full_files(older):
        count += 1
        older = path.with_name(f"{path.name}.older{count}")
    # The one being written last: after a crash in between the next start goes on.
    for each in files:
        os.rename(each, older.with_name(older.name + each.name.removeprefix(path.name)))
    _log.warn("{path}: its lines have no seal, it is now {older}", path=str(path), older=str(older))


def cut_torn_line(path: Path, file: int) -> None:
    """Drop what a power failure left at the end of *file* of a line that never counted. Raises OSError."""
    size = os.fstat(file).st_size
    keep = size
    while keep:
        start = max(0, keep - BLOCK)
        block = os.pread(file, keep - start, start)
        if (end := block.rfind(b"\n")) >= 0:
            keep = start + end + 1
            break
        keep = start
    if keep != size:
        _log.warn("{path}: cut {octets} octets of an unfinished line", path=str(path), octets=size - keep)
        os.ftruncate(file, keep)
        os.fsync(file)
