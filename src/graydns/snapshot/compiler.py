"""Compiles configuration, zones and policies into a Snapshot: routers by tenant, upstream groups, forwarding table."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

from attrs import field, frozen

from graydns.authority.zone_data import ZoneTable
from graydns.config.address import SystemResolvers
from graydns.config.settings import Config
from graydns.config.zone_config import ZoneConfig
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
    """Rules of *tenant* that are in no file. *location*: named in their issues in place of a file."""

    tenant: str
    rules: tuple[Rule, ...]
    location: str


@frozen
class SnapshotInputs:
    """Everything that a Snapshot is compiled from.

    *resolv_conf*: contents of that file, for servers called ``system``. *zone_digests*: of the meaning of zone files,
    by zone; *rule_digests*: of tenants' rules in the main file. Where they are given, a tenant whose digests have not
    changed keeps its Router. *overlay*: rules that are in no file. *clock*: Unix seconds, for rules that test the time.
    """

    config: Config
    zone_files: tuple[ZoneConfig, ...] = field(repr=False)
    zones: ZoneTable = field(repr=False)
    geo: GeoLocator | None = field(default=None, repr=False)
    resolv_conf: str = field(default="", repr=False)
    zone_digests: Mapping[bytes, bytes] = field(factory=dict, repr=False)
    rule_digests: Mapping[str, bytes] = field(factory=dict, repr=False)
    overlay: OverlayRules | None = field(default=None, repr=False)
    clock: Callable[[], float] = field(default=time.time, repr=False)

    def tenant_rules(self, tenant: str) -> tuple[Rule, ...]:
        """The rules of the main file for all zones of *tenant*."""
        return self.config.tenants[tenant].rules if tenant in self.config.tenants else ()

    def overlay_rules(self, tenant: str) -> tuple[Rule, ...]:
        """The rules of the overlay for *tenant*, which come after those."""
        return self.overlay.rules if self.overlay is not None and self.overlay.tenant == tenant else ()


def compile_snapshot(
    number: int, inputs: SnapshotInputs, before: Snapshot | None = None
) -> Generator[None, None, Snapshot]:
    """Compile *inputs* in small steps; parts that have not changed are shared with *before*.

    Raises ConfigError with all issues; those of zone files and of tenants' rules have no line yet.
    """
    config = inputs.config
    issues: list[ConfigIssue] = []
    groups = dict(_upstream_groups(inputs))
    issues += _find_forwarding_loops(config, groups)
    yield
    routers: dict[str, Router] = {}
    fingerprints: dict[str, object] = {}
    for tenant in _tenant_names(inputs):
        fingerprint = fingerprints[tenant] = _fingerprint_policy(tenant, inputs)
        if before is not None and fingerprint is not None and before.policy_fingerprints.get(tenant) == fingerprint:
            routers[tenant] = before.routers[tenant]
            continue
        try:
            routers[tenant] = yield from _compile_router(tenant, inputs)
        except ConfigError as error:
            issues += _locate_issues(error.issues, tenant, inputs)
    if issues:
        raise ConfigError(issues)
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
        policy_fingerprints=fingerprints,
    )


def _upstream_groups(inputs: SnapshotInputs) -> Iterator[tuple[str, UpstreamGroup]]:
    cache = inputs.config.cache
    for name, upstream in inputs.config.upstreams.items():
        servers: list[UpstreamServer] = []
        for server in upstream.servers or ():
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
                resolver=upstream.resolver or "",
            ),
        )


def _find_forwarding_loops(config: Config, groups: Mapping[str, UpstreamGroup]) -> Iterator[ConfigIssue]:
    """Upstream servers that are listeners of this server: every query would come back."""
    endpoints = [*config.listen, *(endpoint for tenant in config.tenants.values() for endpoint in tenant.listen)]
    listeners = [ListeningAddress(endpoint.transport, endpoint.host, endpoint.port) for endpoint in endpoints]
    for name, group in groups.items():
        for server, listener in find_forwarding_loops(group.servers, listeners):
            found = (
                f"{server}, which is graydns itself ({listener.transport.format_url(listener.address, listener.port)})"
            )
            issue = ConfigIssue(("upstreams", name, "servers"), found, "a server other than graydns itself")
            yield config.document.locate(issue)


def _tenant_names(inputs: SnapshotInputs) -> Iterable[str]:
    """All tenants that the configuration or a zone names, the default tenant first."""
    named = (zone.tenant_id for zone in inputs.zone_files)
    return dict.fromkeys((DEFAULT_TENANT, *inputs.config.tenants, *named))


def _fingerprint_policy(tenant: str, inputs: SnapshotInputs) -> object:
    """A value that is equal for equal policies of *tenant*; None if there is not enough to tell."""
    zones = sorted(zone.zone for zone in inputs.zone_files if zone.tenant_id == tenant)
    if not inputs.zone_digests.keys() >= set(zones) or (
        tenant in inputs.config.tenants and tenant not in inputs.rule_digests
    ):
        return None
    # The geo database object stands for its contents: it is opened again whenever its file changes.
    contents = tuple((zone, inputs.zone_digests[zone]) for zone in zones)
    return contents, inputs.rule_digests.get(tenant), inputs.overlay_rules(tenant), inputs.geo


def _compile_router(tenant: str, inputs: SnapshotInputs) -> Generator[None, None, Router]:
    files = [zone for zone in inputs.zone_files if zone.tenant_id == tenant]
    policies = [ZonePolicy(zone.zone, zone.services, zone.rules, file=str(zone.path)) for zone in files]
    rules = (*inputs.tenant_rules(tenant), *inputs.overlay_rules(tenant))
    return (yield from router_steps(tenant, policies, rules, inputs.geo, inputs.clock))


def _locate_issues(issues: Sequence[ConfigIssue], tenant: str, inputs: SnapshotInputs) -> Iterator[ConfigIssue]:
    """*issues* of a Router; those without a file are of the tenant's rules in the main file, or of the overlay."""
    own = len(inputs.tenant_rules(tenant))
    for issue in issues:
        at = issue.path[1] if len(issue.path) > 1 else 0
        if issue.file:
            yield issue
        elif inputs.overlay is not None and isinstance(at, int) and at >= own:
            yield ConfigIssue((at - own, *issue.path[2:]), issue.found, issue.expected, inputs.overlay.location)
        else:
            yield ConfigIssue(("tenants", tenant, *issue.path), issue.found, issue.expected, str(inputs.config.file))
