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
from graydns.config.zone_config import FILE_KIND, ZoneConfig
from graydns.gray.geo import GeoLocator
from graydns.model.errors import ConfigError, ConfigIssue, SourceId
from graydns.model.policy import ServicePolicy
from graydns.snapshot.compiler import SnapshotInputs
from graydns.sources.file_fingerprints import FileFingerprints, look
from graydns.sources.file_reader import ReadJob
from graydns.sources.parser_frames import (
    IssuesFrame,
    MainConfigFrame,
    PackedRules,
    ParserFrame,
    RulesFrame,
    ServicesFrame,
    ZoneConfigFrame,
    ZoneDataFrame,
    ZoneDataLocation,
    ZoneListFrame,
    ZoneVanishedFrame,
)
from graydns.sources.record_source import RecordSources, WantedZone
from graydns.sources.zone_file import LoadedZone
from graydns.sources.zone_file import read_parsed_zone as read_rows


@frozen(eq=False)
class MainEntry:
    """The main file. *digest*: of its octets; *rule_digests*: digests of the tenants' own rules."""

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

    *digest*: of the file's octets; *content_digest*: of what it means, but for its version. *upstreams*: those that
    rules name. *data_location*: None where the records come from no file; *revision*: what their source calls the state
    that it delivered last. *zone*: the records with the services' names.
    """

    config: ZoneConfig
    digest: bytes
    content_digest: bytes
    upstreams: frozenset[str]
    data_location: ZoneDataLocation | None
    loaded: LoadedZone
    zone: Zone
    revision: bytes = b""

    @property
    def path(self) -> Path:
        """Where the file was found."""
        return self.config.path

    @property
    def source_id(self) -> SourceId:
        """The source of the zone."""
        return SourceId(str(self.config.path))

    def files(self) -> Iterator[Path]:
        """Every file that this was read from."""
        yield self.path
        if self.data_location is not None:
            yield self.data_location.unresolved_path
        yield from self.loaded.files

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
    """What the sources say. *zones*: in the order of their files.

    *issues*: of what could not be read; the zone of such a source is not in *zones*. *vanished*: sources whose zone is
    gone there, and is as it was. *unavailable*: of those with *issues*, the ones that could not be read now.
    *fingerprints*: of all files that were read, taken before that. *geo*, *resolv_conf*:
    see ``SnapshotInputs``. *blobs*: what was read this time, compressed, by name: what a rollback needs.
    *missing_data_paths*: where the data of zones are expected that have *issues*.
    """

    main: MainEntry
    zones: Mapping[SourceId, ZoneEntry]
    fingerprints: FileFingerprints = field(factory=dict, repr=False)
    issues: Mapping[SourceId, tuple[ConfigIssue, ...]] = field(factory=dict)
    vanished: frozenset[SourceId] = frozenset()
    unavailable: frozenset[SourceId] = frozenset()
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
            yield from entry.files()
        yield from map(Path, self.issues)
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

#: Nanoseconds: more than a tick of the clock that file systems take times from, less than
#: ``file_fingerprints.SETTLE_SECONDS``.
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

    clean = frozenset(path for source in before.zones if same(path := Path(source)))
    places = {Path(source): entry.data_location for source, entry in before.zones.items() if entry.data_location}
    data = frozenset(
        path
        for path, place in places.items()
        if same(place.unresolved_path) and all(map(same, before.zones[SourceId(str(path))].loaded.files))
    )
    places = {path: place for path, place in places.items() if path in clean | data}
    anchors = before.config.dnssec.trust_anchor_file
    same_main = same(main) and (anchors is None or same(anchors))
    return ReadJob(None if same_main else main, before.config.zones, clean, places, data)


def assemble_reading(
    before: Reading | None, frames: Iterable[ParserFrame], sources: RecordSources
) -> Generator[None, None, Reading]:
    """Put together what *frames* and *sources* say and what is as it was *before*. Blocks while the sources are read.

    Raises ConfigError if the main file, or the folder of the zones, cannot be read.
    """
    assembler = ReadingAssembler(before)
    yield from assembler.add_frames(frames)
    yield from assembler.add_frames(sources.read(assembler.list_wanted_zones()))
    return (yield from assembler.finish())


@define
class _ZoneDraft:
    """A zone's file as its frames come in."""

    head: ZoneConfigFrame
    services: dict[bytes, ServicePolicy] = field(factory=dict)
    chunks: list[bytes] = field(factory=list)
    size: int = 0

    def to_entry(self, loaded: LoadedZone, zone: Zone, revision: bytes) -> ZoneEntry:
        head = self.head
        file = evolve(head.config, services=self.services, rules=PackedRules(tuple(self.chunks), self.size))
        return ZoneEntry(
            file, head.digest, head.content_digest, head.upstreams, head.data_location, loaded, zone, revision
        )


