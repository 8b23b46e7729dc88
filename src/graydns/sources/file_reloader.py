"""Reading the files again while serving: what changed, and nothing else, without stopping queries."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from attrs import evolve, field, frozen

from graydns.config.document import Document
from graydns.gray.geo import GeoLocator
from graydns.model.errors import ConfigError, ConfigIssue, SourceId
from graydns.runtime.disk import DeferToThread
from graydns.runtime.slices import run_in_slices
from graydns.sources import parser_frames, parser_process
from graydns.sources.file_fingerprints import FileFingerprints, look, wait_until_stable
from graydns.sources.file_reader import JobTooLargeError, ReadJob, read_files
from graydns.sources.parser_frames import ParserFrame
from graydns.sources.parser_process import ParserReactor
from graydns.sources.reading import RESOLV_CONF, Reading, ReadingAssembler, fingerprint_reading, plan_read_job
from graydns.sources.record_source import RecordSources
from graydns.sources.snapshot_loader import (
    make_geo_issues,
    open_geo_database,
    read_resolv_conf,
    sort_issues,
    split_unlocated_issues,
)

#: Readings that are thrown away because files changed meanwhile, before that is an error.
_MAX_READ_ATTEMPTS = 5


@frozen
class FileReloader:
    """Reads files again."""

    reactor: ParserReactor = field(repr=False)
    in_thread: DeferToThread = field(repr=False)
    sources: RecordSources = field(factory=RecordSources, repr=False)

    async def fingerprint(self, served: Reading, last: Reading) -> FileFingerprints:
        """Stamps as they are, of what *served* was read from and what the *last* reading wanted."""
        paths = (*served.paths(), *last.paths())
        return await run_in_slices(self.reactor, look(paths, last.config.zones))

    async def read(self, served: Reading, last: Reading) -> Reading:
        """The files as they now are, once they have come to rest; what is as in *served* is shared with it.

        Raises ConfigError if the main file cannot be read, or the files go on changing.
        """
        for _ in range(_MAX_READ_ATTEMPTS):
            paths = (*served.paths(), *last.paths())
            zones = last.config.zones
            now = await wait_until_stable(self.reactor, lambda paths=paths, zones=zones: look(paths, zones))  # type: ignore[misc]
            reading = await self._read(served, now)
            later = await run_in_slices(self.reactor, look(now, zones))
            if later == now:
                return reading
            last = reading
        raise ConfigError(
            [ConfigIssue((), "files that go on changing", "files that are complete", served.config.document.file)]
        )

    async def read_files(self, job: ReadJob, before: Reading | None) -> Reading:
        """What *job* finds, in this process or, if that would take long, in a child. Raises ConfigError."""
        if job.archive is not None:  # has all records: no source is asked
            return await self._read_job(job, before)
        had_changed = self.sources.has_changed
        self.sources.note_read()
        try:
            return await self._read_job(job, before)
        except BaseException:
            if had_changed:
                self.sources.note_unread()
            raise

    async def _read_job(self, job: ReadJob, before: Reading | None) -> Reading:
        try:
            return await self._assemble(before, read_files(job, bounded=True))
        except JobTooLargeError:
            with await parser_process.spawn_parser(self.reactor, job) as said:
                return await self._assemble(before, parser_frames.read_frames(said))

    async def _assemble(self, before: Reading | None, frames: Iterable[ParserFrame]) -> Reading:
        """What *frames* say, and the record sources that they name; these are read in threads."""
        assembler = ReadingAssembler(before)
        await run_in_slices(self.reactor, assembler.add_frames(frames))
        if wanted := assembler.list_wanted_zones():
            delivered = await self.in_thread(lambda: self.sources.read(wanted))
            await run_in_slices(self.reactor, assembler.add_frames(delivered))
        return await run_in_slices(self.reactor, assembler.finish())

    async def locate_issues(self, faults: Sequence[ConfigIssue], documents: dict[str, Document]) -> ConfigError:
        """The error that tells *faults*, each with the line that its file has it on."""
        here, large = split_unlocated_issues(faults, documents)
        if large:
            with await parser_process.spawn_parser(self.reactor, parser_process.LocateJob(tuple(large))) as said:
                here += parser_frames.read_frames(said)
        return ConfigError(sort_issues(here))

    async def _read(self, served: Reading, now: FileFingerprints) -> Reading:
        started = time.time_ns()
        reading = await self.read_files(plan_read_job(served.config.file, served, now), served)
        geo, faults = await self._geo(served, reading, now)
        if faults:
            reading = evolve(reading, issues={**reading.issues, SourceId(str(reading.config.file)): tuple(faults)})
        same = now.get(RESOLV_CONF) == served.fingerprints.get(RESOLV_CONF)
        resolv_conf = served.resolv_conf if same else read_resolv_conf()
        reading = evolve(reading, geo=geo, resolv_conf=resolv_conf)
        return evolve(
            reading, fingerprints=await run_in_slices(self.reactor, fingerprint_reading(reading, now, started))
        )

    async def _geo(
        self, served: Reading, reading: Reading, now: FileFingerprints
    ) -> tuple[GeoLocator | None, list[ConfigIssue]]:
        path = reading.config.geo
        if path == served.config.geo and (path is None or now.get(path) == served.fingerprints.get(path)):
            return served.geo, []
        try:
            return await self.in_thread(lambda: open_geo_database(path)), []
        except ValueError as error:
            return None, make_geo_issues(reading.config, error)
