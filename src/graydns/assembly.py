"""Makes a server from its main configuration file: every part is made once, and gets its collaborators when it is made.

::

    read_configuration ─► compile_reading ─► DnsServer ─► Listeners
                          ConsulSource ────────┘ subscribed
    AuditService ─► ControlCore ─► PolicySubscriber ─► ObservabilityService ─► ControlPlane ─► AdminService

All configuration issues are reported together, before anything is opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Any

from attrs import frozen

from graydns.admin.admin_service import AdminService
from graydns.audit.audit_service import AuditService, PublishHead, open_audit_service
from graydns.config.address import ListenEndpoint
from graydns.config.issues import ValidationIssue
from graydns.config.settings import Config
from graydns.control.arguments import find_tenant
from graydns.control.collaborators import ControlObservers
from graydns.control.control_plane import ControlPlane
from graydns.control.core import ControlCore
from graydns.control.startup import open_control
from graydns.fast.reply_settings import load_cookie_secrets
from graydns.listen.connections import ListenerLimits, fit_connection_limit, raise_open_file_limit
from graydns.listen.listener import Listener, find_advertised_addresses
from graydns.listen.listeners import Listeners
from graydns.listen.tls_context import TlsContext, write_demo_certificate
from graydns.model.errors import ConfigError, ConfigIssue
from graydns.model.users import USERS_FILE_NAME
from graydns.observe.observability import ObservabilityService
from graydns.observe.server_metrics import PolicyFigures
from graydns.resolve.twisted_names import LOCAL_CLIENT, PipelineResolver
from graydns.server import DnsServer
from graydns.service import GraydnsService, LogLevelControl
from graydns.sources.reading import Reading
from graydns.sources.record_source import RecordSources
from graydns.sources.snapshot_loader import compile_reading, list_data_warnings, read_configuration

if TYPE_CHECKING:
    from graydns.control.policy.subscriber import PolicySubscriber
    from graydns.sources.consul.consul_source import ConsulSource


@frozen
class ServerParts:
    """A server that answers, without listeners. *consul*: the service that follows Consul's catalog, None = no Consul;
    the caller starts it."""

    server: DnsServer
    reading: Reading
    consul: ConsulSource | None
    sources: RecordSources


def make_server(path: Path, reactor: Any, sources: RecordSources | None = None) -> ServerParts:
    """The server for the main configuration file at *path*; nothing is opened. Raises ConfigError.

    *sources*: record sources beside those of entry points.
    """
    sources = sources or RecordSources()
    reading = read_configuration(path, sources)
    snapshot = compile_reading(1, reading)
    secrets = _prepare_data_folder(snapshot.config)
    consul = _make_consul_source(snapshot.config, reactor)
    if consul is None:
        return ServerParts(DnsServer(snapshot, reactor, cookie_secrets=secrets), reading, None, sources)
    server = DnsServer(
        snapshot,
        reactor,
        cookie_secrets=secrets,
        domain=consul.domain,
        catalog_waiter=consul.feed,
        versions=consul.versions,
    )
    consul.feed.subscribe(server.flush_view)
    consul.subscribe(server.use_consul_domain)
    return ServerParts(server, reading, consul, sources)


def make_pipeline_resolver(path: Path, reactor: Any) -> PipelineResolver:
    """The pipeline of the main configuration file at *path* as an IResolver. Raises ConfigError."""
    parts = make_server(path, reactor)
    server, document = parts.server, parts.reading.config.document
    if parts.consul is not None:
        expected = "no 'consul': the catalog needs the service, 'twistd graydns'"
        raise ConfigError(document.locate_all([ValidationIssue(("consul",), "a mapping", expected)]))
    tenant = find_tenant(server.snapshot, "127.0.0.1")
    return PipelineResolver(
        lambda: server.front.serving.pipeline,
        reactor=reactor,
        clock=server.front.clock,
        client=LOCAL_CLIENT._replace(tenant=tenant),
    )


def make_graydns_service(path: Path, reactor: Any, sources: RecordSources | None = None) -> GraydnsService:
    """The service for the main configuration file at *path*; it listens once it is started. Raises ConfigError."""
    parts = make_server(path, reactor, sources)
    server, consul = parts.server, parts.consul
    config = server.snapshot.config
    tls = _make_tls_context(config)
    connections, shortage = fit_connection_limit(config.limits.max_connections, raise_open_file_limit())
    listeners = _make_listeners(config, connections, server, tls, reactor)
    audit = open_audit_service(
        lambda: server.snapshot.config, server.stores.observers, reactor, _make_head_publisher(config, consul)
    )
    tallies = server.front.answer_log.tallies
    core = open_control(server, parts.reading, reactor, audit=audit.log, shares=tallies, sources=parts.sources)
    subscriber = _make_policy_subscriber(config, consul, core, reactor)
    observability = _make_observability(config, parts, listeners, audit, core, subscriber, reactor)
    level = LogLevelControl()
    warnings = (*list_data_warnings(parts.reading), *server.snapshot.warnings, *((shortage,) if shortage else ()))
    graydns = GraydnsService(listeners, observability, core, level, tls, reactor, warnings)
    for service in (consul, audit, subscriber):
        if service is not None:
            service.setServiceParent(graydns)
    if config.admin is not None:
        observers = ControlObservers(
            why=observability.why,
            traces=observability.traces,
            level=level,
            listeners=lambda: listeners.listening,
            ready=observability.is_ready,
        )
        control = _make_control_plane(core, observers, subscriber, consul)
        users = config.data / USERS_FILE_NAME
        AdminService(config.admin, control, audit.log, reactor, users=users, tls=tls).setServiceParent(graydns)
    return graydns


def _make_consul_source(config: Config, reactor: Any) -> ConsulSource | None:
    """What follows Consul's catalog. Imported late: its HTTP client takes megabytes."""
    if config.consul is None:
        return None
    from graydns.sources.consul.catalog_file import CatalogSnapshotFile
    from graydns.sources.consul.consul_source import ConsulSource

    addresses = find_advertised_addresses(endpoint.host for endpoint in config.listen)
    return ConsulSource(config.consul, reactor, CatalogSnapshotFile(config.data), addresses)


