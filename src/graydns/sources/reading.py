"""Reading: all that was read of the files, put together from frames; what did not change stays the same object."""

from __future__ import annotations

import gzip
from collections.abc import Generator, Iterable, Iterator, Mapping
from hashlib import blake2b
from io import BufferedReader, BytesIO, RawIOBase
from pathlib import Path
from typing import BinaryIO, cast

from attrs import define, evolve, field, frozen

from graydns.authority.zone import Zone, Zones, build
from graydns.config.document import Document
from graydns.config.main import Config
from graydns.config.zone import ZoneFile
from graydns.gray.geo import GeoLocator
from graydns.model.errors import ConfigError, ConfigIssue
from graydns.model.policy import ServicePolicy
from graydns.snapshot.compiler import SnapshotInputs
from graydns.sources.examine import Job, Place
from graydns.sources.frames import Broken, DataRead, Frame, Listing, MainRead, RuleChunk, Services, ZoneRead
from graydns.sources.packed import PackedRules
from graydns.sources.parsed import read as read_rows
from graydns.sources.watch import Look, look
from graydns.sources.zonefile import Loaded


@frozen(eq=False)
class Main:
    """The main file. *digest*: of its octets; *rules*: digests of the tenants' own rules."""

    config: Config
    digest: bytes
    rules: Mapping[str, bytes]

    @property
    def blob(self) -> str:
        """The name of the file in ``Reading.blobs``."""
        return f"{self.digest.hex()}.yaml"


@frozen(eq=False)
class ZoneEntry:
    """A zone's file and data as they are served.

    *digest*: of the file's octets; *content*: of what it means, but for its version. *upstreams*: those that rules
    name. *place*: where the data are. *zone*: the data with the services' names.
    """

    file: ZoneFile
    digest: bytes
    content: bytes
    upstreams: frozenset[str]
    place: Place
    loaded: Loaded
    zone: Zone

    @property
    def path(self) -> Path:
        """Where the file was found."""
        return self.file.file

    @property
    def blob(self) -> str:
        """The name of the file in ``Reading.blobs``."""
        return f"{self.digest.hex()}.yaml"

    @property
    def data_blob(self) -> str:
        """The name of the data there."""
        return data_blob(self.loaded)


@frozen(eq=False)
class Reading:
    """What the files say. *zones*: by the file's path, in their order.

    *faults*: by file, for what could not be read; the zone of such a file is not in *zones*. *look*: stamps of all that
    was read, taken before that. *geo*, *resolv_conf*: see ``SnapshotInputs``. *blobs*: what was read this time,
    compressed, by name: what a rollback needs. *wanted*: where the data of zones are expected that have *faults*.
    """

    main: Main
    zones: Mapping[Path, ZoneEntry]
    look: Look = field(factory=dict, repr=False)
    faults: Mapping[Path, tuple[ConfigIssue, ...]] = field(factory=dict)
    geo: GeoLocator | None = field(default=None, repr=False)
    resolv_conf: str = field(default="", repr=False)
    blobs: Mapping[str, bytes] = field(factory=dict, repr=False)
    wanted: tuple[Path, ...] = ()

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
        for entry in self.zones.values():
            yield entry.path
            yield entry.place.wanted
            yield from entry.loaded.files
        yield from self.faults
        yield from self.wanted

    def documents(self) -> dict[str, Document]:
        """The YAML files by the name under which faults know them."""
        files = (self.config.document, *(entry.file.document for entry in self.zones.values()))
        return {document.file: document for document in files}

    def inputs(self, config: Config) -> SnapshotInputs:
        """What a Snapshot is made of, with the keys of *config*."""
        entries = self.zones.values()
        return SnapshotInputs(
            config=config,
            zone_files=tuple(entry.file for entry in entries),
            zones=Zones({entry.zone.origin: entry.zone for entry in entries}),
            geo=self.geo,
            resolv_conf=self.resolv_conf,
            zone_digests={entry.file.zone: entry.content for entry in entries},
            rule_digests=self.main.rules,
        )


RESOLV_CONF = Path("/etc/resolv.conf")

#: Nanoseconds: more than a tick of the clock that file systems take times from, less than ``watch.SETTLE``.
_TICK = 20_000_000

#: Octets of zone data unpacked at once.
_BUFFER = 1 << 16


def stamps(reading: Reading, before: Look, started: int) -> Generator[None, None, Look]:
    """The look that belongs to *reading*: *before*, where it was taken before the files were read.

    What was not known before is looked at now; if it may have been written since the reading *started* (Unix
    nanoseconds), it counts as not looked at, so that the next look reads it again.
    """
    now = yield from look(reading.paths(), None)
    still = {path: one for path, one in now.items() if one is None or max(one.modified, one.changed) < started - _TICK}
    return {**still, **before}


