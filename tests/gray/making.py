"""Short ways to make policies, clients and queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from graydns.gray.geo import GeoLocator
from graydns.gray.policy_compiler import ZonePolicy, compile_policy
from graydns.gray.policy_records import parse_rdtype
from graydns.gray.router import Router
from graydns.model.client import Client, Subnet
from graydns.model.errors import ConfigError, ConfigIssue
from graydns.model.name import from_text
from graydns.model.policy import Rule, ServiceEndpoint, ServicePolicy, ServiceVersion
from graydns.model.query import Query
from graydns.model.transport import UDP, Transport
from graydns.runtime.steps import run_steps

TENANT = "t-demo"
ZONE = "shop.test"
API = "api.shop.test"


def version(*addresses: str) -> ServiceVersion:
    """A version with one endpoint for each IPv4 address."""
    return ServiceVersion(tuple(ServiceEndpoint({"A": (address,)}) for address in addresses))


STABLE, CANARY, NEXT = version("192.0.2.10"), version("192.0.2.20"), version("192.0.2.30")
VERSIONS = {"stable": STABLE, "canary": CANARY}


def service(
    *,
    versions: Mapping[str, ServiceVersion] = VERSIONS,
    default: str = "stable",
    percent: Mapping[str, int] | None = None,
    weights: Mapping[str, int] | None = None,
    ranges: Mapping[str, tuple[tuple[int, int], ...]] | None = None,
    whitelist: Mapping[str, tuple[str, ...]] | None = None,
    client_key: tuple[str, ...] = ("identity", "subnet", "source"),
    client_prefix: Mapping[str, int] | None = None,
    ttl: int = 5,
) -> ServicePolicy:
    """A service, stable and canary unless said otherwise."""
    return ServicePolicy(
        versions=versions,
        default=default,
        percent=percent or {},
        weights=weights or {},
        ranges=ranges or {},
        whitelist=whitelist or {},
        client_key=client_key,
        client_prefix=client_prefix or {},
        ttl=ttl,
    )


def compile_router(
    tenant: str, zones: Sequence[ZonePolicy], rules: Sequence[Rule], geo: GeoLocator | None = None, **more: Any
) -> Router:
    """The router of a policy, at once; *more*: as compile_policy takes it. Raises ConfigError."""
    return run_steps(compile_policy(tenant, zones, rules, geo, **more))


def zone(services: Mapping[str, ServicePolicy], rules: Sequence[Rule] = (), name: str = ZONE) -> ZonePolicy:
    """The policy of a zone, names as text."""
    return ZonePolicy(from_text(name), {from_text(text): one for text, one in services.items()}, rules, f"{name}.yaml")


def route(
    services: Mapping[str, ServicePolicy],
    *rules: Rule,
    tenant_rules: Sequence[Rule] = (),
    geo: GeoLocator | None = None,
) -> Router:
    """A router with one zone."""
    return compile_router(TENANT, [zone(services, rules)], tenant_rules, geo)


def faults(*zones: ZonePolicy, rules: Sequence[Rule] = (), geo: GeoLocator | None = None) -> tuple[ConfigIssue, ...]:
    """What compiling finds wrong."""
    try:
        compile_router(TENANT, zones, rules, geo)
    except ConfigError as error:
        return error.issues
    return ()


def client(
    source: str = "198.51.100.1",
    *,
    subnet: str | None = None,
    identity: str | None = None,
    tags: Mapping[str, str] | None = None,
    transport: Transport = UDP,
) -> Client:
    """A client; *subnet* in CIDR notation."""
    network = None if subnet is None else ip_network(subnet)
    return Client(
        source=ip_address(source).packed,
        transport=transport,
        subnet=None if network is None else Subnet(network.network_address.packed, network.prefixlen),
        identity=identity,
        tags=tuple((tags or {}).items()),
        tenant=TENANT,
    )


def query(name: str, asker: Client, qtype: str = "A") -> Query:
    """A query as far as routing reads it."""
    return Query(1, b"", b"", from_text(name), parse_rdtype(qtype), 1, asker)


def outcome(router: Router, name: str, asker: Client, qtype: str = "A") -> str:
    """The version, ``rule:NAME`` or "" that a client comes to."""
    return router.decide(query(name, asker, qtype)).cohort.outcome
