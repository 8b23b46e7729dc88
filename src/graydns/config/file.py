"""Reads the files that users write, and nothing else that may be found under their names."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from graydns.config.document import Document
from graydns.model.errors import ConfigError, ConfigIssue

#: Octets of a configuration file.
MOST_OCTETS = 64 << 20


def read_document(path: Path) -> Document:
    """The file at *path*; raises ConfigError if it is missing, unreadable, too large or not a regular file."""
    try:
        data = read_regular(path)
    except (OSError, ValueError) as error:
        raise ConfigError([ConfigIssue((), reason(error), "a readable file", str(path))]) from None
    if len(data) > MOST_OCTETS:
        raise ConfigError([ConfigIssue((), "a larger file", f"at most {MOST_OCTETS >> 20} MiB", str(path))])
    return Document(str(path), data)


def read_regular(path: Path) -> bytes:
    """The bytes of a regular file, at most one more than allowed; raises OSError, ValueError.

    Opened without blocking, so that a FIFO of that name cannot hold up a start or a reload.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("something else than a regular file")
        return file.read(MOST_OCTETS + 1)


def reason(error: Exception) -> str:
    """Why a file could not be read, for people."""
    text = error.strerror if isinstance(error, OSError) else str(error)
    return (text or type(error).__name__).lower()


def resolve_inside(path: Path, folder: Path) -> Path:
    """*path*, links followed, if it is an existing regular file inside *folder* (resolved); raises ValueError."""
    try:
        resolved = path.resolve(strict=True)
        regular = resolved.is_file()
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(f"{str(path)!r} ({reason(error)})") from None
    if not resolved.is_relative_to(folder):
        raise ValueError(f"{str(path)!r}, which leads out of {str(folder)!r}")
    if not regular:
        raise ValueError(f"{str(path)!r}, which is not a regular file")
    return resolved
