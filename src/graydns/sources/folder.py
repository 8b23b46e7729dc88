"""Opening the files of one zone: nothing outside the zone's folder, whatever links say."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO


class Outside(Exception):
    """A path that leads out of the zone's folder, or to something other than a regular file."""


def open_inside(folder: Path, path: str | Path) -> tuple[BinaryIO, Path]:
    """Open the regular file *path* (relative to *folder*) for reading; also returns where it really is.

    Symbolic links are followed as long as they stay in *folder*. What they resolve to is then opened one component
    at a time without following links, so that nobody who can write there swaps one in between.
    Raises Outside and OSError.
    """
    root = folder.resolve(strict=True)
    target = (root / path).resolve(strict=True)
    if not target.is_relative_to(root):
        raise Outside("a file outside the zone's folder")
    descriptor = _descend(root, target.relative_to(root).parts)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Outside("not a regular file")
    return open(descriptor, "rb"), target


def _descend(root: Path, parts: tuple[str, ...]) -> int:
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
