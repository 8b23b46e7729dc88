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

from graydns.config.document import Document, describe_os_error, read_document
from graydns.config.paths import read_trust_anchor_file, resolve_paths, resolve_zone_data, resolve_zone_folder
from graydns.config.schema import read_typed
from graydns.config.settings import Config, MainSettings
from graydns.config.zone_config import ZoneConfig, ZoneSettings
from graydns.model.errors import ConfigError, ConfigIssue, SourceId
from graydns.model.policy import Rule
from graydns.sources import zone_file
from graydns.sources.file_fingerprints import fingerprint_file, list_zone_configs
from graydns.sources.parser_frames import (
    RULES_PER_CHUNK,
    IssuesFrame,
    MainConfigFrame,
    ParserFrame,
    RulesFrame,
    ServicesFrame,
    ZoneConfigFrame,
    ZoneDataFrame,
    ZoneDataLocation,
    ZoneListFrame,
    pack_rules,
)

#: Octets of a document that is kept with what it says, to find lines in; a larger one is read again if need be.
MAX_RETAINED_DOCUMENT_BYTES = 16 << 10

#: Octets of configuration, and of zone data, that may be read in the server itself: some ten milliseconds each.
MAX_INLINE_CONFIG_BYTES = 16 << 10
MAX_INLINE_ZONE_BYTES = 32 << 10

#: Octets of all files together that may be.
MAX_INLINE_TOTAL_BYTES = 128 << 10

#: Level of compression: what is kept for a rollback should be small, and written soon.
COMPRESSION_LEVEL = 1


class JobTooLargeError(Exception):
    """The job is one for a child process."""


@frozen
class ArchivedZone:
    """A zone as it once was: its file, compressed, and its records as a ZoneDataFrame has them."""

    compressed_config: bytes = field(repr=False)
    compressed_rows: bytes = field(repr=False)
    location: ZoneDataLocation | None


@frozen
class ReadJob:
    """What to read. *main*: the main file; None = it is as before, and its zones are below *zones*.

    *unchanged_configs*: zone files that have not changed. *data_locations*: where their data are. *unchanged_data*:
    those whose data have not changed either, if they still name the same. *archive*, *archived_main*: read these
    instead of the disk.
    """

    main: Path | None
    zones: Path | None = None
    unchanged_configs: frozenset[Path] = frozenset()
    data_locations: Mapping[Path, ZoneDataLocation] = field(factory=dict)
    unchanged_data: frozenset[Path] = frozenset()
    archive: Mapping[Path, ArchivedZone] | None = None
    archived_main: bytes | None = None


def read_files(job: ReadJob, *, bounded: bool) -> Iterator[ParserFrame]:
    """Read what *job* says. Raises JobTooLargeError if *bounded* and it is too much to be read between two queries."""
    reader = _FileReader(job, bounded)
    zones, document = job.zones, None
    if job.main is not None:
        try:
            made = reader.read_main(job.main)
        except ConfigError as error:
            yield IssuesFrame(SourceId(str(job.main)), error.issues)
            return
        yield made
        zones, document = made.config.zones, made.config.document
    try:
        paths = list(job.archive) if job.archive is not None else [] if zones is None else list_zone_configs(zones)
    except OSError as error:
        found = f"{str(zones)!r} ({describe_os_error(error)})"
        issue = ConfigIssue(("zones",), found, "a readable folder, or null")
        yield IssuesFrame(SourceId(""), (issue if document is None else document.locate(issue),))
        return
    yield ZoneListFrame(tuple(paths))
    for path in paths:
        try:
            yield from reader.read_zone(path)
        except ConfigError as error:
            yield IssuesFrame(SourceId(str(path)), error.issues, reader.unresolved_data_path)


