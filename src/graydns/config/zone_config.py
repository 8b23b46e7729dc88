"""ZoneConfig: a loaded zone-config.yaml."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any

from attrs import field, frozen

from graydns.config.address import read_name, read_path
from graydns.config.document import Document
from graydns.config.issues import IssueCollector, ValidationIssue, make_validation_error
from graydns.config.policy_schema import check_rule_names
from graydns.config.scalar import KeywordSet, TenantName, read_version_number
from graydns.model import name
from graydns.model.policy import Rule, ServicePolicy

#: The kind of source that reads zone files.
FILE_KIND = "file"

_KIND_PATTERN = re.compile(r"[a-z][a-z0-9_-]{0,31}")


@frozen
class ZoneSourceSettings:
    """Where the records of a zone come from. *kind*: of a record source; *options*: what stands under it, as read.

    *file*: below the zone's folder, for ``file``; None for other kinds.
    """

    kind: str
    options: Any = None
    file: pathlib.Path | None = None


def read_source(value: object, /) -> ZoneSourceSettings:
    """``{file: shop.test.zone}``, or one key of another kind with the options that its record source takes."""
    if not isinstance(value, dict) or len(value) != 1:
        raise make_validation_error(value, "one key: file, or the kind of another record source")
    ((kind, options),) = value.items()
    if not isinstance(kind, str) or not _KIND_PATTERN.fullmatch(kind):
        raise make_validation_error(value, "one key: file, or the kind of another record source")
    if kind != FILE_KIND:
        return ZoneSourceSettings(kind, options)
    wrong = IssueCollector()
    with wrong.collect_at(FILE_KIND):
        file = read_path(options)
    wrong.raise_collected()
    return ZoneSourceSettings(kind, str(file), file)


@frozen
class ZoneSettings:
    """The keys of zone-config.yaml. *services*: by name; *delegates*: names that other tenants may have below."""

    zone: Annotated[bytes, read_name]
    tenant_id: Annotated[str, TenantName()]
    config_version: Annotated[tuple[int, ...], read_version_number]
    source: Annotated[ZoneSourceSettings, read_source]
    isolation_level: Annotated[frozenset[str], KeywordSet(("network", "storage", "compute"))] = frozenset()
    services: Mapping[Annotated[bytes, read_name], ServicePolicy] = field(factory=dict)
    rules: tuple[Rule, ...] = ()
    delegates: tuple[Annotated[bytes, read_name], ...] = ()


@frozen(kw_only=True)
class ZoneConfig:
    """A loaded zone-config.yaml.

    *path*: where it was read from; *folder*: the zone's folder, resolved: nothing outside it belongs to the zone.
    *source*: where its records come from; *source_file*: that file, resolved, None = no file. *zone*, *services*,
    *delegates*: see ``model.name``.
    """

    path: pathlib.Path
    folder: pathlib.Path
    zone: bytes
    tenant_id: str
    isolation: frozenset[str]
    config_version: tuple[int, ...]
    source: ZoneSourceSettings
    source_file: pathlib.Path | None
    services: Mapping[bytes, ServicePolicy]
    rules: Sequence[Rule]
    delegates: tuple[bytes, ...]
    document: Document = field(eq=False, repr=False)


def check_zone_settings(zone: ZoneSettings, broken: Collection[str]) -> Iterator[ValidationIssue]:
    """What the keys of one zone say about each other."""
    for issue in check_rule_names(zone.rules):
        yield issue.under("rules")
    text = name.to_text(zone.zone)
    for owner, service in zone.services.items():
        path = ("services", name.to_text(owner))
        if not name.is_within(owner, zone.zone):
            yield ValidationIssue(path, "a service outside the zone", f"{text} or a name below it", True)
        if owner == zone.zone and any("CNAME" in records for records in iterate_service_records(service)):
            yield ValidationIssue(path, "a CNAME at the zone's own name", "other types there, beside SOA and NS", True)
    for index, delegate in enumerate(zone.delegates):
        if delegate == zone.zone or not name.is_within(delegate, zone.zone):
            yield ValidationIssue(("delegates", index), name.to_text(delegate), f"a name below {text}")
    if "services" not in broken:
        yield from check_zone_rule_versions(zone)


def iterate_service_records(service: ServicePolicy) -> Iterator[Mapping[str, tuple[str, ...]]]:
    """The records of every endpoint."""
    for version in service.versions.values():
        for endpoint in version.endpoints:
            yield endpoint.records


def check_zone_rule_versions(zone: ZoneSettings) -> Iterator[ValidationIssue]:
    """Versions that a rule names and no service of the zone has."""
    known = {version for service in zone.services.values() for version in service.versions}
    for index, rule in enumerate(zone.rules):
        if rule.then.version is not None and rule.then.version not in known:
            expected = f"a version of a service of this zone ({', '.join(sorted(known)) or 'there are none'})"
            yield ValidationIssue(
                ("rules", index, "then", "version"), f"the unknown version {rule.then.version!r}", expected
            )
