"""Record sources: where the records of zones come from.

A zone-config.yaml names one under ``source``. Zone files (``file``) are read together with the configuration, by the
same process; every other kind is a RecordSource, found by its entry point in the group ``graydns.record_sources``.

::

    wanted zones ──► RecordSource.read ──► ZoneRecords | ZoneUnchanged | ZoneVanished | ZoneFailed, one a zone
                       (a thread)          checked and packed as zone files are ──► Reading ──► Snapshot, history

A source is asked, it never pushes: a change only makes graydns ask. So what it delivers goes the way of a changed file:
all of it is checked, compiled beside the Snapshot that is served, stored for rollbacks, and swapped in at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from gzip import GzipFile
from hashlib import blake2b
from importlib import metadata
from io import BytesIO
from itertools import chain, islice
from typing import Any, BinaryIO, Protocol, TypeAlias, cast

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from attrs import define, evolve, field, frozen
from twisted.logger import Logger

from graydns.config.zone_config import FILE_KIND
from graydns.model.errors import ConfigIssue, IssuePath, SourceId
from graydns.model.name import is_within, to_text
from graydns.sources.parser_frames import IssuesFrame, ParserFrame, ZoneDataFrame, ZoneVanishedFrame
from graydns.sources.record_collector import InvalidRecordError, RecordCollector, to_wire_name
from graydns.sources.zone_checks import check_zone_records
from graydns.sources.zone_file import ParsedZone, write_parsed_zone
from graydns.sources.zone_parser import MAX_ZONE_ISSUES

#: The group of entry points that names factories of record sources, by kind.
ENTRY_POINT_GROUP = "graydns.record_sources"

#: Seconds that one source may take to deliver all its zones; then each that is missing counts as failed.
SOURCE_READ_TIMEOUT_SECONDS = 30.0

#: Seconds after which a source that could not be read is read again, even if it does not call.
RETRY_INTERVAL_SECONDS = 30.0

#: Level of compression of records that are kept for a rollback.
_COMPRESSION_LEVEL = 1

#: Owner (wire form, lowered), type, TTL in seconds, rdata (wire form, no compressed names).
ZoneRecord: TypeAlias = tuple[bytes, int, int, bytes]


@frozen
class WantedZone:
    """A zone whose records are wanted.

    *origin*: its name, wire form, lowered. *kind*, *options*: of ``source`` in its zone-config.yaml; the options are
    what stands there, unchecked. *known*: the revision that was delivered last for these options, empty if none.
    """

    source_id: SourceId
    origin: bytes
    kind: str
    options: Any
    known: bytes = b""


@frozen
class ZoneRecords:
    """The first state, or a changed one: always the whole zone.

    *records*: taken once. *revision*: what the source calls this state (a serial, a checksum); empty: it cannot tell,
    and delivers the zone each time. *warnings*: for the operator.
    """

    source_id: SourceId
    records: Iterable[ZoneRecord] = field(repr=False)
    revision: bytes = b""
    warnings: tuple[str, ...] = ()


@frozen
class ZoneUnchanged:
    """The zone is as ``WantedZone.known`` says."""

    source_id: SourceId


@frozen
class ZoneVanished:
    """The source has no such zone any more. It is served on, and ``status`` shows it, until ``reload --prune``."""

    source_id: SourceId


@frozen
class ZoneFailed:
    """The zone could not be read, and what is served stays.

    *path*: the option that is wrong, below ``source.KIND``; it is a fault of the file then. Without one the source
    cannot be read now, and changes of other sources do not wait for it.
    """

    source_id: SourceId
    found: str
    expected: str
    path: IssuePath = ()


SourceEvent: TypeAlias = ZoneRecords | ZoneUnchanged | ZoneVanished | ZoneFailed


class RecordSource(Protocol):
    """One kind of source. There is one object of it in a server, made at its first use.

    The first reading takes place before the reactor runs: ``read`` must not wait for the reactor.
    """

    def read(self, zones: Sequence[WantedZone]) -> Iterable[SourceEvent]:
        """One event for each of *zones*, in any order. Called in a thread, never twice at a time; may block.

        What it raises, and a zone without an event, counts as ZoneFailed.
        """

    def subscribe(self, on_change: Callable[[], None]) -> None:
        """Call *on_change*, from any thread, whenever a zone may have changed.

        Sources are not polled otherwise, except those that could not be read, after RETRY_INTERVAL_SECONDS.
        """


RecordSourceFactory: TypeAlias = Callable[[], RecordSource]


def find_factory(kind: str) -> RecordSourceFactory | None:
    """The factory that an installed package has for *kind*."""
    for point in metadata.entry_points(group=ENTRY_POINT_GROUP, name=kind):
        return cast(RecordSourceFactory, point.load())
    return None


@define(eq=False)
class RecordSources:
    """The record sources of a server.

    *factories*: by kind, before those of entry points. *timeout*: seconds that all sources together may take to read.
    *clock*: seconds, for the next attempt after a failure.
    """

    factories: Mapping[str, RecordSourceFactory] = field(factory=dict, repr=False)
    timeout: float = SOURCE_READ_TIMEOUT_SECONDS
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    _made: dict[str, RecordSource] = field(init=False, factory=dict, repr=False)
    _deliveries: dict[str, _Delivery] = field(init=False, factory=dict, repr=False)
    _retry_at: float | None = field(init=False, default=None, repr=False)
    _is_stopped: bool = field(init=False, default=False, repr=False)
    _changed: threading.Event = field(init=False, factory=threading.Event, repr=False)
    _subscribers: list[Callable[[], None]] = field(init=False, factory=list, repr=False)

    _log = Logger()

    def subscribe(self, on_change: Callable[[], None]) -> None:
        """Call *on_change* when a source says that a zone may have changed; in the thread of the source."""
        self._subscribers.append(on_change)

    @property
    def has_changed(self) -> bool:
        """Whether a source has said so since it was read last, or one that could not be read is due again."""
        return self._changed.is_set() or (self._retry_at is not None and self.clock() >= self._retry_at)

    def note_read(self) -> None:
        """Everything is about to be read: what has changed so far is in it."""
        self._retry_at = None
        self._changed.clear()

    def note_unread(self) -> None:
        """The reading has failed: what had changed is still to be read."""
        self._changed.set()

    def read(self, zones: Sequence[WantedZone]) -> list[ParserFrame]:
        """Frames for *zones*: their records, or what is wrong. Blocks; raises nothing that a source raises."""
        self.note_read()
        ends = time.monotonic() + self.timeout
        started = [self._start(kind, [zone for zone in zones if zone.kind == kind]) for kind in _kinds(zones)]
        frames = [frame for delivery in started for frame in delivery.wait(ends, self.timeout)]
        if any(isinstance(frame, IssuesFrame) and frame.is_unavailable for frame in frames):
            self._retry_at = self.clock() + RETRY_INTERVAL_SECONDS
        return frames

    def stop(self) -> None:
        """End every wait for a source at once, so that one that hangs does not delay the end of the process."""
        self._is_stopped = True
        for delivery in tuple(self._deliveries.values()):
            delivery.give_up()

    def _start(self, kind: str, zones: Sequence[WantedZone]) -> _Delivery:
        """Let the source of *kind* read *zones* in a thread of its own, which a source that hangs keeps."""
        delivery = _Delivery(zones)
        if (before := self._deliveries.get(kind)) is not None and before.is_running:
            delivery.fail("a source that is still reading", "an answer to the question before this one")
            return delivery
        try:
            source = self._find(kind)
        except Exception as error:
            delivery.fail(*_describe_unusable(kind, error))
            return delivery
        if source is None:
            delivery.fail(*_describe_unknown(kind, self.factories), is_unavailable=False)
            return delivery
        self._deliveries[kind] = delivery
        delivery.start(source)
        if self._is_stopped:
            delivery.give_up()
        return delivery

    def _find(self, kind: str) -> RecordSource | None:
        if kind not in self._made:
            factory = self.factories.get(kind) or find_factory(kind)
            if factory is None:
                return None
            self._made[kind] = made = factory()
            made.subscribe(self._note_change)
        return self._made[kind]

    def _note_change(self) -> None:
        self._changed.set()
        for on_change in self._subscribers:
            on_change()


class _GivenUpError(Exception):
    """Nothing waits for the records any more."""


class _Delivery:
    """What one source delivers for *zones*: a frame for each that is not unchanged."""

    _log = Logger()

    def __init__(self, zones: Sequence[WantedZone]) -> None:
        self.is_running = False
        self._missing = {zone.source_id: zone for zone in zones}
        self._frames: list[ParserFrame] = []
        self._lock = threading.Condition()
        self._given_up = False

    def start(self, source: RecordSource) -> None:
        """Read *source* in a thread."""
        self.is_running = True
        zones = tuple(self._missing.values())
        threading.Thread(target=self._run, args=(source, zones), name="record source", daemon=True).start()

    def wait(self, ends: float, timeout: float) -> list[ParserFrame]:
        """The frames, once all are there or it is *ends* (monotonic seconds, *timeout* after the start).

        What comes later is dropped.
        """
        with self._lock:
            self._lock.wait_for(lambda: self._given_up or not self.is_running, max(0.0, ends - time.monotonic()))
            self._given_up = True
            self._fail_missing(f"no answer within {timeout:g} s", "an answer of the record source", True)
            return self._frames

    def give_up(self) -> None:
        """Wait no longer."""
        with self._lock:
            self._given_up = True
            self._lock.notify_all()

    def fail(self, found: str, expected: str, *, is_unavailable: bool = True) -> None:
        """The zones without a frame cannot be read. *is_unavailable*: now, but maybe later."""
        with self._lock:
            self._fail_missing(found, expected, is_unavailable)

    def _run(self, source: RecordSource, zones: Sequence[WantedZone]) -> None:
        try:
            for event in source.read(zones):
                frame = self._make_frame(event)
                with self._lock:
                    if self._given_up:
                        return
                    if self._missing.pop(event.source_id, None) is not None and frame is not None:
                        self._frames.append(frame)
            self.fail("no answer for this zone", "an answer of the record source")
        except _GivenUpError:
            pass
        except Exception as error:
            self._log.failure("a record source failed")
            self.fail(f"a record source that fails ({type(error).__name__}: {error})", "records")
        finally:
            with self._lock:
                self.is_running = False
                self._lock.notify_all()

    def _until_given_up(self, records: Iterable[ZoneRecord]) -> Iterator[ZoneRecord]:
        """*records*, as long as they are waited for: a source without end must not fill the memory."""
        for record in records:
            if self._given_up:
                raise _GivenUpError
            yield record

    def _make_frame(self, event: SourceEvent) -> ParserFrame | None:
        zone = self._missing.get(event.source_id)
        if zone is None:
            return None
        if isinstance(event, ZoneUnchanged):
            if zone.known:
                return None
            found = "an unchanged zone, of which no revision has been delivered"
            return _make_issues_frame(zone, found, "the records of the zone", (), True)
        if isinstance(event, ZoneVanished):
            return ZoneVanishedFrame(zone.source_id)
        if isinstance(event, ZoneFailed):
            return _make_issues_frame(zone, event.found, event.expected, event.path, not event.path)
        parsed = pack_records(zone, evolve(event, records=self._until_given_up(event.records)))
        if parsed.issues:
            return IssuesFrame(zone.source_id, parsed.issues)
        return ZoneDataFrame(zone.source_id, compress_zone(parsed), event.revision)

    def _fail_missing(self, found: str, expected: str, is_unavailable: bool) -> None:
        self._frames += [
            _make_issues_frame(zone, found, expected, (), is_unavailable) for zone in self._missing.values()
        ]
        self._missing.clear()


def pack_records(zone: WantedZone, event: ZoneRecords) -> ParsedZone:
    """The records of *event*, checked as those of a zone file are; with issues if the zone cannot be served."""
    collector = RecordCollector(dns.name.from_text(to_text(zone.origin)))
    issues: list[ConfigIssue] = []
    for owner, rdtype, ttl, rdata in event.records:
        try:
            name, canonical = _check_record(zone.origin, owner, rdtype, rdata)
            collector.add_record(name, rdtype, ttl, canonical)
        except InvalidRecordError as error:
            expected = f"a record of {to_text(zone.origin)}, name and rdata in wire form, without compressed names"
            issues.append(ConfigIssue((_format_owner(owner),), str(error), expected, zone.source_id))
        if len(issues) >= MAX_ZONE_ISSUES:
            return ParsedZone(zone.origin, (), 0, b"", (), tuple(issues))
    checks = chain(collector.merge_rows(), check_zone_records(zone.origin, collector, zone.source_id))
    issues += islice(checks, MAX_ZONE_ISSUES)
    located = tuple(issue if issue.file else _with_source(issue, zone.source_id) for issue in issues)
    rows = sorted(collector.rows.items())
    digest = blake2b(digest_size=32)
    for name, row in rows:
        digest.update(len(name).to_bytes(1, "big") + name + len(row).to_bytes(4, "big") + row)
    warnings = (*event.warnings, *collector.warnings)
    return ParsedZone(zone.origin, rows, len(rows), digest.digest(), (), located, warnings)


def compress_zone(parsed: ParsedZone) -> bytes:
    """*parsed* as a ZoneDataFrame has it."""
    stream = BytesIO()
    with GzipFile(fileobj=stream, mode="wb", compresslevel=_COMPRESSION_LEVEL, mtime=0) as packed:
        write_parsed_zone(parsed, cast(BinaryIO, packed))
    return stream.getvalue()


def _kinds(zones: Iterable[WantedZone]) -> Iterator[str]:
    yield from dict.fromkeys(zone.kind for zone in zones)


def _make_issues_frame(
    zone: WantedZone, found: str, expected: str, path: IssuePath, is_unavailable: bool
) -> IssuesFrame:
    issue = ConfigIssue(("source", zone.kind, *path), found, expected, zone.source_id)
    return IssuesFrame(zone.source_id, (issue,), is_unavailable=is_unavailable)


def _describe_unknown(kind: str, factories: Mapping[str, object]) -> tuple[str, str]:
    """Found and expected for a *kind* that there is not."""
    known = [FILE_KIND, *factories, *(point.name for point in metadata.entry_points(group=ENTRY_POINT_GROUP))]
    similar = get_close_matches(kind, known, 1)
    hint = f" (did you mean {similar[0]!r}?)" if similar else ""
    return f"the unknown kind {kind!r}{hint}", f"one of {', '.join(dict.fromkeys(known))}"


def _describe_unusable(kind: str, error: Exception) -> tuple[str, str]:
    return f"the kind {kind!r}, which cannot be used ({type(error).__name__}: {error})", "a record source that starts"


def _check_record(origin: bytes, owner: bytes, rdtype: int, rdata: bytes) -> tuple[bytes, bytes]:
    """Owner, lowered, and rdata of a record of the zone *origin*. Raises InvalidRecordError."""
    try:
        name, size = dns.name.from_wire(owner, 0)
        wire = to_wire_name(name)
        if size != len(owner) or len(wire) != size:
            raise InvalidRecordError("a name that is not valid")
        if not is_within(wire, origin):
            raise InvalidRecordError("a record outside the zone")
        kind = dns.rdatatype.RdataType.make(rdtype)
        if dns.rdatatype.is_metatype(kind):
            raise InvalidRecordError(f"{dns.rdatatype.to_text(kind)}, which is no type of records")
        # Written again, so that no pointer of a compressed name gets into the zone.
        return wire, dns.rdata.from_wire(dns.rdataclass.IN, kind, rdata, 0, len(rdata)).to_wire() or b""
    except (dns.exception.DNSException, ValueError, IndexError) as error:
        if isinstance(error, InvalidRecordError):
            raise
        raise InvalidRecordError(f"a record that is not valid ({error})") from None


def _format_owner(owner: bytes) -> str:
    try:
        return to_text(owner)
    except (ValueError, IndexError):
        return repr(owner)


def _with_source(issue: ConfigIssue, source_id: SourceId) -> ConfigIssue:
    return ConfigIssue(issue.path, issue.found, issue.expected, source_id, issue.line)
