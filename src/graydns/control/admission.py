"""Which of the zones that were read replace those that are served: versions, faults, vanished files, rollbacks.

Also which keys of graydns.yaml need a restart to take effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import evolve, field, frozen

from graydns.config.issues import ValidationIssue
from graydns.config.settings import Config
from graydns.control.live_changes import RollbackPin
from graydns.model.errors import ConfigIssue, SourceId
from graydns.model.name import to_text
from graydns.sources.file_fingerprints import FileFingerprints
from graydns.sources.reading import Reading, ZoneEntry
from graydns.sources.reading_checks import to_config_issues

IssuesBySource = Mapping[SourceId, tuple[ConfigIssue, ...]]


@frozen
class AdmittedReading:
    """*reading*: what may be served. *vanished*: zones that stay although they are gone at their source. *faults*: by
    source."""

    reading: Reading
    vanished: frozenset[bytes] = frozenset()
    faults: IssuesBySource = field(factory=dict)

    @property
    def has_schema_faults(self) -> bool:
        """Whether there are faults beside those of sources that cannot be read now, whose zones are served as they
        were: what others wrote does not wait for these."""
        return any(source not in self.reading.unavailable or source not in self.reading.zones for source in self.faults)


def admit_zones(served: Reading, read: Reading, *, force: bool, prune: bytes | None) -> AdmittedReading:
    """The zones of *read*, and those of *served* that are gone at their source, except *prune*.

    *force*: files are admitted whatever their version. A zone whose file has a fault stays as it is served.
    """
    before = {entry.config.zone: entry for entry in served.zones.values()}
    faults = {source: issues for source, issues in read.issues.items() if not _has_vanished(source, served, read)}
    zones: dict[SourceId, ZoneEntry] = {}
    gone = {read.zones[source].config.zone for source in read.vanished}
    for source, entry in read.zones.items():
        old = before.get(entry.config.zone)
        if source in read.vanished and entry.config.zone == prune:
            continue
        if old is None or force or entry is old or not (issues := _check_version(old, entry)):
            zones[source] = entry
        else:
            faults[source] = tuple(issues)
    merged = _retain_served(zones, faults, before, read)
    present = {entry.config.zone for entry in read.zones.values()}
    broken = {old.config.zone for source in faults if (old := _find_served(source, served)) is not None}
    vanished = frozenset(gone | (before.keys() - present - broken)) - {prune}
    for zone in vanished - gone:
        merged.setdefault(_vanished_zone_key(before[zone]), before[zone])
    return AdmittedReading(
        evolve(read, zones=merged, fingerprints=_admitted_fingerprints(read, faults, merged)), vanished, faults
    )


def exclude_faulty(admitted: AdmittedReading, served: Reading, faults: IssuesBySource) -> AdmittedReading:
    """*admitted* with the served zones in place of those whose files have *faults*."""
    before = {entry.config.zone: entry for entry in served.zones.values()}
    good = {source: entry for source, entry in admitted.reading.zones.items() if source not in faults}
    zones = _retain_served(good, faults, before, admitted.reading)
    reading = evolve(
        admitted.reading, zones=zones, fingerprints=_admitted_fingerprints(admitted.reading, faults, zones)
    )
    return AdmittedReading(reading, admitted.vanished, {**admitted.faults, **faults})


def check_prunable(zone: bytes, admitted: AdmittedReading, served: Reading) -> str | None:
    """Why *zone* cannot be pruned; None if it can."""
    if all(entry.config.zone != zone for entry in served.zones.values()):
        return f"there is no zone {to_text(zone)}"
    entry = next((entry for entry in admitted.reading.zones.values() if entry.config.zone == zone), None)
    return None if entry is None else f"{to_text(zone)} still has its file, {entry.path}: remove that first"


def format_version(version: tuple[int, ...]) -> str:
    """A ``config_version`` as it is written."""
    return ".".join(map(str, version))


def _retain_served(
    zones: Mapping[SourceId, ZoneEntry], faults: IssuesBySource, before: Mapping[bytes, ZoneEntry], read: Reading
) -> dict[SourceId, ZoneEntry]:
    """*zones*, and for every source with a fault the zone that is served from it."""
    retained = dict(zones)
    present = {entry.config.zone for entry in zones.values()}
    for source in faults:
        newer = read.zones.get(source)
        old = next((entry for entry in before.values() if _is_served_version_of(entry, source, newer)), None)
        if old is not None and old.config.zone not in present:
            retained[source] = old
    return retained


def _admitted_fingerprints(
    read: Reading, faults: IssuesBySource, zones: Mapping[SourceId, ZoneEntry]
) -> FileFingerprints:
    """The fingerprints of *read* except those of files that were not admitted, which are read again next time."""
    omitted = {*map(Path, faults), *read.missing_data_paths}
    for source in faults:
        if (entry := zones.get(source)) is not None:
            omitted |= set(entry.files())
    return {path: each for path, each in read.fingerprints.items() if path not in omitted}


def _is_served_version_of(old: ZoneEntry, source: SourceId, newer: ZoneEntry | None) -> bool:
    return old.source_id == source if newer is None else old.config.zone == newer.config.zone


def _find_served(source: SourceId, served: Reading) -> ZoneEntry | None:
    """The zone that is served from *source*. A zone whose file is gone has another key."""
    found = served.zones.get(source)
    return found or next((entry for entry in served.zones.values() if entry.source_id == source), None)


def _has_vanished(source: SourceId, served: Reading, read: Reading) -> bool:
    """Whether the fault of *source* is that its zone file, or the data, is gone since it was served."""
    entry = _find_served(source, served)
    if entry is None:
        return False
    wanted = [entry.path] if entry.data_location is None else [entry.path, entry.data_location.unresolved_path]
    return any(path in read.fingerprints and read.fingerprints[path] is None for path in wanted)


def _check_version(old: ZoneEntry, new: ZoneEntry) -> list[ConfigIssue]:
    """Why *new* cannot replace *old* because of its ``config_version`` (docs/operating.md)."""
    before, now = old.config.config_version, new.config.config_version
    if now > before or (now == before and new.content_digest == old.content_digest):
        return []
    found = format_version(now) + (" with other contents" if now == before else "")
    expected = f"a version above {format_version(before)}, which is served, or `graydnsctl reload --force`"
    return to_config_issues(new.config.document, (ValidationIssue(("config_version",), found, expected),))


def _vanished_zone_key(entry: ZoneEntry) -> SourceId:
    """The key of a zone whose file is gone: another zone may have a file at that path by now."""
    return SourceId(f"{entry.path.parent}/{to_text(entry.config.zone)} has vanished")


def exceeds_pin(read: Reading, pin: RollbackPin) -> bool:
    """Whether a zone of *read* has a version above all that it had when *pin* was set, which ends the rollback."""
    zones = (entry.config for entry in read.zones.values())
    return any(zone.config_version > pin.highest[name] for zone in zones if (name := to_text(zone.zone)) in pin.highest)


def highest_versions(served: Reading, pin: RollbackPin | None) -> dict[str, tuple[int, ...]]:
    """The highest version that each zone has had, as far as *served* and the rollback in force tell."""
    highest = {} if pin is None else dict(pin.highest)
    for entry in served.zones.values():
        name = to_text(entry.config.zone)
        highest[name] = max(entry.config.config_version, highest.get(name, ()))
    return highest


def describe_pin(pin: RollbackPin) -> str:
    """Why a reload does not end the rollback *pin*."""
    return (
        f"the rollback to snapshot {pin.number} is in force, and no zone's config_version is above those it has had; "
        "raise one, or use `graydnsctl reload --force`"
    )


#: Keys for what the process opens or makes once, when it starts.
_RESTART_KEYS = ("listen", "tls", "admin", "http", "data", "audit", "consul")
_RESTART_LIMITS = ("max_connections", "max_per_source", "max_pipelined", "tcp_idle", "tcp_message", "tls_handshake")


def resolve_effective_config(startup: Config, read: Config) -> tuple[Config, tuple[str, ...]]:
    """*read* as far as a running server can apply it, and the keys whose new values need a restart.

    *startup*: the configuration that the process was started with.
    """
    restart_keys = [key for key in _RESTART_KEYS if getattr(startup, key) != getattr(read, key)]
    limits = [key for key in _RESTART_LIMITS if getattr(startup.limits, key) != getattr(read.limits, key)]
    restart_keys += [f"limits.{key}" for key in limits]
    tenants = {}
    for name, tenant in read.tenants.items():
        listen = startup.tenants[name].listen if name in startup.tenants else ()
        if tenant.listen != listen:
            restart_keys.append(f"tenants.{name}.listen")
            tenant = evolve(tenant, listen=listen)
        tenants[name] = tenant
    config = evolve(
        read,
        **{key: getattr(startup, key) for key in _RESTART_KEYS},
        limits=evolve(read.limits, **{key: getattr(startup.limits, key) for key in _RESTART_LIMITS}),
        tenants=tenants,
    )
    return config, tuple(restart_keys)
