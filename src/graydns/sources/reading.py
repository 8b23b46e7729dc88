"""Reading: all that was read of the files, put together from frames; what did not change stays the same object."""

from __future__ import annotations

import gzip
from collections.abc import Generator, Iterable, Iterator, Mapping
from hashlib import blake2b
from io import BufferedReader, BytesIO, RawIOBase
from pathlib import Path
from typing import BinaryIO, cast

from attrs import define, evolve, field, frozen

from graydns.authority.zone_data import Zone, ZoneTable, build_zone
from graydns.config.document import Document
from graydns.config.settings import Config
from graydns.config.zone_config import ZoneConfig
from graydns.gray.geo import GeoLocator
from graydns.model.errors import ConfigError, ConfigIssue
from graydns.model.policy import ServicePolicy
from graydns.snapshot.compiler import SnapshotInputs
from graydns.sources.file_fingerprints import FileFingerprints, look
from graydns.sources.file_reader import ReadJob, ZoneDataLocation
from graydns.sources.parser_frames import (
    IssuesFrame,
    MainConfigFrame,
    PackedRules,
    ParserFrame,
    RulesFrame,
    ServicesFrame,
    ZoneConfigFrame,
    ZoneDataFrame,
    ZoneListFrame,
)
from graydns.sources.zone_file import LoadedZone
from graydns.sources.zone_file import read_parsed_zone as read_rows


@frozen(eq=False)
class MainEntry:
    """The main file. *digest*: of its octets; *rules*: digests of the tenants' own rules."""

    config: Config
    digest: bytes
    rule_digests: Mapping[str, bytes]

    @property
    def blob_name(self) -> str:
        """The name of the file in ``Reading.blobs``."""
        return f"{self.digest.hex()}.yaml"


@frozen(eq=False)
class ZoneEntry:
    """A zone's file and data as they are served.

    *digest*: of the file's octets; *content*: of what it means, but for its version. *upstreams*: those that rules
    name. *place*: where the data are. *zone*: the data with the services' names.
    """

    config: ZoneConfig
    digest: bytes
    content_digest: bytes
    upstreams: frozenset[str]
    data_location: ZoneDataLocation
    loaded: LoadedZone
    zone: Zone

    @property
    def path(self) -> Path:
        """Where the file was found."""
        return self.config.path

    @property
    def blob_name(self) -> str:
        """The name of the file in ``Reading.blobs``."""
        return f"{self.digest.hex()}.yaml"

    @property
    def data_blob_name(self) -> str:
        """The name of the data there."""
        return data_blob(self.loaded)


@frozen(eq=False)
class Reading:
    """What the files say. *zones*: by the file's path, in their order.

    *faults*: by file, for what could not be read; the zone of such a file is not in *zones*. *look*: stamps of all that
    was read, taken before that. *geo*, *resolv_conf*: see ``SnapshotInputs``. *blobs*: what was read this time,
    compressed, by name: what a rollback needs. *wanted*: where the data of zones are expected that have *faults*.
    """

    main: MainEntry
    zones: Mapping[Path, ZoneEntry]
    fingerprints: FileFingerprints = field(factory=dict, repr=False)
    issues: Mapping[Path, tuple[ConfigIssue, ...]] = field(factory=dict)
    geo: GeoLocator | None = field(default=None, repr=False)
    resolv_conf: str = field(default="", repr=False)
    blobs: Mapping[str, bytes] = field(factory=dict, repr=False)
    missing_data_paths: tuple[Path, ...] = ()

    @property
    def config(self) -> Config:
        """The main file's keys."""
        return self.main.config

    def paths(self) -> Iterator[Path]:
        """Every file that this was read from."""
        yield self.config.file
        yield RESOLV_CONF
        if self.config.geo is not None:
            yield self.config.geo
        if self.config.dnssec.trust_anchor_file is not None:
            yield self.config.dnssec.trust_anchor_file
        for entry in self.zones.values():
            yield entry.path
            yield entry.data_location.unresolved_path
            yield from entry.loaded.files
        yield from self.issues
        yield from self.missing_data_paths

    def documents(self) -> dict[str, Document]:
        """The YAML files by the name under which faults know them."""
        files = (self.config.document, *(entry.config.document for entry in self.zones.values()))
        return {document.file: document for document in files}

    def to_snapshot_inputs(self, config: Config) -> SnapshotInputs:
        """What a Snapshot is made of, with the keys of *config*."""
        entries = self.zones.values()
        return SnapshotInputs(
            config=config,
            zone_files=tuple(entry.config for entry in entries),
            zones=ZoneTable({entry.zone.origin: entry.zone for entry in entries}),
            geo=self.geo,
            resolv_conf=self.resolv_conf,
            zone_digests={entry.config.zone: entry.content_digest for entry in entries},
            rule_digests=self.main.rule_digests,
        )


