"""``twistd graydns``: from the command line to a running server.

::

    Options → files.load_snapshot → Server (stores, pipeline, front) → Doors

Whatever is wrong is said, all of it at once, before anything is opened, and the exit status is 1.
"""

from __future__ import annotations

import gc
import signal
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NoReturn

from twisted.application.service import MultiService, Service
from twisted.logger import Logger
from twisted.python import usage

from graydns.config.main import Config
from graydns.fast.cookies import load_secrets
from graydns.listen.context import TlsContext
from graydns.listen.demo import demo_certificate
from graydns.listen.door import Door, DoorLimits
from graydns.listen.limits import fit_connections, raise_open_files
from graydns.listen.service import Doors
from graydns.model.errors import ConfigError, Fault
from graydns.model.query import TLS
from graydns.server import Server
from graydns.snapshot.snapshot import Snapshot
from graydns.sources.files import load_snapshot
from graydns.welcome import welcome

#: Collections of the young generations stay, often enough to be short; one of the oldest would stop answers for as long
#: as a heap takes to walk, and finds nothing, as what lives long here has no cycles.
_GC_THRESHOLDS = (5_000, 5, 1_000_000)


class Options(usage.Options):
    """What ``twistd graydns`` takes."""

    synopsis = "[--config FILE]"
    longdesc = "A DNS server that decides, per client, which version of a service answers."
    optParameters = (("config", "c", "graydns.yaml", "Main configuration file."),)


class Graydns(MultiService):
    """The whole server; says where it listens once it does. SIGHUP reads the certificate of *tls* again."""

    _log = Logger()

    def __init__(
        self, doors: Doors, snapshot: Snapshot, tls: TlsContext | None, reactor: Any, notes: tuple[str, ...]
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.doors = doors
        self._snapshot = snapshot
        self._tls = tls
        self._reactor = reactor
        self._notes = notes
        doors.setServiceParent(self)  # type: ignore[no-untyped-call]

    def privilegedStartService(self) -> None:
        """Open the doors; a door that cannot be opened ends the process with status 1."""
        try:
            super().privilegedStartService()  # type: ignore[no-untyped-call]
        except ConfigError as error:
            give_up(self._located(error))

    def startService(self) -> None:
        """Tell where, and let the collector forget what will stay for good."""
        super().startService()  # type: ignore[no-untyped-call]
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        signal.signal(signal.SIGHUP, lambda *_: self._reactor.callFromThread(self.reload_certificate))
        print(welcome(self._snapshot, self.doors.listening, self._notes), flush=True)

    def reload_certificate(self) -> None:
        """Use the certificate and key as they now are for connections to come; if they are no good, the old ones."""
        if self._tls is None:
            return
        try:
            self._tls.reload()
        except ConfigError as error:
            self._log.error("{error}", error=str(self._located(error)))
        else:
            self._log.info("certificate read again: {file}", file=str(self._tls.certificate))

    def _located(self, error: ConfigError) -> ConfigError:
        return ConfigError([self._snapshot.config.document.locate(fault) for fault in error.faults])


def makeService(options: Any) -> Service:
    """The service that *options* describe. Exits with status 1, all faults on standard error, if it cannot be."""
    from twisted.internet import reactor

    try:
        return make_graydns(Path(options["config"]), reactor)
    except ConfigError as error:
        give_up(error)


def make_graydns(path: Path, reactor: Any) -> Graydns:
    """A server for the main file at *path*, nothing opened yet. Raises ConfigError."""
    snapshot, warnings = load_snapshot(path)
    config = snapshot.config
    secrets = _prepare_data(config)
    tls = _tls_context(config)
    connections, shortage = fit_connections(config.limits.max_connections, raise_open_files())
    server = Server(snapshot, reactor, cookie_secrets=secrets)
    limits = DoorLimits(
        max_connections=connections,
        max_per_source=config.limits.max_per_source,
        max_pipelined=config.limits.max_pipelined,
        tcp_idle=config.limits.tcp_idle,
        tls_handshake=config.limits.tls_handshake,
    )
    doors = [Door(door.transport, door.host, door.port) for door in config.listen]
    notes = (*warnings, *((shortage,) if shortage else ()))
    return Graydns(Doors(doors, server.front, limits, reactor, tls), snapshot, tls, reactor, notes)


def give_up(error: ConfigError) -> NoReturn:
    """Say what is wrong and end the process with status 1."""
    text = "\n".join(f"graydns: {fault}" for fault in error.faults)
    # Once twistd has begun to log, sys.stderr is the log; whoever started us looks at the real one.
    for stream in dict.fromkeys((sys.__stderr__, sys.stderr)):
        print(text, file=stream, flush=True)
    raise SystemExit(1)


def _prepare_data(config: Config) -> tuple[bytes, ...]:
    """Make the data folder if need be; the cookie secrets in it."""
    secret = config.data / "cookie.secret"
    try:
        config.data.mkdir(parents=True, exist_ok=True)
        return load_secrets(secret)
    except ValueError as error:
        fault = Fault(("data",), f"{secret} ({error})", "lines of 32 hexadecimal digits, or no such file")
    except OSError as error:
        fault = Fault(("data",), f"{config.data} ({error.strerror})", "a folder that graydns may write to")
    raise ConfigError([config.document.locate(fault)])


def _tls_context(config: Config) -> TlsContext | None:
    tls = config.tls
    doors = [door for door in config.listen if door.transport == TLS]
    if tls is None or not doors:
        return None
    try:
        if all(ip_address(door.host).is_loopback for door in doors):
            demo_certificate(tls.certificate, tls.key)
        return TlsContext(tls.certificate, tls.key, tls.client_ca)
    except ConfigError as error:
        raise ConfigError([config.document.locate(fault) for fault in error.faults]) from error
    except OSError as error:
        fault = Fault(
            ("tls", "certificate"), f"{tls.certificate} ({error.strerror})", "a place for the demo's certificate"
        )
        raise ConfigError([config.document.locate(fault)]) from error
