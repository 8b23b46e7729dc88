"""What zones say about each other and about the main file: whose name is whose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from graydns.config.main import Config
from graydns.config.main_check import unknown_rule_upstreams
from graydns.config.misfit import Misfit
from graydns.config.zone import ZoneFile
from graydns.model import name
from graydns.model.errors import ConfigIssue, IssuePath


def tenancy_faults(config: Config, zones: Sequence[ZoneFile], *, complete: bool) -> Iterator[ConfigIssue]:
    """Faults across *zones*; *complete*: all zone files were readable, so what is missing here is missing."""
    by_name: dict[bytes, ZoneFile] = {}
    owners: dict[bytes, ZoneFile] = {}
    for zone in zones:
        found = [*same_zone(zone, by_name), *same_services(zone, owners), *same_rules(zone, config)]
        found += [misfit.under("rules") for misfit in unknown_rule_upstreams(zone.rules, config)]
        by_name.setdefault(zone.zone, zone)
        if found:
            yield from zone.document.locate_all(found)
    for zone in zones:
        if found := list(foreign_names(zone, by_name)):
            yield from zone.document.locate_all(found)
    if complete and (found := list(unknown_versions(config, zones))):
        yield from config.document.locate_all(found)


def same_zone(zone: ZoneFile, by_name: Mapping[bytes, ZoneFile]) -> Iterator[Misfit]:
    """Yield the zone's name if another file has it already."""
    if other := by_name.get(zone.zone):
        yield Misfit(("zone",), f"{name.to_text(zone.zone)!r}, also in {other.file}", "each zone in one file")


def same_services(zone: ZoneFile, owners: dict[bytes, ZoneFile]) -> Iterator[Misfit]:
    """Yield services that another zone has already; take the others into *owners*."""
    for service in zone.services:
        other = owners.setdefault(service, zone)
        if other is not zone:
            text = name.to_text(service)
            yield Misfit(("services", text), f"{text!r}, also in {other.file}", "each service in one file", True)


def same_rules(zone: ZoneFile, config: Config) -> Iterator[Misfit]:
    """Yield rules named like one of the tenant's own: both see the same queries, and their names tell them apart."""
    tenant = config.tenants.get(zone.tenant_id)
    taken = {rule.name for rule in tenant.rules} if tenant else set()
    for index, rule in enumerate(zone.rules):
        if rule.name in taken:
            found = f"the rule {rule.name!r}, also in the rules of the tenant {zone.tenant_id!r}"
            yield Misfit(("rules", index, "name"), found, "a name of its own for each rule")


def foreign_names(zone: ZoneFile, by_name: Mapping[bytes, ZoneFile]) -> Iterator[Misfit]:
    """Yield the zone's name and its services that are below another tenant's zone without its leave."""
    if other := refusing(zone.zone, zone.tenant_id, by_name):
        yield intrusion(("zone",), zone.zone, other)
    for service in zone.services:
        if other := refusing(service, zone.tenant_id, by_name):
            yield intrusion(("services", name.to_text(service)), service, other)


def refusing(owner: bytes, tenant_id: str, by_name: Mapping[bytes, ZoneFile]) -> ZoneFile | None:
    """The nearest zone around *owner* that belongs to another tenant and does not delegate it."""
    zones = (by_name[suffix] for suffix in name.suffixes(owner) if suffix in by_name)
    others = (zone for zone in zones if zone.tenant_id != tenant_id)
    return next((zone for zone in others if not any(name.is_within(owner, top) for top in zone.delegates)), None)


def intrusion(path: IssuePath, owner: bytes, other: ZoneFile) -> Misfit:
    """The misfit for *owner*, a name that stands below *other*."""
    text, above = name.to_text(owner), name.to_text(other.zone)
    expected = f"it in the 'delegates' of {above!r}, a zone of the tenant {other.tenant_id!r}"
    return Misfit(path, f"{text!r}, a name below another tenant's zone", expected, path[0] == "services")


def unknown_versions(config: Config, zones: Sequence[ZoneFile]) -> Iterator[Misfit]:
    """Yield versions that a tenant's own rules name and that no service in its zones has."""
    for tenant_id, tenant in config.tenants.items():
        mine = [service for zone in zones if zone.tenant_id == tenant_id for service in zone.services.values()]
        known = {version for service in mine for version in service.versions}
        for index, rule in enumerate(tenant.rules):
            if rule.then.version is not None and rule.then.version not in known:
                expected = f"a version of a service of this tenant ({', '.join(sorted(known)) or 'there are none'})"
                path = ("tenants", tenant_id, "rules", index, "then", "version")
                yield Misfit(path, f"the unknown version {rule.then.version!r}", expected)
