"""Frames: what was read of the files, a piece at a time, none of which takes long to take in.

Every frame is a small value that pickles well: a child process sends them to its parent, and a small change is read
in the server itself by the very same code.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from struct import Struct
from typing import Any, BinaryIO, TypeAlias

from attrs import field, frozen

from graydns.config.main import Config
from graydns.config.zone import ZoneFile
from graydns.model.errors import ConfigIssue
from graydns.model.policy import ServicePolicy

_SIZE = Struct(">I")


@frozen
class MainRead:
    """The main file. *config*: its tenants' rules are packed. *digest*: of the *raw* octets, which are compressed.

    *rules*: digests of the tenants' own rules.
    """

    config: Config
    digest: bytes
    raw: bytes = field(repr=False)
    rules: Mapping[str, bytes]


@frozen
class ZoneRead:
    """A zone's file; its services and rules follow.

    *path*: as it was found. *content*: digest of all that the file means. *wanted*: the path of the zone data before
    links are followed. *upstreams*: those that rules name.
    """

    path: Path
    file: ZoneFile
    digest: bytes
    content: bytes
    raw: bytes = field(repr=False)
    wanted: Path
    upstreams: frozenset[str]


@frozen
class Services:
    """Some of the services of the zone's file that was last."""

    services: Mapping[bytes, ServicePolicy]


@frozen
class RuleChunk:
    """Some of its rules, as ``packed`` has them."""

    chunk: bytes
    size: int


@frozen
class DataRead:
    """The data of the zone whose file is *path*: ``parsed.write``'s stream, compressed."""

    path: Path
    stream: bytes = field(repr=False)


@frozen
class Broken:
    """What is wrong with the zone's file *path* or its data, which should be at *wanted*, or with the main file."""

    path: Path
    faults: tuple[ConfigIssue, ...]
    wanted: Path | None = None


@frozen
class Listing:
    """The zone files that there are, in the order in which they are reported; comes before any of them."""

    paths: tuple[Path, ...]


Frame: TypeAlias = MainRead | Listing | ZoneRead | Services | RuleChunk | DataRead | Broken


def write(frame: object, out: BinaryIO) -> None:
    """Send one frame."""
    octets = pickle.dumps(frame, pickle.HIGHEST_PROTOCOL)
    out.write(_SIZE.pack(len(octets)))
    out.write(octets)


def read(source: BinaryIO) -> Iterator[Any]:
    """The frames of a process that we started, one by one; raises EOFError if it ended in the middle of one."""
    while size := source.read(_SIZE.size):
        octets = source.read(length := int.from_bytes(size, "big"))
        if len(octets) < length:
            raise EOFError("half a frame")
        yield pickle.loads(octets)
