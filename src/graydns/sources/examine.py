"""Reads the files that a job names and says what is in them, frame by frame: the work of a child process.

A change of a few small files is read in the server itself instead, which is quicker than starting a child.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from gzip import GzipFile
from hashlib import blake2b
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from attrs import evolve, field, fields_dict, frozen

from graydns.config.document import Document
from graydns.config.file import read_document, reason
from graydns.config.load import anchored, zone_folder, zone_source
from graydns.config.main import Config, Settings
from graydns.config.schema import typed
from graydns.config.zone import ZoneFile, ZoneSettings
from graydns.model.errors import ConfigError, ConfigIssue
from graydns.model.policy import Rule
from graydns.sources import parsed
from graydns.sources.frames import Broken, DataRead, Frame, Listing, MainRead, RuleChunk, Services, ZoneRead
from graydns.sources.packed import CHUNK, pack
from graydns.sources.watch import stamp, zone_paths

#: Octets of a document that is kept with what it says, to find lines in; a larger one is read again if need be.
KEPT = 16 << 10

#: Octets of configuration, and of zone data, that may be read in the server itself: some ten milliseconds each.
SMALL = 16 << 10
SMALL_DATA = 32 << 10

#: Octets of all files together that may be.
SMALL_IN_ALL = 128 << 10

#: Level of compression: what is kept for a rollback should be small, and written soon.
FAST = 1


class TooLarge(Exception):
    """The job is one for a child process."""


@frozen
class Place:
    """Where a zone's data are: *source*, resolved, in *folder*. *wanted*: the path before links are followed."""

    zone: bytes
    source: Path
    folder: Path
    wanted: Path


@frozen
class Archived:
    """A zone as it once was. *raw*: its file, compressed; *data*: see DataRead."""

    raw: bytes = field(repr=False)
    data: bytes = field(repr=False)
    place: Place


@frozen
class Job:
    """What to read. *main*: the main file; None = it is as before, and its zones are below *zones*.

    *clean*: zone files that are as they were. *places*: of the data of those. *clean_data*: zone files whose data are
    as they were too, if they still name the same. *archive*, *archived_main*: read these instead of the disk.
    """

    main: Path | None
    zones: Path | None = None
    clean: frozenset[Path] = frozenset()
    places: Mapping[Path, Place] = field(factory=dict)
    clean_data: frozenset[Path] = frozenset()
    archive: Mapping[Path, Archived] | None = None
    archived_main: bytes | None = None


def examine(job: Job, *, bounded: bool) -> Iterator[Frame]:
    """Read what *job* says. Raises TooLarge if *bounded* and it is too much to be read between two queries."""
    reader = _Reader(job, bounded)
    zones = job.zones
    if job.main is not None:
        try:
            made = reader.main(job.main)
        except ConfigError as error:
            yield Broken(job.main, error.issues)
            return
        yield made
        zones = made.config.zones
    try:
        paths = list(job.archive) if job.archive is not None else [] if zones is None else zone_paths(zones)
    except OSError as error:
        yield Broken(
            Path(), (ConfigIssue(("zones",), f"{str(zones)!r} ({reason(error)})", "a readable folder, or null"),)
        )
        return
    yield Listing(tuple(paths))
    for path in paths:
        try:
            yield from reader.zone(path)
        except ConfigError as error:
            yield Broken(path, error.issues, reader.wanted)


