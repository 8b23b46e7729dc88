"""Files: everything a Snapshot needs, read from graydns.yaml and what it names, blocking; see ``again`` for later."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import maxminddb
from attrs import evolve

from graydns.config.document import Document
from graydns.config.issues import ValidationIssue
from graydns.config.settings import Config
from graydns.gray.geo import GeoLocator, MaxMindLocator
from graydns.model.errors import ConfigError, ConfigIssue
from graydns.runtime.steps import run_steps
from graydns.snapshot.compiler import compile_snapshot
from graydns.snapshot.snapshot import Snapshot
from graydns.sources import parser_frames, parser_process
from graydns.sources.consul.tls_checks import check_tls_files
from graydns.sources.file_reader import JobTooLargeError, ReadJob, read_files
from graydns.sources.reading import RESOLV_CONF, Reading, assemble_reading, fingerprint_reading
from graydns.sources.reading_checks import check_reading as cross_check
from graydns.sources.reading_checks import to_config_issues
from graydns.sources.record_source import RecordSources


def load_snapshot(path: Path, number: int = 1) -> tuple[Snapshot, tuple[str, ...]]:
    """The Snapshot that the main file at *path* describes, and warnings. Raises ConfigError with every fault."""
    reading = read_configuration(path)
    snapshot = compile_reading(number, reading)
    return snapshot, (*list_data_warnings(reading), *snapshot.warnings)


def check_configuration(path: Path) -> tuple[str, ...]:
    """Warnings about the main file at *path* and all it names. Raises ConfigError as starting with it would."""
    return load_snapshot(path)[1]


def read_configuration(path: Path, sources: RecordSources | None = None) -> Reading:
    """Read every file and the record *sources* that they name. Raises ConfigError with all issues."""
    started = time.time_ns()
    reading = run_read_job(ReadJob(path), sources or RecordSources())
    faults = [fault for found in reading.issues.values() for fault in found]
    try:
        reading = evolve(reading, geo=open_geo_database(reading.config.geo), resolv_conf=read_resolv_conf())
    except ValueError as error:
        faults += make_geo_issues(reading.config, error)
    faults += to_config_issues(reading.config.document, tuple(check_tls_files(reading.config.consul)))
    faults += [fault for found in run_steps(cross_check(reading)).values() for fault in found]
    if faults:
        raise ConfigError(sort_issues(_locate_all_issues(faults, reading.documents())))
    return evolve(reading, fingerprints=run_steps(fingerprint_reading(reading, {}, started)))


def compile_reading(number: int, reading: Reading) -> Snapshot:
    """The Snapshot of *reading*. Raises ConfigError with every fault, located."""
    try:
        return run_steps(compile_snapshot(number, reading.to_snapshot_inputs(reading.config)))
    except ConfigError as error:
        raise ConfigError(sort_issues(_locate_all_issues(error.issues, reading.documents()))) from None


def list_data_warnings(reading: Reading) -> tuple[str, ...]:
    """What is odd in the zones' data."""
    return tuple(warning for entry in reading.zones.values() for warning in entry.loaded.warnings)


def open_geo_database(path: Path | None) -> GeoLocator | None:
    """The database at *path*. Raises ValueError."""
    if path is None:
        return None
    try:
        # In memory: a file replaced under an open mapping would take the process with it.
        return MaxMindLocator(maxminddb.open_database(str(path), maxminddb.MODE_MEMORY))
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        raise ValueError(f"{path} ({error})") from error


def make_geo_issues(config: Config, error: ValueError) -> list[ConfigIssue]:
    """The fault for a database that cannot be opened."""
    return to_config_issues(config.document, (ValidationIssue(("geo",), str(error), "a MaxMind database (.mmdb)"),))


def read_resolv_conf() -> str:
    """The contents of the system's resolv.conf."""
    try:
        return RESOLV_CONF.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def sort_issues(faults: Iterable[ConfigIssue]) -> list[ConfigIssue]:
    """*faults* as a user goes through them."""
    return sorted(faults, key=lambda fault: (fault.file, fault.line, fault.column))


def split_unlocated_issues(
    faults: Iterable[ConfigIssue], documents: Mapping[str, Document]
) -> tuple[list[ConfigIssue], list[ConfigIssue]]:
    """*faults* with the lines that can be found here, and those whose file is too large for that."""
    here: list[ConfigIssue] = []
    parser_process: list[ConfigIssue] = []
    for fault in faults:
        document = None if fault.line else documents.get(fault.file)
        if document is None:
            here.append(fault)
        elif document.data:
            here.append(document.locate(fault))
        else:
            parser_process.append(fault)
    return here, parser_process


def _locate_all_issues(faults: Sequence[ConfigIssue], documents: Mapping[str, Document]) -> Iterator[ConfigIssue]:
    here, large = split_unlocated_issues(faults, documents)
    yield from here
    if large:
        with parser_process.run_parser(parser_process.LocateJob(tuple(large))) as said:
            yield from parser_frames.read_frames(said)


def run_read_job(job: ReadJob, sources: RecordSources) -> Reading:
    """What *job* finds, what is large in a child. Raises ConfigError if the main file cannot be read."""
    try:
        return run_steps(assemble_reading(None, read_files(job, bounded=True), sources))
    except JobTooLargeError:
        with parser_process.run_parser(job) as said:
            return run_steps(assemble_reading(None, parser_frames.read_frames(said), sources))
