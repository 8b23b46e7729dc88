"""From what users wrote to a Snapshot: routers by tenant, upstream groups, the forwarding table."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

from attrs import field, frozen

from graydns.authority.zone_data import ZoneTable
from graydns.config.address import SystemResolvers
from graydns.config.loader import ZoneConfig
from graydns.config.settings import Config
from graydns.gray.geo import GeoLocator
from graydns.gray.policy_compiler import ZonePolicy
from graydns.gray.policy_compiler import compile_policy as router_steps
from graydns.gray.router import Router
from graydns.model.client import DEFAULT_TENANT
from graydns.model.errors import ConfigError, ConfigIssue
from graydns.model.policy import Rule
from graydns.snapshot.consul_domain import find_hidden_names
from graydns.snapshot.snapshot import Snapshot
from graydns.upstream.server_groups import (
    ForwardTable,
    ListeningAddress,
    UpstreamGroup,
    UpstreamServer,
    find_forwarding_loops,
    parse_resolv_conf,
)


@frozen
class OverlayRules:
    """Rules of *tenant* that no file has, beside its own ones. *place*: what their faults have for a file."""

    tenant: str
    rules: tuple[Rule, ...]
    location: str


@frozen
class SnapshotInputs:
    """All that a Snapshot is made from.

    *resolv_conf*: contents of that file, for servers called ``system``. *contents*: digests of what the zones' files
    mean, by zone; *rules*: of the tenants' own rules. Where they are given, a tenant whose digests are those of the
    Snapshot before keeps its Router. *routes*: rules from elsewhere.
    """

    config: Config
    zone_files: tuple[ZoneConfig, ...] = field(repr=False)
    zones: ZoneTable = field(repr=False)
    geo: GeoLocator | None = field(default=None, repr=False)
    resolv_conf: str = field(default="", repr=False)
    zone_digests: Mapping[bytes, bytes] = field(factory=dict, repr=False)
    rule_digests: Mapping[str, bytes] = field(factory=dict, repr=False)
    overlay: OverlayRules | None = field(default=None, repr=False)

    def tenant_rules(self, tenant: str) -> tuple[Rule, ...]:
        """The rules over all zones of *tenant* that the main file has."""
        return self.config.tenants[tenant].rules if tenant in self.config.tenants else ()

    def overlay_rules(self, tenant: str) -> tuple[Rule, ...]:
        """Those that come after them."""
        return self.overlay.rules if self.overlay is not None and self.overlay.tenant == tenant else ()


def compile_snapshot(
    number: int, inputs: SnapshotInputs, before: Snapshot | None = None
) -> Generator[None, None, Snapshot]:
    """Compile *inputs* in small steps, sharing with *before* what is the same.

    Raises ConfigError with every fault; those of zone files, and of tenants' rules, have no line yet.
    """
    config = inputs.config
    faults: list[ConfigIssue] = []
    groups = dict(_upstream_groups(inputs))
    faults += _find_forwarding_loops(config, groups)
    yield
    routers: dict[str, Router] = {}
    marks: dict[str, object] = {}
    for tenant in _tenant_names(inputs):
        mark = marks[tenant] = _fingerprint_policy(tenant, inputs)
        if before is not None and mark is not None and before.policy_fingerprints.get(tenant) == mark:
            routers[tenant] = before.routers[tenant]
            continue
        try:
            routers[tenant] = yield from _compile_router(tenant, inputs)
        except ConfigError as error:
            faults += _locate_issues(error.issues, tenant, inputs)
    if faults:
        raise ConfigError(faults)
    warnings = [warning for router in routers.values() for warning in router.warnings]
    if config.consul is not None:
        for warning in find_hidden_names(inputs.zones, config.consul.domain):
            warnings += () if warning is None else (warning,)
            yield
    by_suffix = {suffix: groups[upstream] for suffix, upstream in config.forward.items()}
    return Snapshot(
        number=number,
        config=config,
        zones=inputs.zones,
        tenant_by_zone={zone.zone: zone.tenant_id for zone in inputs.zone_files},
        routers=routers,
        forward=ForwardTable(by_suffix, groups),
        zone_files=inputs.zone_files,
        warnings=tuple(warnings),
        policy_fingerprints=marks,
    )


def _upstream_groups(inputs: SnapshotInputs) -> Iterator[tuple[str, UpstreamGroup]]:
    cache = inputs.config.cache
    for name, upstream in inputs.config.upstreams.items():
        servers: list[UpstreamServer] = []
        for server in upstream.servers:
            if isinstance(server, SystemResolvers):
                servers += parse_resolv_conf(inputs.resolv_conf)
            else:
                servers.append(UpstreamServer(server.host, server.port, server.transport, server.server_name))
        yield (
            name,
            UpstreamGroup(
                name,
                tuple(dict.fromkeys(servers)),
                upstream.deadline,
                upstream.ecs,
                upstream.tags,
                max_ttl=cache.max_ttl,
                negative_ttl=cache.negative_ttl,
            ),
        )


def _find_forwarding_loops(config: Config, groups: Mapping[str, UpstreamGroup]) -> Iterator[ConfigIssue]:
    """Servers that are doors of ours, so that every question would come back."""
    doors = [*config.listen, *(door for tenant in config.tenants.values() for door in tenant.listen)]
    listeners = [ListeningAddress(door.transport, door.host, door.port) for door in doors]
    for name, group in groups.items():
        for server, listener in find_forwarding_loops(group.servers, listeners):
            found = (
                f"{server}, which is graydns itself ({listener.transport.format_url(listener.address, listener.port)})"
            )
            fault = ConfigIssue(("upstreams", name, "servers"), found, "a server other than graydns itself")
            yield config.document.locate(fault)


def _tenant_names(inputs: SnapshotInputs) -> Iterable[str]:
    """Every tenant that has a name."""
    named = (zone.tenant_id for zone in inputs.zone_files)
    return dict.fromkeys((DEFAULT_TENANT, *inputs.config.tenants, *named))


def _fingerprint_policy(tenant: str, inputs: SnapshotInputs) -> object:
    """What is equal for equal policies of *tenant*; None if that cannot be told."""
    zones = sorted(zone.zone for zone in inputs.zone_files if zone.tenant_id == tenant)
    if not inputs.zone_digests.keys() >= set(zones) or (
        tenant in inputs.config.tenants and tenant not in inputs.rule_digests
    ):
        return None
    # The database itself stands for its contents: it is opened anew whenever its file changes.
    contents = tuple((zone, inputs.zone_digests[zone]) for zone in zones)
    return contents, inputs.rule_digests.get(tenant), inputs.overlay_rules(tenant), inputs.geo


def _compile_router(tenant: str, inputs: SnapshotInputs) -> Generator[None, None, Router]:
    files = [zone for zone in inputs.zone_files if zone.tenant_id == tenant]
    policies = [ZonePolicy(zone.zone, zone.services, zone.rules, file=str(zone.path)) for zone in files]
    rules = (*inputs.tenant_rules(tenant), *inputs.overlay_rules(tenant))
    return (yield from router_steps(tenant, policies, rules, inputs.geo))


def _locate_issues(faults: Sequence[ConfigIssue], tenant: str, inputs: SnapshotInputs) -> Iterator[ConfigIssue]:
    """*faults* of a Router; those that name no file are of the tenant's own rules, in the main file, or ``routes``."""
    own = len(inputs.tenant_rules(tenant))
    for fault in faults:
        at = fault.path[1] if len(fault.path) > 1 else 0
        if fault.file:
            yield fault
        elif inputs.overlay is not None and isinstance(at, int) and at >= own:
            yield ConfigIssue((at - own, *fault.path[2:]), fault.found, fault.expected, inputs.overlay.location)
        else:
            yield ConfigIssue(("tenants", tenant, *fault.path), fault.found, fault.expected, str(inputs.config.file))
