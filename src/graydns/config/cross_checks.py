"""What the keys of graydns.yaml say about each other.

What zones say about each other and about the main file: whose name is whose.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from graydns.config.address import ListenEndpoint, Network
from graydns.config.issues import ValidationIssue
from graydns.config.policy_schema import check_rule_names
from graydns.config.settings import Config, MainSettings
from graydns.config.zone_config import ZoneConfig
from graydns.model import name
from graydns.model.errors import IssuePath
from graydns.model.name import to_text
from graydns.model.policy import Rule

#: What an upstream that is an IResolver lacks, in messages.
UNSIGNED_UPSTREAM = "as dnssec.validate is true and an IResolver gives no signatures,"


def check_settings(settings: MainSettings, broken: Collection[str]) -> Iterator[ValidationIssue]:
    """Yield all that is wrong across keys; keys in *broken* are not checked again."""
    yield from check_listen_endpoints(settings, broken)
    yield from check_upstream_servers(settings)
    yield from check_tenant_networks(settings)
    for tenant_id, tenant in settings.tenants.items():
        for issue in check_rule_names(tenant.rules):
            yield issue.under("tenants", tenant_id, "rules")
    if "upstreams" not in broken:
        yield from check_upstream_names(settings)


def list_listen_endpoints(settings: MainSettings) -> Iterator[tuple[IssuePath, ListenEndpoint]]:
    """Every endpoint that graydns listens on, and its place in the file."""
    for index, door in enumerate(settings.listen):
        yield ("listen", index), door
    for tenant_id, tenant in settings.tenants.items():
        for index, door in enumerate(tenant.listen):
            yield ("tenants", tenant_id, "listen", index), door
    if settings.http is not None:
        yield ("http",), settings.http
    if isinstance(settings.admin, ListenEndpoint):
        yield ("admin",), settings.admin


def check_listen_endpoints(settings: MainSettings, broken: Collection[str]) -> Iterator[ValidationIssue]:
    """Endpoints that are taken already, and TLS without a certificate."""
    if not settings.listen:
        yield ValidationIssue(("listen",), "an empty list", "at least one endpoint to listen on")
    taken: dict[tuple[bool, str, int], str] = {}
    for path, door in list_listen_endpoints(settings):
        if door.transport.is_encrypted and settings.tls is None and "tls" not in broken:
            yield ValidationIssue(path, str(door), "'tls' with a certificate and key, or no tls:// endpoint")
        place = (door.transport.is_datagram, door.host, door.port)
        if door.port and place in taken:
            yield ValidationIssue(path, str(door), f"an address and port other than {taken[place]}")
        taken.setdefault(place, str(door))


def check_upstream_servers(settings: MainSettings) -> Iterator[ValidationIssue]:
    """Upstreams without servers, or with keys that a resolver cannot honour."""
    for upstream_name, upstream in settings.upstreams.items():
        path = ("upstreams", upstream_name)
        if upstream.resolver is None:
            if upstream.servers is None:
                yield ValidationIssue(path, "no key 'servers'", "'servers' or 'resolver'")
            elif not upstream.servers:
                yield ValidationIssue((*path, "servers"), "an empty list", "at least one server")
            continue
        if upstream.servers is not None:
            yield ValidationIssue((*path, "resolver"), "'servers' and 'resolver'", "one of the two")
        for key, value in (("ecs", upstream.ecs), ("tags", upstream.tags)):
            if value:
                yield ValidationIssue((*path, key), "true", "false: an IResolver is sent neither subnets nor tags")


def check_tenant_networks(settings: MainSettings) -> Iterator[ValidationIssue]:
    """Networks that two tenants call their clients."""
    owners: dict[Network, str] = {}
    for tenant_id, tenant in settings.tenants.items():
        for index, network in enumerate(tenant.clients):
            owner = owners.setdefault(network, tenant_id)
            if owner != tenant_id:
                path = ("tenants", tenant_id, "clients", index)
                yield ValidationIssue(path, f"{network}, also of the tenant {owner!r}", "a network of one tenant")


def check_upstream_names(settings: MainSettings) -> Iterator[ValidationIssue]:
    """Upstreams that are named and do not exist."""
    lasting = {anchor.name for anchor in settings.dnssec.negative_trust_anchors if anchor.until is None}
    for suffix, upstream in settings.forward.items():
        path = ("forward", to_text(suffix))
        if upstream not in settings.upstreams:
            yield make_unknown_upstream_issue(path, upstream, settings)
        elif not can_validate(upstream, settings) and lasting.isdisjoint(name.suffixes(suffix)):
            expected = f"{UNSIGNED_UPSTREAM} a negative trust anchor without 'until' at or above {to_text(suffix)!r}"
            yield ValidationIssue(path, f"the upstream {upstream!r}, an IResolver", expected)
    for tenant_id, tenant in settings.tenants.items():
        for issue in check_rule_upstreams(tenant.rules, settings):
            yield issue.under("tenants", tenant_id, "rules")


def check_rule_upstreams(rules: Iterable[Rule], settings: MainSettings) -> Iterator[ValidationIssue]:
    """Upstreams that rules name and that do not exist; paths start at the list of rules."""
    for index, rule in enumerate(rules):
        if rule.then.upstream is not None and rule.then.upstream not in settings.upstreams:
            yield make_unknown_upstream_issue((index, "then", "upstream"), rule.then.upstream, settings)
        elif rule.then.upstream is not None and not can_validate(rule.then.upstream, settings):
            found = f"the upstream {rule.then.upstream!r}, an IResolver"
            yield ValidationIssue((index, "then", "upstream"), found, f"{UNSIGNED_UPSTREAM} an upstream with 'servers'")


def can_validate(upstream: str, settings: MainSettings) -> bool:
    """Whether answers of *upstream* can be validated, or need not be. An IResolver gives no DNSSEC records."""
    return not settings.dnssec.validate or settings.upstreams[upstream].resolver is None


def list_rule_upstreams(settings: MainSettings) -> set[str]:
    """The upstreams that rules may name."""
    return {upstream for upstream in settings.upstreams if can_validate(upstream, settings)}


def make_unknown_upstream_issue(path: IssuePath, upstream: str, settings: MainSettings) -> ValidationIssue:
    """The issue for one such name."""
    known = ", ".join(settings.upstreams) or "there are none"
    return ValidationIssue(path, f"the unknown upstream {upstream!r}", f"a name from 'upstreams' ({known})")


def check_unique_zone(zone: ZoneConfig, by_name: Mapping[bytes, ZoneConfig]) -> Iterator[ValidationIssue]:
    """Yield the zone's name if another file has it already."""
    if other := by_name.get(zone.zone):
        yield ValidationIssue(("zone",), f"{name.to_text(zone.zone)!r}, also in {other.path}", "each zone in one file")


