"""The section ``audit:`` of graydns.yaml: where it is written down which answers were validated, and how.

Settings: every key of graydns.yaml with its type, unit, bounds and default (docs/configuration.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

from attrs import field, frozen

from graydns.config.address import (
    ListenEndpoint,
    ListenEndpointReader,
    Network,
    SystemResolvers,
    UnixSocket,
    UpstreamEndpoint,
    read_admin_endpoint,
    read_name,
    read_network,
    read_path,
    read_upstream_endpoint,
)
from graydns.config.consul_settings import ConsulSettings
from graydns.config.dnssec_settings import DnssecSettings
from graydns.config.document import Document
from graydns.config.scalar import Duration, Identifier, Integer, Keyword, Size, TenantName, Text, Ttl, read_boolean
from graydns.model.name import ROOT
from graydns.model.policy import Rule
from graydns.model.transport import TCP, TRANSPORTS, UDP

DROP_WHEN_FULL, WAIT_WHEN_FULL = "drop", "wait"


@frozen
class ClientPrefixSettings:
    """How many bits of a client's address are written down."""

    ipv4: Annotated[int, Integer(0, 32)] = 32
    ipv6: Annotated[int, Integer(0, 128)] = 128


@frozen
class AuditSettings:
    """The audit log of answers that were validated, changes being in it, too. *max_size*: octets from which a file is
    full; *keep*: full files that are kept. *on_full*: what happens to a line for which there is no room in memory."""

    file: Annotated[Path, read_path] = Path("var/audit.jsonl")
    max_size: Annotated[int, Size("64KiB", "1TiB")] = 256 << 20
    keep: Annotated[int, Integer(1, 10_000)] = 14
    on_full: Annotated[str, Keyword((DROP_WHEN_FULL, WAIT_WHEN_FULL))] = DROP_WHEN_FULL
    client_prefix: ClientPrefixSettings = ClientPrefixSettings()


LOOPBACK_NETWORKS = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

#: Loopback, RFC 1918 and RFC 4193 networks.
PRIVATE_NETWORKS = (
    *LOOPBACK_NETWORKS,
    *map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")),
)

NetworkList = tuple[Annotated[Network, read_network], ...]
ListenEndpoints = tuple[Annotated[ListenEndpoint, ListenEndpointReader(tuple(TRANSPORTS.values()))], ...]


@frozen
class TlsSettings:
    """Files in PEM. *client_ca*: clients that show a certificate must have it from there; None = none is asked for."""

    certificate: Annotated[Path, read_path]
    key: Annotated[Path, read_path]
    client_ca: Annotated[Path, read_path] | None = None


@frozen
class ReloadSettings:
    """When changed files are loaded."""

    refresh_interval_ms: Annotated[int, Integer(100, 3_600_000)] = 3000
    fail_fast_on_schema_error: Annotated[bool, read_boolean] = True


@frozen
class TrustSettings:
    """Trusted senders: *ecs* for client subnets, *tags* for option 65001."""

    ecs: NetworkList = LOOPBACK_NETWORKS
    tags: NetworkList = LOOPBACK_NETWORKS


@frozen
class LimitSettings:
    """What one client, and all of them, can take. Durations in seconds; *udp_payload* in octets."""

    max_connections: Annotated[int, Integer(1, 1_000_000)] = 10_000
    max_per_source: Annotated[int, Integer(1, 1_000_000)] = 100
    max_pipelined: Annotated[int, Integer(1, 10_000)] = 100
    tcp_idle: Annotated[float, Duration("100ms", "1h")] = 8.0
    tcp_message: Annotated[float, Duration("100ms", "1m")] = 2.0
    tls_handshake: Annotated[float, Duration("100ms", "1m")] = 3.0
    max_inflight: Annotated[int, Integer(1, 1_000_000)] = 2000
    max_inflight_per_source: Annotated[int, Integer(1, 1_000_000)] = 200
    nsid: Annotated[str, Text("a server identifier", max_length=64)] | None = None
    udp_payload: Annotated[int, Integer(512, 4096)] = 1232


@frozen
class AdminAuditSettings:
    """The audit log of what operators did: octets from which a file is full, and how many full ones are kept."""

    max_size: Annotated[int, Size("64KiB", "1GiB")] = 16 << 20
    keep: Annotated[int, Integer(1, 100)] = 20


