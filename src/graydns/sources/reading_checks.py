"""What the files say about each other: zones, services and rules of all tenants, zone data; in small steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Sequence

from attrs import define, field

from graydns.config.cross_checks import (
    check_delegated_names,
    check_rule_upstreams,
    check_tenant_rule_versions,
    check_unique_rules,
    check_unique_services,
    check_unique_zone,
    list_rule_upstreams,
)
from graydns.config.document import Document
from graydns.config.issues import ValidationIssue
from graydns.config.settings import Config
from graydns.config.zone_config import ZoneConfig
from graydns.model.errors import ConfigIssue, SourceId
from graydns.model.name import to_text
from graydns.model.policy import Rule, ServicePolicy
from graydns.resolve.pipeline import check_extensions
from graydns.sources.parser_frames import PackedRules, unpack_rules
from graydns.sources.reading import Reading, ZoneEntry
from graydns.sources.zone_checks import check_zone_services

IssueListsBySource = dict[SourceId, list[ConfigIssue]]


def check_reading(reading: Reading) -> Generator[None, None, IssueListsBySource]:
    """The issues of *reading*, by source."""
    work = _ReadingChecks(reading.config)
    if found := to_config_issues(reading.config.document, check_extensions(reading.config)):
        work.issues[SourceId(str(reading.config.file))] += found
    for entry in reading.zones.values():
        yield from work.check_zone(entry)
    for entry in reading.zones.values():
        work.add_issues(entry.config, check_delegated_names(entry.config, work.by_name))
        yield
    if not reading.issues and not work.issues:
        yield from work.check_tenants([entry.config for entry in reading.zones.values()])
    return work.issues


def to_config_issues(document: Document, issues: Iterable[ValidationIssue]) -> list[ConfigIssue]:
    """*issues* with line and column, unless *document* is too large to be searched here: then line 0."""
    found = tuple(issues)
    if document.data and found:
        return document.locate_all(found)
    return [issue.to_config_issue(document.file, 0, 0) for issue in found]


@define
class _ReadingChecks:
    config: Config
    issues: IssueListsBySource = field(factory=lambda: defaultdict(list))
    by_name: dict[bytes, ZoneConfig] = field(factory=dict)
    _owners: dict[bytes, ZoneConfig] = field(factory=dict)

    def add_issues(self, zone: ZoneConfig, issues: Iterable[ValidationIssue]) -> None:
        """Add *issues* of the file of *zone*."""
        if found := to_config_issues(zone.document, issues):
            self.issues[SourceId(str(zone.path))] += found

    def check_zone(self, entry: ZoneEntry) -> Iterator[None]:
        """What can be said of one zone, its data and those before it."""
        zone = entry.config
        self.add_issues(zone, [*check_unique_zone(zone, self.by_name), *check_unique_services(zone, self._owners)])
        yield
        tenant = self.config.tenants.get(zone.tenant_id)
        taken = {rule.name for rule in tenant.rules} if tenant else set()
        if (yield from _has_taken_name(zone.rules, taken)):
            self.add_issues(zone, check_unique_rules(zone, self.config))
        if not entry.upstreams <= list_rule_upstreams(self.config):
            self.add_issues(zone, (it.under("rules") for it in check_rule_upstreams(zone.rules, self.config)))
        self.by_name.setdefault(zone.zone, zone)
        for name, service in zone.services.items():
            conflicts = check_zone_services(entry.zone, {name: service})
            self.add_issues(zone, [ValidationIssue(fault.path, fault.found, fault.expected) for fault in conflicts])
            if self.config.consul is None:
                self.add_issues(zone, _check_consul_configured(to_text(name), service))
            yield

    def check_tenants(self, zones: Sequence[ZoneConfig]) -> Iterator[None]:
        """What the tenants' own rules need of all zones."""
        if found := to_config_issues(self.config.document, check_tenant_rule_versions(self.config, zones)):
            self.issues[SourceId(str(self.config.file))] += found
        yield


def _check_consul_configured(name: str, service: ServicePolicy) -> Iterator[ValidationIssue]:
    """Versions from a Consul of which the main file says nothing."""
    for version, written in service.versions.items():
        if written.consul is not None:
            path = ("services", name, "versions", version, "consul")
            yield ValidationIssue(
                path, f"instances of {written.consul.description}", "a section 'consul' in graydns.yaml", True
            )


def _has_taken_name(rules: Sequence[Rule], taken: set[str]) -> Generator[None, None, bool]:
    """Whether one of *rules* has a name of *taken*."""
    if taken and isinstance(rules, PackedRules):
        for chunk in rules.chunks:
            if any(row[0] in taken for row in unpack_rules(chunk)):
                return True
            yield
    return False
