"""From what users wrote to a Snapshot: routers by tenant, upstream groups, the forwarding table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from attrs import field, frozen

from graydns.authority.zone import Zones
from graydns.config.address import SystemResolvers
from graydns.config.load import ZoneFile
from graydns.config.main import Config
from graydns.gray.compile import ZonePolicy, compile_router
from graydns.gray.geo import Geo
from graydns.gray.router import Router
from graydns.model.errors import ConfigError, Fault
from graydns.model.query import DEFAULT_TENANT
from graydns.snapshot.snapshot import Snapshot
from graydns.upstream.group import UpstreamGroup
from graydns.upstream.loop import Listener, loops
from graydns.upstream.server import Server, system_servers
from graydns.upstream.table import ForwardTable


@frozen
class Inputs:
    """All that a Snapshot is made from. *resolv_conf*: contents of that file, for servers called ``system``."""

    config: Config
    zone_files: tuple[ZoneFile, ...] = field(repr=False)
    zones: Zones = field(repr=False)
    geo: Geo | None = field(default=None, repr=False)
    resolv_conf: str = field(default="", repr=False)


def compile_snapshot(number: int, inputs: Inputs) -> Snapshot:
    """Compile *inputs*. Raises ConfigError with every fault, located."""
    config = inputs.config
    faults: list[Fault] = []
    groups = dict(_groups(inputs))
    faults += _looping(config, groups)
    routers = dict(_routers(inputs, faults))
    if faults:
        raise ConfigError(faults)
    by_suffix = {suffix: groups[upstream] for suffix, upstream in config.forward.items()}
    return Snapshot(
        number=number,
        config=config,
        zones=inputs.zones,
        owners={zone.zone: zone.tenant_id for zone in inputs.zone_files},
        routers=routers,
        forward=ForwardTable(by_suffix, groups),
        zone_files=inputs.zone_files,
        warnings=tuple(warning for router in routers.values() for warning in router.warnings),
    )


def _groups(inputs: Inputs) -> Iterator[tuple[str, UpstreamGroup]]:
    cache = inputs.config.cache
    for name, upstream in inputs.config.upstreams.items():
        servers: list[Server] = []
        for server in upstream.servers:
            if isinstance(server, SystemResolvers):
                servers += system_servers(inputs.resolv_conf)
            else:
                servers.append(Server(server.host, server.port, server.transport, server.name))
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


def _looping(config: Config, groups: Mapping[str, UpstreamGroup]) -> Iterator[Fault]:
    """Servers that are doors of ours, so that every question would come back."""
    doors = [*config.listen, *(door for tenant in config.tenants.values() for door in tenant.listen)]
    listeners = [Listener(door.transport, door.host, door.port) for door in doors]
    for name, group in groups.items():
        for server, listener in loops(group.servers, listeners):
            found = f"{server}, which is graydns itself ({listener.transport}://{listener.address}:{listener.port})"
            fault = Fault(("upstreams", name, "servers"), found, "a server other than graydns itself")
            yield config.document.locate(fault)


def _routers(inputs: Inputs, faults: list[Fault]) -> Iterator[tuple[str, Router]]:
    """A Router for every tenant that has a name; what is wrong with one goes to *faults*."""
    config = inputs.config
    tenants = dict.fromkeys((DEFAULT_TENANT, *config.tenants, *(zone.tenant_id for zone in inputs.zone_files)))
    for tenant in tenants:
        files = [zone for zone in inputs.zone_files if zone.tenant_id == tenant]
        policies = [ZonePolicy(zone.zone, zone.services, zone.rules, file=str(zone.file)) for zone in files]
        rules = config.tenants[tenant].rules if tenant in config.tenants else ()
        try:
            yield tenant, compile_router(tenant, policies, rules, inputs.geo)
        except ConfigError as error:
            faults += located(error.faults, tenant, config, files)


def located(faults: Sequence[Fault], tenant: str, config: Config, files: Sequence[ZoneFile]) -> Iterator[Fault]:
    """*faults* of a Router with line and column: of the zone file each names, else of the tenant's own rules."""
    documents = {str(zone.file): zone.document for zone in files}
    for fault in faults:
        if fault.file in documents:
            yield documents[fault.file].locate(fault)
        else:
            path = ("tenants", tenant, *fault.path)
            yield config.document.locate(Fault(path, fault.found, fault.expected))
