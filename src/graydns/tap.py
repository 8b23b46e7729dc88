"""``twistd graydns``: from the command line to a running server.

::

    Options → files.read → compile_reading → Server (stores, pipeline, front) → Doors
                            Observatory (metrics, traces, audit) → open_control → AdminService

Whatever is wrong is said, all of it at once, before anything is opened, and the exit status is 1.

What a start prints: where graydns listens, what it serves, and three commands to try.
"""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Any, NoReturn

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python import usage

from graydns.admin.admin_service import AdminService
from graydns.audit.audit_service import open_audit_service
from graydns.config.address import ListenEndpoint as ConfiguredDoor
from graydns.config.settings import Config
from graydns.control.collaborators import ControlObservers
from graydns.control.control_plane import ControlPlane
from graydns.control.startup import open_control
from graydns.fast.reply_settings import load_cookie_secrets
from graydns.listen.connections import ListenerLimits, fit_connection_limit, raise_open_file_limit
from graydns.listen.listener import Listener, find_advertised_addresses
from graydns.listen.listeners import GracefulShutdown, Listeners
from graydns.listen.tls_context import TlsContext, write_demo_certificate
from graydns.model.errors import ConfigError, ConfigIssue
from graydns.model.name import to_text
from graydns.observe.log_level import LogLevelControl
from graydns.observe.observability import ObservabilityService
from graydns.observe.server_metrics import PolicyFigures
from graydns.server import DnsServer
from graydns.snapshot.snapshot import Snapshot
from graydns.sources.snapshot_loader import compile_reading, list_data_warnings, read_configuration

if TYPE_CHECKING:
    from graydns.control.policy.subscriber import PolicySubscriber
    from graydns.sources.consul.consul_source import ConsulSource


#: Collections of the young generations stay, often enough to be short; one of the oldest would stop answers for as long
#: as a heap takes to walk, and finds nothing, as what lives long here has no cycles.
_GC_THRESHOLDS = (5_000, 5, 1_000_000)


class Options(usage.Options):
    """What ``twistd graydns`` takes."""

    synopsis = "[--config FILE]"
    longdesc = "A DNS server that decides, per client, which version of a service answers."
    optParameters = (("config", "c", "graydns.yaml", "Main configuration file."),)


class GraydnsService(GracefulShutdown):
    """The whole server; says where it listens once it does. SIGHUP reads the certificate and the files again."""

    _log = Logger()

    def __init__(
        self,
        doors: Listeners,
        observatory: ObservabilityService,
        control: ControlPlane,
        level: LogLevelControl,
        tls: TlsContext | None,
        reactor: Any,
        notes: tuple[str, ...],
    ) -> None:
        super().__init__(
            doors, observatory.announce_shutdown, lambda: control.state.server.snapshot.config.shutdown_delay, reactor
        )
        self.listeners = doors
        self.control = control
        self._level = level
        self._tls = tls
        self._reactor = reactor
        self._notes = notes
        for service in (doors, observatory):
            service.setServiceParent(self)  # type: ignore[no-untyped-call]

    def privilegedStartService(self) -> None:
        """Open the doors; a door that cannot be opened ends the process with status 1."""
        try:
            super().privilegedStartService()  # type: ignore[no-untyped-call]
        except ConfigError as error:
            exit_with_issues(self._locate_issues(error))

    def startService(self) -> None:
        """Tell where, and let the collector forget what will stay for good."""
        try:
            super().startService()  # type: ignore[no-untyped-call]
        except ConfigError as error:
            exit_with_issues(self._locate_issues(error))
        self._level.install()
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        signal.signal(signal.SIGHUP, lambda *_: self._reactor.callFromThread(self.reload))
        self.control.periodic_tasks.start()
        print(format_banner(self.control.state.server.snapshot, self.listeners.listening, self._notes), flush=True)

    def stopService(self) -> Deferred[None]:
        """Leave the files alone, then leave in order."""
        self.control.periodic_tasks.stop()
        return super().stopService()

    def reload(self) -> None:
        """Take up the certificate and the files as they are. What is wrong is in the log, and changes nothing."""
        self.reload_certificate()
        taking = Deferred.fromCoroutine(self.control.periodic_tasks.reload("SIGHUP"))
        taking.addErrback(lambda failure: self._log.failure("taking up the files", failure))

    def reload_certificate(self) -> None:
        """Use the certificate and key as they now are for connections to come; if they are no good, the old ones."""
        if self._tls is None:
            return
        try:
            self._tls.reload()
        except ConfigError as error:
            self._log.error("{error}", error=str(self._locate_issues(error)))
        else:
            self._log.info("certificate read again: {file}", file=str(self._tls.certificate))

    def _locate_issues(self, error: ConfigError) -> ConfigError:
        return ConfigError([self.control.state.server.snapshot.config.document.locate(fault) for fault in error.issues])