@frozen
class StaleSettings:
    """Expired answers (RFC 8767), in seconds. *keep*: the key ``for``; 0 = never. *client_timeout* 0: stale first."""

    keep: Annotated[int, Ttl("7d")] = field(default=86_400, metadata={"key": "for"})
    ttl: Annotated[int, Ttl("1h", "1s")] = 30
    client_timeout: Annotated[float, Duration("0ms", "10s")] = 0.0


@frozen
class CacheSettings:
    """The cache of forwarded answers: *size* in bytes, TTL caps in seconds."""

    size: Annotated[int, Size("64KiB", "1TiB")] = 64 << 20
    max_ttl: Annotated[int, Ttl("7d", "1s")] = 86_400
    negative_ttl: Annotated[int, Ttl("1d")] = 3600
    stale: StaleSettings = StaleSettings()


@frozen
class UpstreamSettings:
    """Servers that answer for each other, or *resolver*, a reference to a factory of an IResolver.

    *deadline*: seconds for a query. *ecs*, *tags*: whether the client's subnet and tags are sent to the servers.
    """

    servers: tuple[Annotated[UpstreamEndpoint | SystemResolvers, read_upstream_endpoint], ...] | None = None
    deadline: Annotated[float, Duration("10ms", "30s")] = 0.5
    ecs: Annotated[bool, read_boolean] = False
    tags: Annotated[bool, read_boolean] = False
    resolver: Annotated[str, Text("package.module:factory", pattern=r"[\w.]+:[\w.]+")] | None = None


@frozen
class TenantSettings:
    """What a tenant has beside its zones. *cache*: bytes; *qps*, *inflight*: queries; None = no bound of its own."""

    clients: NetworkList = ()
    listen: ListenEndpoints = ()
    cache: Annotated[int, Size("64KiB", "1TiB")] | None = None
    qps: Annotated[int, Integer(1, 10_000_000)] | None = None
    inflight: Annotated[int, Integer(1, 1_000_000)] | None = None
    rules: tuple[Rule, ...] = ()


@frozen
class LinkSettings:
    """A link of another package. *use*: object reference or entry point. *before*: the link that it stands before."""

    use: Annotated[str, Text("package.module:factory or the name of an entry point")]
    before: Annotated[str, Text("the name of a link")]


DEFAULT_ADMIN_ENDPOINT = UnixSocket(Path("var/admin.sock"))
DEFAULT_HTTP_ENDPOINT = ListenEndpoint(TCP, "127.0.0.1", 8053)


@frozen(kw_only=True)
class MainSettings:
    """The keys of graydns.yaml. *forward*: suffix (see ``model.name``) -> name of an upstream.

    *shutdown_delay*: seconds for which a server that was asked to stop goes on answering, not ready any more.
    """

    listen: ListenEndpoints = (ListenEndpoint(UDP, "127.0.0.1", 5300), ListenEndpoint(TCP, "127.0.0.1", 5300))
    tls: TlsSettings | None = None
    admin: Annotated[UnixSocket | ListenEndpoint, read_admin_endpoint] | None = DEFAULT_ADMIN_ENDPOINT
    http: Annotated[ListenEndpoint, ListenEndpointReader((TCP,))] | None = DEFAULT_HTTP_ENDPOINT
    data: Annotated[Path, read_path] = Path("var")
    shutdown_delay: Annotated[float, Duration("0ms", "5m")] = 0.0
    zones: Annotated[Path, read_path] | None = Path("zones")
    geo: Annotated[Path, read_path] | None = None
    reload: ReloadSettings = ReloadSettings()
    admin_audit: AdminAuditSettings = AdminAuditSettings()
    audit: AuditSettings | None = None
    trust: TrustSettings = TrustSettings()
    allow_forward: NetworkList = PRIVATE_NETWORKS
    limits: LimitSettings = LimitSettings()
    cache: CacheSettings = CacheSettings()
    upstreams: Mapping[Annotated[str, Identifier()], UpstreamSettings] = field(
        factory=lambda: {"default": UpstreamSettings((SystemResolvers(),))}
    )
    forward: Mapping[Annotated[bytes, read_name], Annotated[str, Identifier()]] = field(
        factory=lambda: {ROOT: "default"}
    )
    links: tuple[LinkSettings, ...] = ()
    tenants: Mapping[Annotated[str, TenantName()], TenantSettings] = field(factory=dict)
    consul: ConsulSettings | None = None
    dnssec: DnssecSettings = field(factory=DnssecSettings)


@frozen(kw_only=True)
class Config(MainSettings):
    """A loaded graydns.yaml: all paths are absolute. *file*: where it was read from."""

    file: Path
    document: Document = field(eq=False, repr=False)