def job_for(main: Path, before: Reading | None, now: Look) -> Job:
    """What must be read for *now*, given what was read *before*."""
    if before is None:
        return Job(main)

    def same(path: Path) -> bool:
        return now.get(path) is not None and now[path] == before.look.get(path)

    clean = frozenset(path for path in before.zones if same(path))
    data = frozenset(
        path for path, entry in before.zones.items() if same(entry.place.wanted) and all(map(same, entry.loaded.files))
    )
    places = {path: before.zones[path].place for path in clean | data}
    return Job(None if same(main) else main, before.config.zones, clean, places, data)


def absorb(before: Reading | None, frames: Iterable[Frame]) -> Generator[None, None, Reading]:
    """Put together what *frames* say and what is as it was *before*, in small steps.

    Raises ConfigError if the main file, or the folder of the zones, cannot be read.
    """
    table = _Table(before)
    for frame in frames:
        yield from table.take(frame)
        yield
    if table.paths is None:
        raise ConfigError([fault for found in table.faults.values() for fault in found])
    yield from table.close(table.paths)
    assert table.main is not None, "a job without its main file goes with a reading before"
    return Reading(table.main, table.zones, faults=table.faults, blobs=table.blobs, wanted=tuple(table.wanted))


@define
class _Draft:
    """A zone's file as its frames come in."""

    head: ZoneRead
    services: dict[bytes, ServicePolicy] = field(factory=dict)
    chunks: list[bytes] = field(factory=list)
    size: int = 0

    def entry(self, loaded: Loaded, zone: Zone) -> ZoneEntry:
        head = self.head
        file = evolve(head.file, services=self.services, rules=PackedRules(tuple(self.chunks), self.size))
        place = Place(file.zone, file.source_file, file.folder, head.wanted)
        return ZoneEntry(file, head.digest, head.content, head.upstreams, place, loaded, zone)


@define
class _Table:
    before: Reading | None
    main: Main | None = None
    zones: dict[Path, ZoneEntry] = field(factory=dict)
    faults: dict[Path, tuple[ConfigIssue, ...]] = field(factory=dict)
    blobs: dict[str, bytes] = field(factory=dict)
    wanted: list[Path] = field(factory=list)
    paths: tuple[Path, ...] | None = None
    _drafts: dict[Path, _Draft] = field(factory=dict)
    _data: dict[Path, Loaded] = field(factory=dict)
    _draft: _Draft | None = None

    def take(self, frame: Frame) -> Generator[None, None, None]:
        match frame:
            case MainRead():
                self.main = Main(frame.config, frame.digest, frame.rules)
                self.blobs[self.main.blob] = frame.raw
            case Listing():
                self.paths = frame.paths
            case ZoneRead():
                self._draft = self._drafts[frame.path] = _Draft(frame)
                self.blobs[f"{frame.digest.hex()}.yaml"] = frame.raw
            case Services() if self._draft is not None:
                self._draft.services.update(frame.services)
            case RuleChunk() if self._draft is not None:
                self._draft.chunks.append(frame.chunk)
                self._draft.size += frame.size
            case DataRead():
                loaded = self._data[frame.path] = yield from load_stream(frame.stream)
                self.blobs[data_blob(loaded)] = frame.stream
            case Broken():
                self.faults[frame.path] = frame.faults
                if frame.wanted is not None:
                    self.wanted.append(frame.wanted)

    def close(self, paths: Iterable[Path]) -> Iterator[None]:
        """Make the zones' entries."""
        before = {} if self.before is None else self.before.zones
        if self.main is None and self.before is not None:
            self.main = self.before.main
        for path in paths:
            if path not in self.faults:
                self.zones[path] = self._entry(path, before.get(path))
            yield

    def _entry(self, path: Path, before: ZoneEntry | None) -> ZoneEntry:
        draft, loaded = self._drafts.get(path), self._data.get(path)
        if before is None:
            assert draft is not None, "a new file has been read"
            assert loaded is not None, "and so have its data"
            return draft.entry(loaded, loaded.zone.with_services(frozenset(draft.services)))
        loaded = before.loaded if loaded is None else _shared(loaded, before.loaded)
        services = before.file.services if draft is None else draft.services
        zone = before.zone
        if loaded.zone is not before.loaded.zone or services.keys() != zone.services:
            zone = loaded.zone.with_services(frozenset(services))
        return evolve(before, loaded=loaded, zone=zone) if draft is None else draft.entry(loaded, zone)


def _shared(loaded: Loaded, before: Loaded) -> Loaded:
    """*loaded* with the zone that there is already, if it is the same."""
    same = loaded.digest == before.digest and loaded.zone.origin == before.zone.origin
    return evolve(loaded, zone=before.zone) if same else loaded


def data_blob(loaded: Loaded) -> str:
    """The name under which the data of a zone are kept."""
    return blake2b(loaded.zone.origin + loaded.digest, digest_size=32).hexdigest() + ".rows"


def load_stream(stream: bytes) -> Generator[None, None, Loaded]:
    """The zone that ``examine`` has compressed."""
    with gzip.open(BytesIO(stream)) as unpacked:
        said = read_rows(cast(BinaryIO, BufferedReader(cast(RawIOBase, unpacked), _BUFFER)))
        zone = yield from build(said.origin, said.rows, count=said.count)
    return Loaded(zone, said.digest, said.files, said.warnings)