def makeService(options: Any) -> Service:
    """The service that *options* describe. Exits with status 1, all faults on standard error, if it cannot be."""
    from twisted.internet import reactor

    try:
        return make_graydns_service(Path(options["config"]), reactor)
    except ConfigError as error:
        exit_with_issues(error)


def make_graydns_service(path: Path, reactor: Any) -> GraydnsService:
    """A server for the main file at *path*, nothing opened yet. Raises ConfigError."""
    reading = read_configuration(path)
    snapshot = compile_reading(1, reading)
    config = snapshot.config
    secrets = _prepare_data_folder(config)
    tls = _make_tls_context(config)
    connections, shortage = fit_connection_limit(config.limits.max_connections, raise_open_file_limit())
    consul = _make_consul_source(config, reactor)
    server = DnsServer(
        snapshot,
        reactor,
        cookie_secrets=secrets,
        domain=None if consul is None else consul.domain,
        learning=None if consul is None else consul.feed,
        versions=None if consul is None else consul.versions,
    )
    if consul is not None:
        consul.feed.on_outdated_view = server.flush_view
        consul.on_domain_changed = server.use_consul_domain
    limits = ListenerLimits(
        max_connections=connections,
        max_per_source=config.limits.max_per_source,
        max_pipelined=config.limits.max_pipelined,
        tcp_idle=config.limits.tcp_idle,
        tls_handshake=config.limits.tls_handshake,
    )
    doors = Listeners(tuple(_configured_listeners(config)), server.front, limits, reactor, tls)
    auditing, level = (
        open_audit_service(lambda: server.snapshot.config, server.stores.observers, reactor),
        LogLevelControl(),
    )

    def reloads() -> dict[str, int]:
        counts = control.state.reload_counts
        return {"ok": counts["accepted"], "refused": counts["refused"]}

    def policies() -> PolicyFigures | None:
        return None if centre is None else PolicyFigures(centre.revision, centre.refusals)

    observatory = ObservabilityService(
        server,
        doors,
        reactor,
        http=config.http,
        reloads=reloads,
        audit=auditing.figures,
        policies=policies,
        catalog=lambda: None if consul is None else consul.feed.figures(),
    )
    control = open_control(
        server,
        reading,
        reactor,
        observers=ControlObservers(
            why=observatory.why,
            traces=observatory.traces,
            audit=auditing.log,
            level=level,
            listeners=lambda: doors.listening,
            ready=observatory.is_ready,
        ),
        shares=observatory.shares,
    )
    centre = _make_policy_subscriber(config, consul, control, reactor)
    notes = (*list_data_warnings(reading), *snapshot.warnings, *((shortage,) if shortage else ()))
    graydns = GraydnsService(doors, observatory, control, level, tls, reactor, notes)
    if consul is not None:
        control.catalog = consul.feed
        consul.setServiceParent(graydns)  # type: ignore[no-untyped-call]
    auditing.setServiceParent(graydns)  # type: ignore[no-untyped-call]
    if centre is not None:
        from graydns.audit.consul_head import KvHeadPublisher

        auditing.publish = KvHeadPublisher(
            centre.consul, centre.terms.prefix, config.limits.nsid or gethostname()
        ).publish
        centre.setServiceParent(graydns)  # type: ignore[no-untyped-call]
    if config.admin is not None:
        users = config.data / "users.json"
        AdminService(config.admin, control, auditing.log, reactor, users=users, tls=tls).setServiceParent(graydns)  # type: ignore[no-untyped-call]
    return graydns


def _make_consul_source(config: Config, reactor: Any) -> ConsulSource | None:
    """What follows Consul's catalog. Its HTTP client takes megabytes, so it is loaded only where there is a Consul."""
    if config.consul is None:
        return None
    from graydns.sources.consul.catalog_file import CatalogSnapshotFile
    from graydns.sources.consul.consul_source import ConsulSource

    addresses = find_advertised_addresses(door.host for door in config.listen)
    return ConsulSource(config.consul, reactor, CatalogSnapshotFile(config.data), addresses)


