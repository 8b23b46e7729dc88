"""Fingerprints of files, made of metadata alone: whether anything that was read may have changed since.

A file is the same as long as its resolved path, inode, size and times are; so the swap of a link above it (the
``..data`` of a Kubernetes volume) is a change, whatever became of the file behind the old one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from graydns.model.errors import ConfigError, ConfigIssue
from graydns.runtime.slices import run_in_slices
from graydns.runtime.timing import Clock, sleep

ZONE_CONFIG_NAME = "zone-config.yaml"

#: Seconds between two looks that must agree. Longer than a tick of the clock that file systems take times from, so
#: that whatever is written after a look that counts has another time.
SETTLE_SECONDS = 0.04

#: Looks after which a file that goes on changing is given up, until the next poll.
MAX_SETTLE_ATTEMPTS = 50


class FileFingerprint(NamedTuple):
    """What tells that a file is still the same; times in nanoseconds."""

    resolved: str
    device: int
    inode: int
    size: int
    modified: int
    changed: int


#: By the path under which a file was wanted; None = there is no such file.
FileFingerprints = Mapping[Path, FileFingerprint | None]


def fingerprint_file(path: Path) -> FileFingerprint | None:
    """The stamp of *path*, None if nothing can be read there."""
    try:
        resolved = os.path.realpath(path, strict=True)
        status = os.stat(resolved)
    except OSError:
        return None
    return FileFingerprint(
        resolved, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    )


def look(paths: Iterable[Path], zones: Path | None) -> Generator[None, None, FileFingerprints]:
    """Stamps of *paths* and of every zone's file below *zones*, in small steps."""
    seen: dict[Path, FileFingerprint | None] = {}
    for path in (*paths, *(() if zones is None else _list_existing_zone_configs(zones))):
        if path not in seen:
            seen[path] = fingerprint_file(path)
            yield
    return seen


def list_zone_configs(zones: Path) -> list[Path]:
    """Every ``zone-config.yaml`` one level below *zones* by folder name, hidden folders left out. Raises OSError."""
    names = sorted(entry.name for entry in os.scandir(zones) if entry.is_dir() and not entry.name.startswith("."))
    return [path for name in names if os.path.lexists(path := zones / name / ZONE_CONFIG_NAME)]


async def wait_until_stable(
    clock: Clock, take: Callable[[], Generator[None, None, FileFingerprints]]
) -> FileFingerprints:
    """A look that the next one agreed with. Raises ConfigError naming a file that does not come to rest."""
    last = await run_in_slices(clock, take())
    for _ in range(MAX_SETTLE_ATTEMPTS):
        await sleep(clock, SETTLE_SECONDS)
        now = await run_in_slices(clock, take())
        if now == last:
            return now
        last, before = now, last
    restless = next(path for path in {**before, **last} if before.get(path) != last.get(path))
    raise ConfigError([ConfigIssue((), "a file that goes on changing", "one that is complete", str(restless))])


def _list_existing_zone_configs(zones: Path) -> list[Path]:
    try:
        return list_zone_configs(zones)
    except OSError:
        return []