def check_unique_services(zone: ZoneConfig, owners: dict[bytes, ZoneConfig]) -> Iterator[ValidationIssue]:
    """Yield services that another zone has already; take the others into *owners*."""
    for service in zone.services:
        other = owners.setdefault(service, zone)
        if other is not zone:
            text = name.to_text(service)
            yield ValidationIssue(
                ("services", text), f"{text!r}, also in {other.path}", "each service in one file", True
            )


def check_unique_rules(zone: ZoneConfig, config: Config) -> Iterator[ValidationIssue]:
    """Yield rules named like one of the tenant's own: both see the same queries, and their names tell them apart."""
    tenant = config.tenants.get(zone.tenant_id)
    taken = {rule.name for rule in tenant.rules} if tenant else set()
    for index, rule in enumerate(zone.rules):
        if rule.name in taken:
            found = f"the rule {rule.name!r}, also in the rules of the tenant {zone.tenant_id!r}"
            yield ValidationIssue(("rules", index, "name"), found, "a name of its own for each rule")


def check_delegated_names(zone: ZoneConfig, by_name: Mapping[bytes, ZoneConfig]) -> Iterator[ValidationIssue]:
    """Yield the zone's name and its services that are below another tenant's zone without its leave."""
    if other := find_undelegating_zone(zone.zone, zone.tenant_id, by_name):
        yield make_undelegated_issue(("zone",), zone.zone, other)
    for service in zone.services:
        if other := find_undelegating_zone(service, zone.tenant_id, by_name):
            yield make_undelegated_issue(("services", name.to_text(service)), service, other)


def find_undelegating_zone(owner: bytes, tenant_id: str, by_name: Mapping[bytes, ZoneConfig]) -> ZoneConfig | None:
    """The nearest zone around *owner* that belongs to another tenant and does not delegate it."""
    zones = (by_name[suffix] for suffix in name.suffixes(owner) if suffix in by_name)
    others = (zone for zone in zones if zone.tenant_id != tenant_id)
    return next((zone for zone in others if not any(name.is_within(owner, top) for top in zone.delegates)), None)


def make_undelegated_issue(path: IssuePath, owner: bytes, other: ZoneConfig) -> ValidationIssue:
    """The issue for *owner*, a name that stands below *other*."""
    text, above = name.to_text(owner), name.to_text(other.zone)
    expected = f"it in the 'delegates' of {above!r}, a zone of the tenant {other.tenant_id!r}"
    return ValidationIssue(path, f"{text!r}, a name below another tenant's zone", expected, path[0] == "services")


def check_tenant_rule_versions(config: Config, zones: Sequence[ZoneConfig]) -> Iterator[ValidationIssue]:
    """Yield versions that a tenant's own rules name and that no service in its zones has."""
    for tenant_id, tenant in config.tenants.items():
        mine = [service for zone in zones if zone.tenant_id == tenant_id for service in zone.services.values()]
        known = {version for service in mine for version in service.versions}
        for index, rule in enumerate(tenant.rules):
            if rule.then.version is not None and rule.then.version not in known:
                expected = f"a version of a service of this tenant ({', '.join(sorted(known)) or 'there are none'})"
                path = ("tenants", tenant_id, "rules", index, "then", "version")
                yield ValidationIssue(path, f"the unknown version {rule.then.version!r}", expected)