def _make_policy_subscriber(
    config: Config, consul: ConsulSource | None, control: ControlPlane, reactor: Any
) -> PolicySubscriber | None:
    """What takes policies from Consul's KV; the copy on the disk is in force when this returns."""
    if consul is None or config.consul is None or (policy := config.consul.policy) is None:
        return None
    from graydns.control.policy.kill_switch_commands import KillSwitchCommands
    from graydns.control.policy.revision_commands import PolicyCommands
    from graydns.control.policy.signatures import load_verifiers
    from graydns.control.policy.subscriber import PolicySubscriber

    keys = None if policy.unsigned else load_verifiers(policy, str(config.file))
    centre = PolicySubscriber(consul.consul, config.consul, policy, keys, control, reactor)
    centre.restore()
    control.policies, control.kill_switch = PolicyCommands(centre), KillSwitchCommands(centre)
    return centre


def _configured_listeners(config: Config) -> Iterator[Listener]:
    """Everybody's doors, and those of tenants."""
    for door in config.listen:
        yield Listener(door.transport, door.host, door.port)
    for name, tenant in config.tenants.items():
        for door in tenant.listen:
            yield Listener(door.transport, door.host, door.port, name)


def exit_with_issues(error: ConfigError) -> NoReturn:
    """Say what is wrong and end the process with status 1."""
    text = "\n".join(f"graydns: {fault}" for fault in error.issues)
    # Once twistd has begun to log, sys.stderr is the log; whoever started us looks at the real one.
    for stream in dict.fromkeys((sys.__stderr__, sys.stderr)):
        print(text, file=stream, flush=True)
    raise SystemExit(1)


def _prepare_data_folder(config: Config) -> tuple[bytes, ...]:
    """Make the data folder if need be; the cookie secrets in it."""
    secret = config.data / "cookie.secret"
    try:
        config.data.mkdir(parents=True, exist_ok=True)
        return load_cookie_secrets(secret)
    except ValueError as error:
        fault = ConfigIssue(("data",), f"{secret} ({error})", "lines of 32 hexadecimal digits, or no such file")
    except OSError as error:
        fault = ConfigIssue(("data",), f"{config.data} ({error.strerror})", "a folder that graydns may write to")
    raise ConfigError([config.document.locate(fault)])


def _make_tls_context(config: Config) -> TlsContext | None:
    tls = config.tls
    doors: list[Listener | ConfiguredDoor] = [
        door for door in _configured_listeners(config) if door.transport.is_encrypted
    ]
    if isinstance(config.admin, ConfiguredDoor):
        doors.append(config.admin)
    if tls is None or not doors:
        return None
    try:
        if all(ip_address(door.host).is_loopback for door in doors):
            write_demo_certificate(tls.certificate, tls.key)
        return TlsContext(tls.certificate, tls.key, tls.client_ca)
    except ConfigError as error:
        raise ConfigError([config.document.locate(fault) for fault in error.issues]) from error
    except OSError as error:
        fault = ConfigIssue(
            ("tls", "certificate"), f"{tls.certificate} ({error.strerror})", "a place for the demo's certificate"
        )
        raise ConfigError([config.document.locate(fault)]) from error


_EXAMPLE_COMMANDS = """
Try, in another terminal:
  dig @{host} -p {port} {name}
  dig @{host} -p {port} {name} +subnet=10.1.2.0/24
  dig @{host} -p {port} {name} +ednsopt=65001:{tag}
"""

#: The client the demo's whitelist knows.
_EXAMPLE_TAG_HEX = b"client=qa-laptop".hex()


def format_banner(snapshot: Snapshot, listening: Sequence[Listener], notes: Iterable[str]) -> str:
    """The text for a server that answers at *listening*; *notes*: warnings."""
    lines = [f"graydns: {note}" for note in notes]
    lines.append("graydns answers at " + " ".join(str(door) for door in listening))
    zones = sorted(to_text(zone.origin) for zone in snapshot.zones)
    lines.append("zones: " + (", ".join(zones[:10]) + (" …" if len(zones) > 10 else "") if zones else "none"))
    services = [name for zone in snapshot.zone_files for name in zone.services]
    door = next((door for door in listening if door.transport.is_datagram), None)
    if services and door is not None:
        lines.append(
            _EXAMPLE_COMMANDS.format(
                host=door.host, port=door.port, name=to_text(services[0]), tag=_EXAMPLE_TAG_HEX
            ).strip()
        )
    return "\n".join(lines)
