"""What differs between two readings: the main file, zones, services and rules by name; whether anything does."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any
from zlib import crc32

from attrs import define, field

from graydns.model.name import to_text
from graydns.model.policy import Rule
from graydns.sources.parser_frames import RULES_PER_CHUNK, PackedRules, unpack_rules
from graydns.sources.reading import Reading, ZoneEntry
from graydns.sources.zone_file import check_serial

#: Names of one kind that are listed; those beyond are counted.
MAX_LISTED_CHANGES = 100

#: By kind (files, zones, services, rules): ``{"added": […], "removed": […], "altered": […], "more": n}``.
ReadingDiff = dict[str, dict[str, Any]]


def diff_readings(before: Reading | None, after: Reading) -> Generator[None, None, ReadingDiff]:
    """What *after* adds, removes and alters, in small steps. *before*: None = nothing."""
    files, zones, services, rules = _KindDiff(), _KindDiff(), _KindDiff(), _KindDiff()
    old = {} if before is None else {entry.config.zone: entry for entry in before.zones.values()}
    new = {entry.config.zone: entry for entry in after.zones.values()}
    zones.compare(old, new, _is_same_zone)
    for zone in dict.fromkeys((*old, *new)):
        earlier, now = old.get(zone), new.get(zone)
        if earlier is now or (earlier and now and earlier.content_digest == now.content_digest):
            continue
        services.compare(
            earlier.config.services if earlier else {}, now.config.services if now else {}, lambda a, b: a == b
        )
        yield
        text = to_text(zone)
        yield from rules.compare_rules(text, earlier.config.rules if earlier else (), now.config.rules if now else ())
    for tenant in dict.fromkeys((*_tenants(before), *_tenants(after))):
        both = _tenants(before).get(tenant), _tenants(after).get(tenant)
        yield from rules.compare_rules(f"tenant {tenant}", *(() if one is None else one.rules for one in both))
    if before is None or before.main.digest != after.main.digest:
        (files.added if before is None else files.altered).append(after.config.file.name)
    kinds = {"files": files, "zones": zones, "services": services, "rules": rules}
    return {name: kind.to_plain() for name, kind in kinds.items()}


def has_changed(before: Reading, after: Reading) -> bool:
    """Whether *before* and *after* would be compiled to different Snapshots."""
    return (
        _content_identity(before) != _content_identity(after)
        or before.config.dnssec != after.config.dnssec  # the trust anchor file is no part of the main file's digest
        or before.geo is not after.geo
        or before.resolv_conf != after.resolv_conf
    )


def find_unchanged_serials(before: Reading, after: Reading) -> Iterator[str]:
    """A warning for each zone whose data has changed although its SOA serial has not."""
    old = {entry.config.zone: entry for entry in before.zones.values()}
    for entry in after.zones.values():
        earlier = old.get(entry.config.zone)
        if earlier is not None and (warning := check_serial(earlier.loaded, entry.loaded)):
            yield warning


@define
class _KindDiff:
    added: list[str] = field(factory=list)
    removed: list[str] = field(factory=list)
    altered: list[str] = field(factory=list)
    more: int = 0

    def compare(self, old: Mapping[bytes, Any], new: Mapping[bytes, Any], same: Any) -> None:
        self._add(self.added, (to_text(name) for name in new if name not in old))
        self._add(self.removed, (to_text(name) for name in old if name not in new))
        self._add(self.altered, (to_text(name) for name in new if name in old and not same(old[name], new[name])))

    def compare_rules(self, owner: str, old: Sequence[Rule], new: Sequence[Rule]) -> Generator[None, None, None]:
        known: dict[str, int] = {}
        shared = set(_rule_chunks(old)) & set(_rule_chunks(new))
        for chunk in _rule_chunks(old):
            if chunk not in shared:
                known.update((row[0], _row_checksum(row)) for row in unpack_rules(chunk))
                yield
        for chunk in _rule_chunks(new):
            if chunk not in shared:
                for row in unpack_rules(chunk):
                    earlier = known.pop(row[0], None)
                    if earlier != _row_checksum(row):
                        self._add(self.added if earlier is None else self.altered, (f"{owner}: {row[0]}",))
                yield
        while known:
            removed = [known.popitem()[0] for _ in range(min(RULES_PER_CHUNK, len(known)))]
            self._add(self.removed, (f"{owner}: {name}" for name in removed))
            yield

    def to_plain(self) -> dict[str, Any]:
        lists = {"added": self.added, "removed": self.removed, "altered": self.altered}
        return {**lists, "more": self.more}

    def _add(self, names: list[str], more: Iterable[str]) -> None:
        for name in more:
            if len(names) < MAX_LISTED_CHANGES:
                names.append(name)
            else:
                self.more += 1


def _is_same_zone(before: ZoneEntry, after: ZoneEntry) -> bool:
    equal = before.content_digest == after.content_digest
    equal = equal and before.config.config_version == after.config.config_version
    return equal and before.loaded.digest == after.loaded.digest


def _tenants(reading: Reading | None) -> Mapping[str, Any]:
    return {} if reading is None else reading.config.tenants


def _rule_chunks(rules: Sequence[Rule]) -> tuple[bytes, ...]:
    return rules.chunks if isinstance(rules, PackedRules) else ()


def _row_checksum(row: tuple[Any, ...]) -> int:
    return crc32(repr(row).encode())


def _content_identity(reading: Reading) -> object:
    zones = {
        entry.config.zone: (entry.content_digest, entry.config.config_version, entry.loaded.digest)
        for entry in reading.zones.values()
    }
    return reading.main.digest, zones
