"""What differs between two readings: the main file, zones, services and rules by name, in small steps."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any
from zlib import crc32

from attrs import define, field

from graydns.model.name import to_text
from graydns.model.policy import Rule
from graydns.sources.parser_frames import RULES_PER_CHUNK, PackedRules, unpack_rules
from graydns.sources.reading import Reading, ZoneEntry

#: Names of one kind that are kept; of the others the number.
MAX_LISTED_CHANGES = 100

#: By kind (files, zones, services, rules): ``{"added": […], "removed": […], "altered": […], "more": n}``.
ReadingDiff = dict[str, dict[str, Any]]


def diff_readings(before: Reading | None, after: Reading) -> Generator[None, None, ReadingDiff]:
    """What is new, gone or different in *after*; *before* None: nothing was there."""
    files, zones, services, rules = _KindDiff(), _KindDiff(), _KindDiff(), _KindDiff()
    old = {} if before is None else {entry.config.zone: entry for entry in before.zones.values()}
    new = {entry.config.zone: entry for entry in after.zones.values()}
    zones.compare(old, new, _is_same_zone)
    for zone in dict.fromkeys((*old, *new)):
        was, now = old.get(zone), new.get(zone)
        if was is now or (was is not None and now is not None and was.content_digest == now.content_digest):
            continue
        services.compare(was.config.services if was else {}, now.config.services if now else {}, lambda a, b: a == b)
        yield
        text = to_text(zone)
        yield from rules.compare_rules(text, was.config.rules if was else (), now.config.rules if now else ())
    for tenant in dict.fromkeys((*_tenants(before), *_tenants(after))):
        mine = _tenants(before).get(tenant), _tenants(after).get(tenant)
        yield from rules.compare_rules(f"tenant {tenant}", *(() if one is None else one.rules for one in mine))
    if before is None or before.main.digest != after.main.digest:
        (files.added if before is None else files.altered).append(after.config.file.name)
    kinds = {"files": files, "zones": zones, "services": services, "rules": rules}
    return {name: kind.to_plain() for name, kind in kinds.items()}


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

    def compare_rules(self, place: str, old: Sequence[Rule], new: Sequence[Rule]) -> Generator[None, None, None]:
        known: dict[str, int] = {}
        shared = set(_rule_chunks(old)) & set(_rule_chunks(new))
        for chunk in _rule_chunks(old):
            if chunk not in shared:
                known.update((row[0], _row_checksum(row)) for row in unpack_rules(chunk))
                yield
        for chunk in _rule_chunks(new):
            if chunk not in shared:
                for row in unpack_rules(chunk):
                    was = known.pop(row[0], None)
                    if was != _row_checksum(row):
                        self._add(self.added if was is None else self.altered, (f"{place}: {row[0]}",))
                yield
        while known:
            gone = [known.popitem()[0] for _ in range(min(RULES_PER_CHUNK, len(known)))]
            self._add(self.removed, (f"{place}: {name}" for name in gone))
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


def _is_same_zone(was: ZoneEntry, now: ZoneEntry) -> bool:
    equal = was.content_digest == now.content_digest and was.config.config_version == now.config.config_version
    return equal and was.loaded.digest == now.loaded.digest


def _tenants(reading: Reading | None) -> Mapping[str, Any]:
    return {} if reading is None else reading.config.tenants


def _rule_chunks(rules: Sequence[Rule]) -> tuple[bytes, ...]:
    return rules.chunks if isinstance(rules, PackedRules) else ()


def _row_checksum(row: tuple[Any, ...]) -> int:
    return crc32(repr(row).encode())