RESOLV_CONF = Path("/etc/resolv.conf")

#: Nanoseconds: more than a tick of the clock that file systems take times from, less than ``watch.SETTLE``.
_CLOCK_TICK_NANOSECONDS = 20_000_000

#: Octets of zone data unpacked at once.
_BUFFER_BYTES = 1 << 16


def fingerprint_reading(
    reading: Reading, before: FileFingerprints, started: int
) -> Generator[None, None, FileFingerprints]:
    """The look that belongs to *reading*: *before*, where it was taken before the files were read.

    What was not known before is looked at now; if it may have been written since the reading *started* (Unix
    nanoseconds), it counts as not looked at, so that the next look reads it again.
    """
    now = yield from look(reading.paths(), None)
    still = {
        path: one
        for path, one in now.items()
        if one is None or max(one.modified, one.changed) < started - _CLOCK_TICK_NANOSECONDS
    }
    return {**still, **before}


def plan_read_job(main: Path, before: Reading | None, now: FileFingerprints) -> ReadJob:
    """What must be read for *now*, given what was read *before*."""
    if before is None:
        return ReadJob(main)

    def same(path: Path) -> bool:
        return now.get(path) is not None and now[path] == before.fingerprints.get(path)

    clean = frozenset(path for path in before.zones if same(path))
    data = frozenset(
        path
        for path, entry in before.zones.items()
        if same(entry.data_location.unresolved_path) and all(map(same, entry.loaded.files))
    )
    places = {path: before.zones[path].data_location for path in clean | data}
    anchors = before.config.dnssec.trust_anchor_file
    same_main = same(main) and (anchors is None or same(anchors))
    return ReadJob(None if same_main else main, before.config.zones, clean, places, data)


def assemble_reading(before: Reading | None, frames: Iterable[ParserFrame]) -> Generator[None, None, Reading]:
    """Put together what *frames* say and what is as it was *before*, in small steps.

    Raises ConfigError if the main file, or the folder of the zones, cannot be read.
    """
    table = _ReadingAssembler(before)
    for frame in frames:
        yield from table.add_frame(frame)
        yield
    if table.paths is None:
        raise ConfigError([fault for found in table.issues.values() for fault in found])
    yield from table.finish(table.paths)
    assert table.main is not None, "a job without its main file goes with a reading before"
    return Reading(
        table.main,
        table.zones,
        issues=table.issues,
        blobs=table.blobs,
        missing_data_paths=tuple(table.missing_data_paths),
    )


@define
class _ZoneDraft:
    """A zone's file as its frames come in."""

    head: ZoneConfigFrame
    services: dict[bytes, ServicePolicy] = field(factory=dict)
    chunks: list[bytes] = field(factory=list)
    size: int = 0

    def to_entry(self, loaded: LoadedZone, zone: Zone) -> ZoneEntry:
        head = self.head
        file = evolve(head.config, services=self.services, rules=PackedRules(tuple(self.chunks), self.size))
        place = ZoneDataLocation(file.zone, file.source_file, file.folder, head.unresolved_data_path)
        return ZoneEntry(file, head.digest, head.content_digest, head.upstreams, place, loaded, zone)


