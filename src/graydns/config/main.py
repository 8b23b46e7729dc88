"""Settings: every key of graydns.yaml with its type, unit, bounds and default (docs/configuration.md)."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

from attrs import field, frozen

from graydns.config.address import (
    Door,
    Listening,
    Network,
    Server,
    SystemResolvers,
    UnixSocket,
    read_admin,
    read_name,
    read_network,
    read_path,
    read_server,
)
from graydns.config.audit import Audit
from graydns.config.consul import Consul
from graydns.config.dnssec import Dnssec
from graydns.config.document import Document
from graydns.config.scalar import Duration, Identifier, Integer, Size, TenantName, Text, Ttl, read_boolean
from graydns.model.name import ROOT
from graydns.model.policy import Rule

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

#: Loopback, RFC 1918 and RFC 4193 networks.
PRIVATE = (
    *LOOPBACK,
    *map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")),
)

Networks = tuple[Annotated[Network, read_network], ...]
Doors = tuple[Annotated[Door, Listening(("udp", "tcp", "tls"))], ...]


@frozen
class Tls:
    """Files in PEM. *client_ca*: clients that show a certificate must have it from there; None = none is asked for."""

    certificate: Annotated[Path, read_path]
    key: Annotated[Path, read_path]
    client_ca: Annotated[Path, read_path] | None = None


@frozen
class Reload:
    """When changed files are taken up."""

    refresh_interval_ms: Annotated[int, Integer(100, 3_600_000)] = 3000
    fail_fast_on_schema_error: Annotated[bool, read_boolean] = True


@frozen
class Trust:
    """Senders whose word is believed: *ecs* for client subnets, *tags* for option 65001."""

    ecs: Networks = LOOPBACK
    tags: Networks = LOOPBACK


@frozen
class Limits:
    """What one client, and all of them, can take. Durations in seconds; *udp_payload* in octets."""

    max_connections: Annotated[int, Integer(1, 1_000_000)] = 10_000
    max_per_source: Annotated[int, Integer(1, 1_000_000)] = 100
    max_pipelined: Annotated[int, Integer(1, 10_000)] = 100
    tcp_idle: Annotated[float, Duration("100ms", "1h")] = 8.0
    tls_handshake: Annotated[float, Duration("100ms", "1m")] = 3.0
    max_inflight: Annotated[int, Integer(1, 1_000_000)] = 2000
    max_inflight_per_source: Annotated[int, Integer(1, 1_000_000)] = 200
    nsid: Annotated[str, Text("a server identifier", most=64)] | None = None
    udp_payload: Annotated[int, Integer(512, 4096)] = 1232


@frozen
class AdminAudit:
    """The audit log of what operators did: octets from which a file is full, and how many full ones are kept."""

    max_size: Annotated[int, Size("64KiB", "1GiB")] = 16 << 20
    keep: Annotated[int, Integer(1, 100)] = 20


@frozen
class Stale:
    """Expired answers (RFC 8767), in seconds. *keep*: the key ``for``; 0 = never. *client_timeout* 0: stale first."""

    keep: Annotated[int, Ttl("7d")] = field(default=86_400, metadata={"key": "for"})
    ttl: Annotated[int, Ttl("1h", "1s")] = 30
    client_timeout: Annotated[float, Duration("0ms", "10s")] = 0.0


@frozen
class Cache:
    """The cache of forwarded answers: *size* in bytes, TTL caps in seconds."""

    size: Annotated[int, Size("64KiB", "1TiB")] = 64 << 20
    max_ttl: Annotated[int, Ttl("7d", "1s")] = 86_400
    negative_ttl: Annotated[int, Ttl("1d")] = 3600
    stale: Stale = Stale()


@frozen
class Upstream:
    """Servers that answer for each other. *deadline*: seconds for a query; *ecs*, *tags*: what they may be told."""

    servers: tuple[Annotated[Server | SystemResolvers, read_server], ...]
    deadline: Annotated[float, Duration("10ms", "30s")] = 0.5
    ecs: Annotated[bool, read_boolean] = False
    tags: Annotated[bool, read_boolean] = False


@frozen
class Tenant:
    """What a tenant has beside its zones. *cache*: bytes; *qps*, *inflight*: queries; None = no bound of its own."""

    clients: Networks = ()
    listen: Doors = ()
    cache: Annotated[int, Size("64KiB", "1TiB")] | None = None
    qps: Annotated[int, Integer(1, 10_000_000)] | None = None
    inflight: Annotated[int, Integer(1, 1_000_000)] | None = None
    rules: tuple[Rule, ...] = ()


ADMIN = UnixSocket(Path("var/admin.sock"))
HTTP = Door("tcp", "127.0.0.1", 8053)


@frozen(kw_only=True)
class Settings:
    """The keys of graydns.yaml. *forward*: suffix (see ``model.name``) -> name of an upstream.

    *shutdown_delay*: seconds for which a server that was asked to stop goes on answering, not ready any more.
    """

    listen: Doors = (Door("udp", "127.0.0.1", 5300), Door("tcp", "127.0.0.1", 5300))
    tls: Tls | None = None
    admin: Annotated[UnixSocket | Door, read_admin] | None = ADMIN
    http: Annotated[Door, Listening(("tcp",))] | None = HTTP
    data: Annotated[Path, read_path] = Path("var")
    shutdown_delay: Annotated[float, Duration("0ms", "5m")] = 0.0
    zones: Annotated[Path, read_path] | None = Path("zones")
    geo: Annotated[Path, read_path] | None = None
    reload: Reload = Reload()
    admin_audit: AdminAudit = AdminAudit()
    audit: Audit | None = None
    trust: Trust = Trust()
    allow_forward: Networks = PRIVATE
    limits: Limits = Limits()
    cache: Cache = Cache()
    upstreams: Mapping[Annotated[str, Identifier()], Upstream] = field(
        factory=lambda: {"default": Upstream((SystemResolvers(),))}
    )
    forward: Mapping[Annotated[bytes, read_name], Annotated[str, Identifier()]] = field(
        factory=lambda: {ROOT: "default"}
    )
    tenants: Mapping[Annotated[str, TenantName()], Tenant] = field(factory=dict)
    consul: Consul | None = None
    dnssec: Dnssec = field(factory=Dnssec)


@frozen(kw_only=True)
class Config(Settings):
    """A loaded graydns.yaml: all paths are absolute. *file*: where it was read from."""

    file: Path
    document: Document = field(eq=False, repr=False)
