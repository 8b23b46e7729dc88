"""Files that survive a crash, as they were or complete. What is here blocks on the disk: call it in a thread."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeVar

ResultT = TypeVar("ResultT")


class DeferToThread(Protocol):
    """Runs a function that may block on the disk in a thread, like ``twisted.internet.threads.deferToThread``."""

    def __call__(self, call: Callable[[], ResultT], /) -> Awaitable[ResultT]:
        """What *call* returns or raises."""


def write_durably(path: Path, parts: Iterable[bytes]) -> None:
    """Replace the contents of *path* by *parts* and sync them to the disk. Raises OSError; *path* is then unchanged."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    except BaseException:
        with suppress(OSError):
            fresh.unlink()
        raise
    fsync_directory(path.parent)


def fsync_directory(folder: Path) -> None:
    """Sync the directory entries of *folder* to the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