def _make_head_publisher(config: Config, consul: ConsulSource | None) -> PublishHead | None:
    """Where heads of the audit log are published: in Consul's KV, below the policies' prefix, if there is one."""
    if consul is None or config.consul is None or config.consul.policy is None:
        return None
    from graydns.sources.consul.consul_source import KvHeadPublisher

    node = config.limits.nsid or gethostname()
    return KvHeadPublisher(consul.consul, config.consul.policy.prefix, node).publish


def _make_policy_subscriber(
    config: Config, consul: ConsulSource | None, core: ControlCore, reactor: Any
) -> PolicySubscriber | None:
    """What follows the policies in Consul's KV; the copy on the disk is in force when this returns."""
    if consul is None or config.consul is None or (policy := config.consul.policy) is None:
        return None
    from graydns.control.policy.signatures import load_verifiers
    from graydns.control.policy.subscriber import PolicySubscriber

    keys = None if policy.unsigned else load_verifiers(policy, str(config.file))
    subscriber = PolicySubscriber(consul.consul, config.consul, policy, keys, core, reactor)
    subscriber.restore()
    return subscriber


def _make_control_plane(
    core: ControlCore, observers: ControlObservers, subscriber: PolicySubscriber | None, consul: ConsulSource | None
) -> ControlPlane:
    catalog = None if consul is None else consul.feed
    if subscriber is None:
        return ControlPlane(core, observers, catalog=catalog)
    from graydns.control.policy.kill_switch_commands import KillSwitchCommands
    from graydns.control.policy.revision_commands import PolicyCommands

    return ControlPlane(core, observers, PolicyCommands(subscriber), KillSwitchCommands(subscriber), catalog)


def _make_listeners(
    config: Config, connections: int, server: DnsServer, tls: TlsContext | None, reactor: Any
) -> Listeners:
    limits = ListenerLimits(
        max_connections=connections,
        max_per_source=config.limits.max_per_source,
        max_pipelined=config.limits.max_pipelined,
        tcp_idle=config.limits.tcp_idle,
        tcp_message=config.limits.tcp_message,
        tls_handshake=config.limits.tls_handshake,
    )
    return Listeners(tuple(_configured_listeners(config)), server.front, limits, reactor, tls)


def _configured_listeners(config: Config) -> Iterator[Listener]:
    """The listeners for all clients, then those of tenants."""
    for endpoint in config.listen:
        yield Listener(endpoint.transport, endpoint.host, endpoint.port)
    for name, tenant in config.tenants.items():
        for endpoint in tenant.listen:
            yield Listener(endpoint.transport, endpoint.host, endpoint.port, name)


def _make_observability(
    config: Config,
    parts: ServerParts,
    listeners: Listeners,
    audit: AuditService,
    core: ControlCore,
    subscriber: PolicySubscriber | None,
    reactor: Any,
) -> ObservabilityService:
    consul = parts.consul

    def count_reloads() -> Mapping[str, int]:
        counts = core.state.reload_counts
        return {"ok": counts["accepted"], "refused": counts["refused"]}

    return ObservabilityService(
        parts.server,
        listeners,
        reactor,
        http=config.http,
        reloads=count_reloads,
        audit=audit.figures,
        policies=lambda: None if subscriber is None else PolicyFigures(subscriber.revision, subscriber.refusals),
        catalog=lambda: None if consul is None else consul.feed.figures(),
    )


def _prepare_data_folder(config: Config) -> tuple[bytes, ...]:
    """Make the data folder if it is not there; the cookie secrets in it. Raises ConfigError."""
    secret = config.data / "cookie.secret"
    try:
        config.data.mkdir(parents=True, exist_ok=True)
        return load_cookie_secrets(secret)
    except ValueError as error:
        issue = ConfigIssue(("data",), f"{secret} ({error})", "lines of 32 hexadecimal digits, or no such file")
    except OSError as error:
        issue = ConfigIssue(("data",), f"{config.data} ({error.strerror})", "a folder that graydns may write to")
    raise ConfigError([config.document.locate(issue)])


def _make_tls_context(config: Config) -> TlsContext | None:
    """The certificate for the listeners that need one; on loopback addresses alone a demo certificate is made."""
    tls = config.tls
    endpoints: list[Listener | ListenEndpoint] = [
        each for each in _configured_listeners(config) if each.transport.is_encrypted
    ]
    if isinstance(config.admin, ListenEndpoint):
        endpoints.append(config.admin)
    if tls is None or not endpoints:
        return None
    try:
        if all(ip_address(endpoint.host).is_loopback for endpoint in endpoints):
            write_demo_certificate(tls.certificate, tls.key)
        return TlsContext(tls.certificate, tls.key, tls.client_ca)
    except ConfigError as error:
        raise ConfigError([config.document.locate(issue) for issue in error.issues]) from error
    except OSError as error:
        found, expected = f"{tls.certificate} ({error.strerror})", "a path where the demo certificate can be written"
        raise ConfigError([config.document.locate(ConfigIssue(("tls", "certificate"), found, expected))]) from error
