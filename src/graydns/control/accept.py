"""Which of the zones that were read take the place of those that are served: versions, faults, vanished files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import evolve, field, frozen

from graydns.config.misfit import Misfit
from graydns.model.errors import Fault
from graydns.model.name import to_text
from graydns.sources.checks import placed
from graydns.sources.reading import Reading, ZoneEntry
from graydns.sources.watch import Look

Faults = Mapping[Path, tuple[Fault, ...]]


@frozen
class Merged:
    """*reading*: what may be served. *vanished*: zones whose files are gone and that stay. *faults*: by file."""

    reading: Reading
    vanished: frozenset[bytes] = frozenset()
    faults: Faults = field(factory=dict)


def merge(served: Reading, read: Reading, *, force: bool, prune: bytes | None) -> Merged:
    """The zones of *read*, and of *served* those without a file, but for *prune*.

    *force*: whatever its version, a file is taken. A zone whose file is at fault is as it is served.
    """
    before = {entry.file.zone: entry for entry in served.zones.values()}
    faults = {path: found for path, found in read.faults.items() if not _is_gone(path, served, read)}
    zones: dict[Path, ZoneEntry] = {}
    for path, entry in read.zones.items():
        old = before.get(entry.file.zone)
        if old is None or force or entry is old or not (found := _refusal(old, entry)):
            zones[path] = entry
        else:
            faults[path] = tuple(found)
    merged = _keep(zones, faults, before, read)
    present = {entry.file.zone for entry in read.zones.values()}
    broken = {old.file.zone for path in faults if (old := _served_at(path, served)) is not None}
    vanished = frozenset(before.keys() - present - broken) - {prune}
    for zone in vanished:
        merged.setdefault(_nowhere(before[zone]), before[zone])
    return Merged(evolve(read, zones=merged, look=_look(read, faults, merged)), vanished, faults)


def without(merged: Merged, served: Reading, faults: Faults) -> Merged:
    """*merged* with what is served in place of the files that *faults* are about."""
    before = {entry.file.zone: entry for entry in served.zones.values()}
    good = {path: entry for path, entry in merged.reading.zones.items() if path not in faults}
    zones = _keep(good, faults, before, merged.reading)
    reading = evolve(merged.reading, zones=zones, look=_look(merged.reading, faults, zones))
    return Merged(reading, merged.vanished, {**merged.faults, **faults})


def prune_misfit(zone: bytes, merged: Merged, served: Reading) -> str | None:
    """Why *zone* cannot be pruned; None if it can."""
    if all(entry.file.zone != zone for entry in served.zones.values()):
        return f"there is no zone {to_text(zone)}"
    still = next((entry for entry in merged.reading.zones.values() if entry.file.zone == zone), None)
    return None if still is None else f"the file of {to_text(zone)} is there: {still.path}"


def version_text(version: tuple[int, ...]) -> str:
    """A version as it is written."""
    return ".".join(map(str, version))


def _keep(
    zones: Mapping[Path, ZoneEntry], faults: Faults, before: Mapping[bytes, ZoneEntry], read: Reading
) -> dict[Path, ZoneEntry]:
    """*zones*, and for every file at fault the zone that is served from it."""
    kept = dict(zones)
    taken = {entry.file.zone for entry in zones.values()}
    for path in faults:
        newer = read.zones.get(path)
        old = next((entry for entry in before.values() if _stands_for(entry, path, newer)), None)
        if old is not None and old.file.zone not in taken:
            kept[path] = old
    return kept


def _look(read: Reading, faults: Faults, zones: Mapping[Path, ZoneEntry]) -> Look:
    """The look of *read* without what was not taken, so that it is read again however it looks next time."""
    left = {*faults, *read.wanted}
    for path in faults:
        if (kept := zones.get(path)) is not None:
            left |= {kept.path, kept.place.wanted, *kept.loaded.files}
    return {path: stamp for path, stamp in read.look.items() if path not in left}


def _stands_for(old: ZoneEntry, path: Path, newer: ZoneEntry | None) -> bool:
    return old.path == path if newer is None else old.file.zone == newer.file.zone


def _served_at(path: Path, served: Reading) -> ZoneEntry | None:
    """What is served from the file *path*; that of a zone which has vanished stands under another key."""
    return served.zones.get(path) or next((entry for entry in served.zones.values() if entry.path == path), None)


def _is_gone(path: Path, served: Reading, read: Reading) -> bool:
    """Whether what is wrong with the zone file *path* is that it, or its data, have vanished since it was served."""
    entry = _served_at(path, served)
    if entry is None:
        return False
    return any(wanted in read.look and read.look[wanted] is None for wanted in (path, entry.place.wanted))


def _refusal(old: ZoneEntry, new: ZoneEntry) -> list[Fault]:
    """Why *new* cannot take the place of *old* (docs/operating.md); its data may always."""
    before, now = old.file.config_version, new.file.config_version
    if now > before or (now == before and new.content == old.content):
        return []
    found = version_text(now) + (" with other contents" if now == before else "")
    expected = f"a version above {version_text(before)}, which is served, or `graydnsctl reload --force`"
    return placed(new.file.document, (Misfit(("config_version",), found, expected),))


def _nowhere(entry: ZoneEntry) -> Path:
    """A key for a zone without a file, at whose place another one may have come to stand."""
    return entry.path.parent / f"{to_text(entry.file.zone)} has vanished"
