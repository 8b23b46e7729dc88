"""Files: everything a Snapshot needs, read from graydns.yaml and what it names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import maxminddb

from graydns.authority.zone import Zone, Zones
from graydns.config.load import ZoneFile, load, load_zones
from graydns.config.main import Config
from graydns.gray.geo import Geo, MaxMind
from graydns.model.errors import ConfigError, Fault
from graydns.snapshot.compile import Inputs, compile_snapshot
from graydns.snapshot.snapshot import Snapshot
from graydns.sources.zonechecks import check_services
from graydns.sources.zonefile import load as load_zone_data

RESOLV_CONF = Path("/etc/resolv.conf")


def load_snapshot(path: Path, number: int = 1) -> tuple[Snapshot, tuple[str, ...]]:
    """The Snapshot that the main file at *path* describes, and warnings. Raises ConfigError with every fault."""
    inputs, warnings = read_inputs(path)
    snapshot = compile_snapshot(number, inputs)
    return snapshot, (*warnings, *snapshot.warnings)


def check(path: Path) -> tuple[str, ...]:
    """Warnings about the main file at *path* and all it names. Raises ConfigError as starting with it would."""
    return load_snapshot(path)[1]


def read_inputs(path: Path) -> tuple[Inputs, tuple[str, ...]]:
    """Read every file. Raises ConfigError with the faults of all that could be read."""
    config = load(path)
    zone_files = load_zones(config)
    faults: list[Fault] = []
    warnings: list[str] = []
    zones = [zone for file in zone_files for zone in _zone(file, faults, warnings)]
    geo = _geo(config, faults)
    if faults:
        raise ConfigError(faults)
    by_origin = {zone.origin: zone for zone in zones}
    return Inputs(config, zone_files, Zones(by_origin), geo, _resolv_conf()), tuple(warnings)


def _zone(file: ZoneFile, faults: list[Fault], warnings: list[str]) -> Iterator[Zone]:
    """The zone of *file* with its services, unless something is wrong with its data."""
    try:
        loaded = load_zone_data(file.source_file, file.zone, file.folder)
    except ConfigError as error:
        faults += error.faults
        return
    warnings += loaded.warnings
    conflicts = tuple(check_services(loaded.zone, file.services))
    faults += [file.document.locate(fault) for fault in conflicts]
    yield loaded.zone.with_services(frozenset(file.services))


def _geo(config: Config, faults: list[Fault]) -> Geo | None:
    if config.geo is None:
        return None
    try:
        # In memory: a file replaced under an open mapping would take the process with it.
        return MaxMind(maxminddb.open_database(str(config.geo), maxminddb.MODE_MEMORY))
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        fault = Fault(("geo",), f"{config.geo} ({error})", "a MaxMind database (.mmdb)")
        faults.append(config.document.locate(fault))
        return None


def _resolv_conf() -> str:
    try:
        return RESOLV_CONF.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