@define
class _ReadingAssembler:
    before: Reading | None
    main: MainEntry | None = None
    zones: dict[Path, ZoneEntry] = field(factory=dict)
    issues: dict[Path, tuple[ConfigIssue, ...]] = field(factory=dict)
    blobs: dict[str, bytes] = field(factory=dict)
    missing_data_paths: list[Path] = field(factory=list)
    paths: tuple[Path, ...] | None = None
    _drafts: dict[Path, _ZoneDraft] = field(factory=dict)
    _data: dict[Path, LoadedZone] = field(factory=dict)
    _draft: _ZoneDraft | None = None

    def add_frame(self, frame: ParserFrame) -> Generator[None, None, None]:
        match frame:
            case MainConfigFrame():
                self.main = MainEntry(frame.config, frame.digest, frame.rule_digests)
                self.blobs[self.main.blob_name] = frame.compressed
            case ZoneListFrame():
                self.paths = frame.paths
            case ZoneConfigFrame():
                self._draft = self._drafts[frame.path] = _ZoneDraft(frame)
                self.blobs[f"{frame.digest.hex()}.yaml"] = frame.compressed
            case ServicesFrame() if self._draft is not None:
                self._draft.services.update(frame.services)
            case RulesFrame() if self._draft is not None:
                self._draft.chunks.append(frame.chunk)
                self._draft.size += frame.size
            case ZoneDataFrame():
                loaded = self._data[frame.path] = yield from load_zone_stream(frame.stream)
                self.blobs[data_blob(loaded)] = frame.stream
            case IssuesFrame():
                self.issues[frame.path] = frame.issues
                if frame.unresolved_data_path is not None:
                    self.missing_data_paths.append(frame.unresolved_data_path)

    def finish(self, paths: Iterable[Path]) -> Iterator[None]:
        """Make the zones' entries."""
        before = {} if self.before is None else self.before.zones
        if self.main is None and self.before is not None:
            self.main = self.before.main
        for path in paths:
            if path not in self.issues:
                self.zones[path] = self._entry(path, before.get(path))
            yield

    def _entry(self, path: Path, before: ZoneEntry | None) -> ZoneEntry:
        draft, loaded = self._drafts.get(path), self._data.get(path)
        if before is None:
            assert draft is not None, "a new file has been read"
            assert loaded is not None, "and so have its data"
            return draft.to_entry(loaded, loaded.zone.with_services(frozenset(draft.services)))
        loaded = before.loaded if loaded is None else _reuse_equal_zone(loaded, before.loaded)
        services = before.config.services if draft is None else draft.services
        zone = before.zone
        if loaded.zone is not before.loaded.zone or services.keys() != zone.services:
            zone = loaded.zone.with_services(frozenset(services))
        return evolve(before, loaded=loaded, zone=zone) if draft is None else draft.to_entry(loaded, zone)


def _reuse_equal_zone(loaded: LoadedZone, before: LoadedZone) -> LoadedZone:
    """*loaded* with the zone that there is already, if it is the same."""
    same = loaded.digest == before.digest and loaded.zone.origin == before.zone.origin
    return evolve(loaded, zone=before.zone) if same else loaded


def data_blob(loaded: LoadedZone) -> str:
    """The name under which the data of a zone are kept."""
    return blake2b(loaded.zone.origin + loaded.digest, digest_size=32).hexdigest() + ".rows"


def load_zone_stream(stream: bytes) -> Generator[None, None, LoadedZone]:
    """The zone that ``examine`` has compressed."""
    with gzip.open(BytesIO(stream)) as unpacked:
        said = read_rows(cast(BinaryIO, BufferedReader(cast(RawIOBase, unpacked), _BUFFER_BYTES)))
        zone = yield from build_zone(said.origin, said.rows, count=said.count)
    return LoadedZone(zone, said.digest, said.files, said.warnings)
