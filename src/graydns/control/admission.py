"""Which of the zones that were read take the place of those that are served: versions, faults, vanished files.

Keys of graydns.yaml that only a restart can bring into effect: what runs keeps its value, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import evolve, field, frozen

from graydns.config.issues import ValidationIssue
from graydns.config.settings import Config
from graydns.model.errors import ConfigIssue
from graydns.model.name import to_text
from graydns.sources.file_fingerprints import FileFingerprints
from graydns.sources.reading import Reading, ZoneEntry
from graydns.sources.reading_checks import to_config_issues

IssuesByFile = Mapping[Path, tuple[ConfigIssue, ...]]


@frozen
class AdmittedReading:
    """*reading*: what may be served. *vanished*: zones whose files are gone and that stay. *faults*: by file."""

    reading: Reading
    vanished: frozenset[bytes] = frozenset()
    faults: IssuesByFile = field(factory=dict)


def admit_zones(served: Reading, read: Reading, *, force: bool, prune: bytes | None) -> AdmittedReading:
    """The zones of *read*, and of *served* those without a file, but for *prune*.

    *force*: whatever its version, a file is taken. A zone whose file is at fault is as it is served.
    """
    before = {entry.config.zone: entry for entry in served.zones.values()}
    faults = {path: found for path, found in read.issues.items() if not _has_vanished(path, served, read)}
    zones: dict[Path, ZoneEntry] = {}
    for path, entry in read.zones.items():
        old = before.get(entry.config.zone)
        if old is None or force or entry is old or not (found := _check_version(old, entry)):
            zones[path] = entry
        else:
            faults[path] = tuple(found)
    merged = _retain_served(zones, faults, before, read)
    present = {entry.config.zone for entry in read.zones.values()}
    broken = {old.config.zone for path in faults if (old := _find_served(path, served)) is not None}
    vanished = frozenset(before.keys() - present - broken) - {prune}
    for zone in vanished:
        merged.setdefault(_vanished_zone_key(before[zone]), before[zone])
    return AdmittedReading(
        evolve(read, zones=merged, fingerprints=_admitted_fingerprints(read, faults, merged)), vanished, faults
    )


def exclude_faulty(merged: AdmittedReading, served: Reading, faults: IssuesByFile) -> AdmittedReading:
    """*merged* with what is served in place of the files that *faults* are about."""
    before = {entry.config.zone: entry for entry in served.zones.values()}
    good = {path: entry for path, entry in merged.reading.zones.items() if path not in faults}
    zones = _retain_served(good, faults, before, merged.reading)
    reading = evolve(merged.reading, zones=zones, fingerprints=_admitted_fingerprints(merged.reading, faults, zones))
    return AdmittedReading(reading, merged.vanished, {**merged.faults, **faults})


def check_prunable(zone: bytes, merged: AdmittedReading, served: Reading) -> str | None:
    """Why *zone* cannot be pruned; None if it can."""
    if all(entry.config.zone != zone for entry in served.zones.values()):
        return f"there is no zone {to_text(zone)}"
    still = next((entry for entry in merged.reading.zones.values() if entry.config.zone == zone), None)
    return None if still is None else f"the file of {to_text(zone)} is there: {still.path}"


def format_version(version: tuple[int, ...]) -> str:
    """A version as it is written."""
    return ".".join(map(str, version))


def _retain_served(
    zones: Mapping[Path, ZoneEntry], faults: IssuesByFile, before: Mapping[bytes, ZoneEntry], read: Reading
) -> dict[Path, ZoneEntry]:
    """*zones*, and for every file at fault the zone that is served from it."""
    kept = dict(zones)
    taken = {entry.config.zone for entry in zones.values()}
    for path in faults:
        newer = read.zones.get(path)
        old = next((entry for entry in before.values() if _is_served_version_of(entry, path, newer)), None)
        if old is not None and old.config.zone not in taken:
            kept[path] = old
    return kept


def _admitted_fingerprints(read: Reading, faults: IssuesByFile, zones: Mapping[Path, ZoneEntry]) -> FileFingerprints:
    """The look of *read* without what was not taken, so that it is read again however it looks next time."""
    left = {*faults, *read.missing_data_paths}
    for path in faults:
        if (kept := zones.get(path)) is not None:
            left |= {kept.path, kept.data_location.unresolved_path, *kept.loaded.files}
    return {path: stamp for path, stamp in read.fingerprints.items() if path not in left}


def _is_served_version_of(old: ZoneEntry, path: Path, newer: ZoneEntry | None) -> bool:
    return old.path == path if newer is None else old.config.zone == newer.config.zone


def _find_served(path: Path, served: Reading) -> ZoneEntry | None:
    """What is served from the file *path*; that of a zone which has vanished stands under another key."""
    return served.zones.get(path) or next((entry for entry in served.zones.values() if entry.path == path), None)


def _has_vanished(path: Path, served: Reading, read: Reading) -> bool:
    """Whether what is wrong with the zone file *path* is that it, or its data, have vanished since it was served."""
    entry = _find_served(path, served)
    if entry is None:
        return False
    return any(
        wanted in read.fingerprints and read.fingerprints[wanted] is None
        for wanted in (path, entry.data_location.unresolved_path)
    )


def _check_version(old: ZoneEntry, new: ZoneEntry) -> list[ConfigIssue]:
    """Why *new* cannot take the place of *old* (docs/operating.md); its data may always."""
    before, now = old.config.config_version, new.config.config_version
    if now > before or (now == before and new.content_digest == old.content_digest):
        return []
    found = format_version(now) + (" with other contents" if now == before else "")
    expected = f"a version above {format_version(before)}, which is served, or `graydnsctl reload --force`"
    return to_config_issues(new.config.document, (ValidationIssue(("config_version",), found, expected),))


def _vanished_zone_key(entry: ZoneEntry) -> Path:
    """A key for a zone without a file, at whose place another one may have come to stand."""
    return entry.path.parent / f"{to_text(entry.config.zone)} has vanished"


#: What the process opened, or made once, when it started.
_RESTART_KEYS = ("listen", "tls", "admin", "http", "data", "audit", "consul")
_RESTART_LIMITS = ("max_connections", "max_per_source", "max_pipelined", "tcp_idle", "tls_handshake")


def resolve_effective_config(began: Config, read: Config) -> tuple[Config, tuple[str, ...]]:
    """*read* as far as a running server can follow it, and the keys whose new values wait for a restart.

    *began*: what the process was started with.
    """
    waiting = [key for key in _RESTART_KEYS if getattr(began, key) != getattr(read, key)]
    limits = [key for key in _RESTART_LIMITS if getattr(began.limits, key) != getattr(read.limits, key)]
    waiting += [f"limits.{key}" for key in limits]
    tenants = {}
    for name, tenant in read.tenants.items():
        listen = began.tenants[name].listen if name in began.tenants else ()
        if tenant.listen != listen:
            waiting.append(f"tenants.{name}.listen")
            tenant = evolve(tenant, listen=listen)
        tenants[name] = tenant
    config = evolve(
        read,
        **{key: getattr(began, key) for key in _RESTART_KEYS},
        limits=evolve(read.limits, **{key: getattr(began.limits, key) for key in _RESTART_LIMITS}),
        tenants=tenants,
    )
    return config, tuple(waiting)