@define
class ReadingAssembler:
    """Makes a Reading of frames: first those of the files, then those of the other sources that these name.

    *before*: the Reading that is served, with which all is shared that has not changed.
    """

    before: Reading | None
    _main: MainEntry | None = None
    _issues: dict[SourceId, tuple[ConfigIssue, ...]] = field(factory=dict)
    _blobs: dict[str, bytes] = field(factory=dict)
    _missing_data_paths: list[Path] = field(factory=list)
    _vanished: set[SourceId] = field(factory=set)
    _unavailable: set[SourceId] = field(factory=set)
    _sources: tuple[SourceId, ...] | None = None
    _drafts: dict[SourceId, _ZoneDraft] = field(factory=dict)
    _data: dict[SourceId, tuple[LoadedZone, bytes]] = field(factory=dict)
    _draft: _ZoneDraft | None = None

    def add_frames(self, frames: Iterable[ParserFrame]) -> Generator[None, None, None]:
        """Take all *frames*, in small steps."""
        for frame in frames:
            yield from self._add_frame(frame)
            yield

    def list_wanted_zones(self) -> list[WantedZone]:
        """The zones whose records other sources than files have to deliver."""
        wanted = []
        for source_id in self._sources or ():
            draft, before = self._drafts.get(source_id), self._find_before(source_id)
            config = draft.head.config if draft is not None else before.config if before is not None else None
            if (
                config is None
                or config.source.kind == FILE_KIND
                or source_id in self._data
                or source_id in self._issues
            ):
                continue
            same = before is not None and before.config.source == config.source
            known = before.revision if before is not None and same and before.config.zone == config.zone else b""
            wanted.append(WantedZone(source_id, config.zone, config.source.kind, config.source.options, known))
        return wanted

    def finish(self) -> Generator[None, None, Reading]:
        """The Reading, in small steps. Raises ConfigError if the list of zones could not be read."""
        if self._sources is None:
            raise ConfigError([issue for found in self._issues.values() for issue in found])
        zones: dict[SourceId, ZoneEntry] = {}
        for source_id in self._sources:
            if source_id not in self._issues:
                zones[source_id] = self._make_entry(source_id)
            yield
        main = self._main
        if main is None:
            assert self.before is not None, "a job without its main file goes with a reading before"
            main = self.before.main
        return Reading(
            main,
            zones,
            issues=self._issues,
            vanished=frozenset(self._vanished),
            unavailable=frozenset(self._unavailable),
            blobs=self._blobs,
            missing_data_paths=tuple(self._missing_data_paths),
        )

    def _add_frame(self, frame: ParserFrame) -> Generator[None, None, None]:
        match frame:
            case MainConfigFrame():
                self._main = MainEntry(frame.config, frame.digest, frame.rule_digests)
                self._blobs[self._main.blob_name] = frame.compressed
            case ZoneListFrame():
                self._sources = tuple(SourceId(str(path)) for path in frame.paths)
            case ZoneConfigFrame():
                self._draft = self._drafts[SourceId(str(frame.path))] = _ZoneDraft(frame)
                self._blobs[f"{frame.digest.hex()}.yaml"] = frame.compressed
            case ServicesFrame() if self._draft is not None:
                self._draft.services.update(frame.services)
            case RulesFrame() if self._draft is not None:
                self._draft.chunks.append(frame.chunk)
                self._draft.size += frame.size
            case ZoneDataFrame():
                loaded = yield from load_zone_stream(frame.stream)
                self._data[frame.source] = loaded, frame.revision
                self._blobs[data_blob(loaded)] = frame.stream
            case ZoneVanishedFrame() if not self._is_served(frame.source):
                found, expected = "a zone that its source does not have", "one that it has"
                issue = ConfigIssue(("source",), found, expected, frame.source)
                self._issues[frame.source] = self._locate(frame.source, (issue,))
            case ZoneVanishedFrame():
                self._vanished.add(frame.source)
            case IssuesFrame():
                self._issues[frame.source] = self._locate(frame.source, frame.issues)
                if frame.is_unavailable:
                    self._unavailable.add(frame.source)
                if frame.unresolved_data_path is not None:
                    self._missing_data_paths.append(frame.unresolved_data_path)

    def _locate(self, source_id: SourceId, issues: tuple[ConfigIssue, ...]) -> tuple[ConfigIssue, ...]:
        """*issues* with the lines of the zone's file, where it is known and they have none."""
        draft, before = self._drafts.get(source_id), self._find_before(source_id)
        config = draft.head.config if draft is not None else None if before is None else before.config
        document = None if config is None else config.document
        if document is None or not document.data:
            return issues
        return tuple(issue if issue.line or issue.file != source_id else document.locate(issue) for issue in issues)

    def _is_served(self, source_id: SourceId) -> bool:
        """Whether the zone that *source_id* names now is the one that it named before."""
        before, draft = self._find_before(source_id), self._drafts.get(source_id)
        return before is not None and (draft is None or draft.head.config.zone == before.config.zone)

    def _find_before(self, source_id: SourceId) -> ZoneEntry | None:
        return None if self.before is None else self.before.zones.get(source_id)

    def _make_entry(self, source_id: SourceId) -> ZoneEntry:
        before, draft = self._find_before(source_id), self._drafts.get(source_id)
        loaded, revision = self._data.get(source_id, (None, b""))
        if before is None:
            assert draft is not None, "a new file has been read"
            assert loaded is not None, "and so have its records"
            return draft.to_entry(loaded, loaded.zone.with_services(frozenset(draft.services)), revision)
        if loaded is None:
            loaded, revision = before.loaded, before.revision
        else:
            loaded = _reuse_equal_zone(loaded, before.loaded)
        services = before.config.services if draft is None else draft.services
        zone = before.zone
        if loaded.zone is not before.loaded.zone or services.keys() != zone.services:
            zone = loaded.zone.with_services(frozenset(services))
        if draft is not None:
            return draft.to_entry(loaded, zone, revision)
        if loaded is before.loaded and zone is before.zone and revision == before.revision:
            return before
        return evolve(before, loaded=loaded, zone=zone, revision=revision)


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