class _FileReader:
    def __init__(self, job: ReadJob, bounded: bool) -> None:
        self._job = job
        self._remaining_bytes = MAX_INLINE_TOTAL_BYTES if bounded else None
        self.unresolved_data_path: Path | None = None  # the data of the zone at work

    def read_main(self, path: Path) -> MainConfigFrame:
        """The main file, with the trust anchors of the file that it names. Raises ConfigError."""
        document = self._read_document(path, self._job.archived_main)
        settings = resolve_paths(read_typed(document, MainSettings), path.absolute().parent)
        if settings.dnssec.trust_anchor_file is not None:
            self._charge_file(settings.dnssec.trust_anchor_file, MAX_INLINE_CONFIG_BYTES)
        settings = evolve(settings, dnssec=read_trust_anchor_file(settings.dnssec, document))
        # A sequence is all that is needed of rules; the schema has to say tuple, because it is what cattrs makes.
        packed = {name: cast(tuple[Rule, ...], pack_rules(tenant.rules)) for name, tenant in settings.tenants.items()}
        tenants = {name: evolve(tenant, rules=packed[name]) for name, tenant in settings.tenants.items()}
        values = {name: getattr(settings, name) for name in fields_dict(MainSettings)} | {"tenants": tenants}
        return MainConfigFrame(
            config=Config(**values, file=path.absolute(), document=_without_large_data(document)),
            digest=_compute_digest(document.data),
            compressed=zlib.compress(document.data, COMPRESSION_LEVEL),
            rule_digests={
                name: _compute_digest(repr(tenant.rules).encode()) for name, tenant in settings.tenants.items()
            },
        )

    def read_zone(self, path: Path) -> Iterator[ParserFrame]:
        """The zone file *path* and its data, as far as they are not as they were. Raises ConfigError."""
        archived = None if self._job.archive is None else self._job.archive[path]
        before = place = self._job.data_locations.get(path)
        self.unresolved_data_path = None if place is None else place.unresolved_path
        if path not in self._job.unchanged_configs:
            for frame in self._read_zone_config(path, archived):
                yield frame
                if isinstance(frame, ZoneConfigFrame):
                    place = frame.data_location
        source = SourceId(str(path))
        if archived is not None:
            yield ZoneDataFrame(source, archived.compressed_rows)
        elif place is not None and not (path in self._job.unchanged_data and place == before):
            yield ZoneDataFrame(source, self._read_zone_data(place))

    def _read_zone_config(self, path: Path, archived: ArchivedZone | None) -> Iterator[ParserFrame]:
        archived_at = None if archived is None else archived.location
        folder = (
            resolve_zone_folder(path) if archived is None else path.parent if not archived_at else archived_at.folder
        )
        document = self._read_document(path, None if archived is None else archived.compressed_config)
        zone = read_typed(document, ZoneSettings)
        location = archived_at
        if zone.source.file is not None:
            self.unresolved_data_path = path.parent / zone.source.file
            data = resolve_zone_data(zone.source.file, folder, document) if archived_at is None else archived_at.path
            location = ZoneDataLocation(zone.zone, data, folder, self.unresolved_data_path)
        file = ZoneConfig(
            path=path,
            folder=folder,
            zone=zone.zone,
            tenant_id=zone.tenant_id,
            isolation=zone.isolation_level,
            config_version=zone.config_version,
            source=zone.source,
            source_file=None if location is None else location.path,
            services={},
            rules=(),
            delegates=zone.delegates,
            document=_without_large_data(document),
        )
        yield ZoneConfigFrame(
            path=path,
            config=file,
            digest=_compute_digest(document.data),
            content_digest=_compute_content_digest(zone),
            compressed=zlib.compress(document.data, COMPRESSION_LEVEL),
            data_location=location,
            upstreams=frozenset(rule.then.upstream for rule in zone.rules if rule.then.upstream is not None),
        )
        services = iter(zone.services.items())
        while some := dict(islice(services, RULES_PER_CHUNK)):
            yield ServicesFrame(some)
        left = len(zone.rules)
        for chunk in pack_rules(zone.rules).chunks:
            yield RulesFrame(chunk, min(RULES_PER_CHUNK, left))
            left -= RULES_PER_CHUNK

    def _read_document(self, path: Path, archived: bytes | None) -> Document:
        if archived is not None:
            self._charge(8 * len(archived), 8 * MAX_INLINE_CONFIG_BYTES)
            return Document(str(path), zlib.decompress(archived))
        self._charge_file(path, MAX_INLINE_CONFIG_BYTES)
        return read_document(path)

    def _read_zone_data(self, place: ZoneDataLocation) -> bytes:
        """The records, as ``ZoneDataFrame`` has them. Raises ConfigError."""
        self._charge_file(place.path, MAX_INLINE_ZONE_BYTES)
        if self._remaining_bytes is not None and _has_expanding_directive(place.path):
            raise JobTooLargeError
        said = zone_file.parse_zone(place.path, place.zone, place.folder)
        if said.issues:
            raise ConfigError(said.issues)
        stream = BytesIO()
        with GzipFile(fileobj=stream, mode="wb", compresslevel=COMPRESSION_LEVEL, mtime=0) as packed:
            zone_file.write_parsed_zone(said, cast(BinaryIO, packed))
        return stream.getvalue()

    def _charge_file(self, path: Path, most: int) -> None:
        if self._remaining_bytes is not None:
            found = fingerprint_file(path)
            self._charge(0 if found is None else found.size, most)

    def _charge(self, octets: int, most: int) -> None:
        if self._remaining_bytes is not None:
            self._remaining_bytes -= octets
            if octets > most or self._remaining_bytes < 0:
                raise JobTooLargeError


#: What a small file needs to give many records.
_EXPANDING_DIRECTIVES = re.compile(rb"\$(INCLUDE|GENERATE)", re.IGNORECASE)


def _has_expanding_directive(path: Path) -> bool:
    try:
        return _EXPANDING_DIRECTIVES.search(path.read_bytes()) is not None
    except OSError:
        return False  # the reader, which is next, tells what is wrong with it


def _without_large_data(document: Document) -> Document:
    return document if len(document.data) <= MAX_RETAINED_DOCUMENT_BYTES else Document(document.file, b"")


def _compute_content_digest(zone: ZoneSettings) -> bytes:
    """A digest of all that a zone's file means but its version."""
    meant = zone.zone, zone.tenant_id, sorted(zone.isolation_level), zone.source, zone.services, zone.rules
    return _compute_digest(repr((*meant, zone.delegates)).encode())


def _compute_digest(octets: bytes) -> bytes:
    return blake2b(octets, digest_size=32).digest()
