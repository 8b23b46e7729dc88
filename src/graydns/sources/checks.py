"""What the files say about each other: zones, services and rules of all tenants, zone data; in small steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path

from attrs import define, field

from graydns.config.document import Document
from graydns.config.main import Config
from graydns.config.main_check import unknown_rule_upstreams
from graydns.config.misfit import Misfit
from graydns.config.tenancy import foreign_names, same_rules, same_services, same_zone, unknown_versions
from graydns.config.zone import ZoneFile
from graydns.model.errors import ConfigIssue
from graydns.model.name import to_text
from graydns.model.policy import Rule, ServicePolicy
from graydns.sources.packed import PackedRules, unpack
from graydns.sources.reading import Reading, ZoneEntry
from graydns.sources.zonechecks import check_services

Faults = dict[Path, list[ConfigIssue]]


def check(reading: Reading) -> Generator[None, None, Faults]:
    """What is wrong in *reading*, by file."""
    work = _Checks(reading.config)
    for entry in reading.zones.values():
        yield from work.zone(entry)
    for entry in reading.zones.values():
        work.add(entry.file, foreign_names(entry.file, work.by_name))
        yield
    if not reading.faults and not work.faults:
        yield from work.tenants([entry.file for entry in reading.zones.values()])
    return work.faults


def placed(document: Document, misfits: Iterable[Misfit]) -> list[ConfigIssue]:
    """*misfits* with line and column, unless *document* is too large to be searched here: then line 0."""
    found = tuple(misfits)
    if document.data and found:
        return document.locate_all(found)
    return [misfit.fault(document.file, 0, 0) for misfit in found]


@define
class _Checks:
    config: Config
    faults: Faults = field(factory=lambda: defaultdict(list))
    by_name: dict[bytes, ZoneFile] = field(factory=dict)
    _owners: dict[bytes, ZoneFile] = field(factory=dict)

    def add(self, zone: ZoneFile, misfits: Iterable[Misfit]) -> None:
        """Note *misfits* in the file of *zone*."""
        if found := placed(zone.document, misfits):
            self.faults[zone.file] += found

    def zone(self, entry: ZoneEntry) -> Iterator[None]:
        """What can be said of one zone, its data and those before it."""
        zone = entry.file
        self.add(zone, [*same_zone(zone, self.by_name), *same_services(zone, self._owners)])
        yield
        tenant = self.config.tenants.get(zone.tenant_id)
        taken = {rule.name for rule in tenant.rules} if tenant else set()
        if (yield from _repeats(zone.rules, taken)):
            self.add(zone, same_rules(zone, self.config))
        if not entry.upstreams <= self.config.upstreams.keys():
            self.add(zone, (it.under("rules") for it in unknown_rule_upstreams(zone.rules, self.config)))
        self.by_name.setdefault(zone.zone, zone)
        for name, service in zone.services.items():
            conflicts = check_services(entry.zone, {name: service})
            self.add(zone, [Misfit(fault.path, fault.found, fault.expected) for fault in conflicts])
            if self.config.consul is None:
                self.add(zone, _without_consul(to_text(name), service))
            yield

    def tenants(self, zones: Sequence[ZoneFile]) -> Iterator[None]:
        """What the tenants' own rules need of all zones."""
        if found := placed(self.config.document, unknown_versions(self.config, zones)):
            self.faults[self.config.file] += found
        yield


def _without_consul(name: str, service: ServicePolicy) -> Iterator[Misfit]:
    """Versions from a Consul of which the main file says nothing."""
    for version, written in service.versions.items():
        if written.consul is not None:
            path = ("services", name, "versions", version, "consul")
            yield Misfit(path, f"instances of {written.consul.description}", "a section 'consul' in graydns.yaml", True)


def _repeats(rules: Sequence[Rule], taken: set[str]) -> Generator[None, None, bool]:
    """Whether one of *rules* has a name of *taken*."""
    if taken and isinstance(rules, PackedRules):
        for chunk in rules.chunks:
            if any(row[0] in taken for row in unpack(chunk)):
                return True
            yield
    return False
