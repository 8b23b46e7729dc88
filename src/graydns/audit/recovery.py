"""Recovery: the state of an existing log when the server starts, and the losses that have to be recorded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import islice, pairwise
from pathlib import Path

from attrs import frozen
from twisted.logger import Logger

from graydns.audit.hmac_chain import AuditHead, HmacChain, PublishedHead, head_path, load_head, parse_line_head
from graydns.audit.line_formats import HEAD_MISSING, format_missing_files, format_truncation, parse_file_start
from graydns.audit.log_files import (
    READ_BLOCK_BYTES,
    LogFilePart,
    list_full_files,
    open_log_files,
    read_first_line,
    read_lines_backwards,
)

#: Lines at the end that are checked against the key.
_KEY_CHECK_LINES = 100

_log = Logger()


@frozen
class RecoveredLog:
    """*last* line; *first* number of the file being written; *complete_from*: the number from which on no line should
    be missing. *oldest*: the number of the oldest line. *losses*: fields of lines to append about missing lines."""

    last: AuditHead
    first: int
    complete_from: int
    oldest: int
    losses: Sequence[bytes]


def recover_log(path: Path, seal: HmacChain) -> RecoveredLog:
    """Read the state of the log at *path*. Raises OSError; ValueError if the head or the key is not the log's."""
    published = load_head(path, seal)
    with open_log_files(path) as parts:
        last = next(
            (head for line in read_lines_backwards(parts) if (head := parse_line_head(line)) is not None), AuditHead()
        )
        begins = [parse_file_start(read_first_line(part), seal) for part in parts if part.size]
        if (
            last != AuditHead()
            and not any(begins)
            and not _fits_key(parts, seal)
            and not (published and published.sealed)
        ):
            raise ValueError("none of its lines fits audit.key: they were sealed with another one")
        if published is not None and not published.sealed:
            raise ValueError(f"{head_path(path).name} was altered, or sealed with another key")
        first = parse_line_head(read_first_line(parts[-1]))
        kept = next((begin.kept for begin in reversed(begins) if begin and begin.kept is not None), None)
        oldest = begins[0].number if begins and begins[0] else 1
        losses = _find_losses(parts, last, oldest, kept, published)
    return RecoveredLog(last, last.number + 1 if first is None else first.number, kept or 1, oldest, losses)


def _find_losses(
    parts: Sequence[LogFilePart], last: AuditHead, oldest: int, kept: int | None, published: PublishedHead | None
) -> list[bytes]:
    losses = []
    if oldest > (kept or 1):
        losses.append(format_missing_files(kept or 1, oldest - 1))
    if published is None:
        # The head is written before any line with a marker.
        if kept is not None:
            losses.append(HEAD_MISSING)
    elif published.head.number >= oldest and not contains_head(parts, published.head, last):
        losses.append(format_truncation(published.head))
    return losses


def contains_head(parts: Sequence[LogFilePart], head: AuditHead, last: AuditHead) -> bool:
    """Whether the line of *head* exists, or was removed with an old file. *last*: the last line."""
    if head in (last, AuditHead()) or head.number < parts[0].first:
        return True
    mark = b'{"number":%d,' % head.number
    found = (parse_line_head(line) for line in read_lines_backwards(parts, mark) if line.startswith(mark))
    return next(found, None) == head


def _fits_key(parts: Sequence[LogFilePart], seal: HmacChain) -> bool:
    for line, before in pairwise(islice(read_lines_backwards(parts), _KEY_CHECK_LINES)):
        if (head := parse_line_head(before)) is not None and seal.verify_line(head.hmac, line):
            return True
    return False


def has_sealed_lines(path: Path) -> bool:
    """Whether the log at *path* has sealed lines, with any key. Raises OSError."""
    for each in reversed(_list_existing_files(path)):
        with each.open("rb") as file:
            parts = (LogFilePart(1, file, os.fstat(file.fileno()).st_size),)
            if any(parse_line_head(line) is not None for line in read_lines_backwards(parts)):
                return True
    return False


def _list_existing_files(path: Path) -> list[Path]:
    """The files of the log that exist, oldest first."""
    if not path.parent.is_dir():
        return []
    return [each for _, each in list_full_files(path)] + [path] * path.exists()


def set_aside_unsealed_log(path: Path) -> None:
    """Rename a log without seals, from an older version, to ``<name>.older``. Raises OSError."""
    files = _list_existing_files(path)
    if head_path(path).exists() or not any(each.stat().st_size for each in files) or has_sealed_lines(path):
        return
    older, count = path.with_name(f"{path.name}.older"), 1
    while older.exists() or list_full_files(older):
        count += 1
        older = path.with_name(f"{path.name}.older{count}")
    # The current file last: after a crash in between the next start goes on.
    for each in files:
        os.rename(each, older.with_name(older.name + each.name.removeprefix(path.name)))
    _log.warn("{path}: its lines have no seal, it is now {older}", path=str(path), older=str(older))


def truncate_torn_line(path: Path, file: int) -> None:
    """Truncate an incomplete line at the end of *file*, left by a power failure; it was never confirmed. Raises
    OSError."""
    size = os.fstat(file).st_size
    keep = size
    while keep:
        start = max(0, keep - READ_BLOCK_BYTES)
        block = os.pread(file, keep - start, start)
        if (end := block.rfind(b"\n")) >= 0:
            keep = start + end + 1
            break
        keep = start
    if keep != size:
        _log.warn("{path}: cut {octets} octets of an unfinished line", path=str(path), octets=size - keep)
        os.ftruncate(file, keep)
        os.fsync(file)