class _Reader:
    def __init__(self, job: Job, bounded: bool) -> None:
        self._job = job
        self._left = SMALL_IN_ALL if bounded else None
        self.wanted: Path | None = None  # the data of the zone at work

    def main(self, path: Path) -> MainRead:
        """The main file. Raises ConfigError."""
        document = self._document(path, self._job.archived_main)
        settings = anchored(typed(document, Settings), path.absolute().parent)
        # A sequence is all that anybody wants of rules; the schema has to say tuple, because it is what cattrs makes.
        packed = {name: cast(tuple[Rule, ...], pack(tenant.rules)) for name, tenant in settings.tenants.items()}
        tenants = {name: evolve(tenant, rules=packed[name]) for name, tenant in settings.tenants.items()}
        values = {name: getattr(settings, name) for name in fields_dict(Settings)} | {"tenants": tenants}
        return MainRead(
            config=Config(**values, file=path.absolute(), document=_kept(document)),
            digest=_digest(document.data),
            raw=zlib.compress(document.data, FAST),
            rules={name: _digest(repr(tenant.rules).encode()) for name, tenant in settings.tenants.items()},
        )

    def zone(self, path: Path) -> Iterator[Frame]:
        """The zone file *path* and its data, as far as they are not as they were. Raises ConfigError."""
        archived = None if self._job.archive is None else self._job.archive[path]
        before = place = self._job.places.get(path)
        self.wanted = None if place is None else place.wanted
        if path not in self._job.clean:
            for frame in self._zone_file(path, archived):
                yield frame
                if isinstance(frame, ZoneRead):
                    file = frame.file
                    place = Place(file.zone, file.source_file, file.folder, frame.wanted)
        if place is None or (path in self._job.clean_data and place == before):
            return
        yield DataRead(path, self._data(place) if archived is None else archived.data)

    def _zone_file(self, path: Path, archived: Archived | None) -> Iterator[Frame]:
        folder = zone_folder(path) if archived is None else archived.place.folder
        document = self._document(path, None if archived is None else archived.raw)
        zone = typed(document, ZoneSettings)
        self.wanted = path.parent / zone.source.file
        file = ZoneFile(
            file=path,
            folder=folder,
            zone=zone.zone,
            tenant_id=zone.tenant_id,
            isolation=zone.isolation_level,
            config_version=zone.config_version,
            source_file=zone_source(zone, folder, document) if archived is None else archived.place.source,
            services={},
            rules=(),
            delegates=zone.delegates,
            document=_kept(document),
        )
        yield ZoneRead(
            path=path,
            file=file,
            digest=_digest(document.data),
            content=_content(zone),
            raw=zlib.compress(document.data, FAST),
            wanted=self.wanted,
            upstreams=frozenset(rule.then.upstream for rule in zone.rules if rule.then.upstream is not None),
        )
        services = iter(zone.services.items())
        while some := dict(islice(services, CHUNK)):
            yield Services(some)
        left = len(zone.rules)
        for chunk in pack(zone.rules).chunks:
            yield RuleChunk(chunk, min(CHUNK, left))
            left -= CHUNK

    def _document(self, path: Path, archived: bytes | None) -> Document:
        if archived is not None:
            self._spend(8 * len(archived), 8 * SMALL)
            return Document(str(path), zlib.decompress(archived))
        self._spend_file(path, SMALL)
        return read_document(path)

    def _data(self, place: Place) -> bytes:
        """The records, as ``DataRead`` has them. Raises ConfigError."""
        self._spend_file(place.source, SMALL_DATA)
        if self._left is not None and _may_grow(place.source):
            raise TooLarge
        said = parsed.parse(place.source, place.zone, place.folder)
        if said.faults:
            raise ConfigError(said.faults)
        stream = BytesIO()
        with GzipFile(fileobj=stream, mode="wb", compresslevel=FAST, mtime=0) as packed:
            parsed.write(said, cast(BinaryIO, packed))
        return stream.getvalue()

    def _spend_file(self, path: Path, most: int) -> None:
        if self._left is not None:
            found = stamp(path)
            self._spend(0 if found is None else found.size, most)

    def _spend(self, octets: int, most: int) -> None:
        if self._left is not None:
            self._left -= octets
            if octets > most or self._left < 0:
                raise TooLarge


#: What a small file needs to give many records.
_GROWING = re.compile(rb"\$(INCLUDE|GENERATE)", re.IGNORECASE)


def _may_grow(path: Path) -> bool:
    try:
        return _GROWING.search(path.read_bytes()) is not None
    except OSError:
        return False  # the reader, which is next, tells what is wrong with it


def _kept(document: Document) -> Document:
    return document if len(document.data) <= KEPT else Document(document.file, b"")


def _content(zone: ZoneSettings) -> bytes:
    """A digest of all that a zone's file means but its version."""
    meant = zone.zone, zone.tenant_id, sorted(zone.isolation_level), zone.source, zone.services, zone.rules
    return _digest(repr((*meant, zone.delegates)).encode())


def _digest(octets: bytes) -> bytes:
    return blake2b(octets, digest_size=32).digest()
