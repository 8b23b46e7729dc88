"""GraydnsService: the running server as one Twisted service, its log level, and what it prints when it starts."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from twisted.internet.defer import Deferred
from twisted.logger import (
    FilteringLogObserver,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    LogPublisher,
    globalLogPublisher,
)

from graydns.control.core import ControlCore
from graydns.listen.listener import Listener
from graydns.listen.listeners import GracefulShutdown, Listeners
from graydns.listen.tls_context import TlsContext
from graydns.model.errors import ConfigError
from graydns.model.name import to_text
from graydns.observe.observability import ObservabilityService
from graydns.runtime.garbage import OldestGenerationCollector
from graydns.snapshot.snapshot import Snapshot


class LogLevelControl:
    """Filters what goes to the observers that *publisher* has when :meth:`install` is called."""

    def __init__(self, publisher: LogPublisher = globalLogPublisher) -> None:
        self._publisher = publisher
        self._predicate = LogLevelFilterPredicate(defaultLogLevel=LogLevel.info)
        self._level = "info"

    def install(self) -> None:
        """Put the filter in front of the present observers."""
        for observer in tuple(self._publisher._observers):
            self._publisher.removeObserver(observer)
            self._publisher.addObserver(FilteringLogObserver(observer, [self._predicate]))  # type: ignore[arg-type,list-item]

    def __call__(self, level: str) -> str:
        """Log *level* (debug, info, warn, error, critical) and above; returns the level before. Raises ValueError."""
        try:
            constant = LogLevel.levelWithName(level)
        except Exception:
            names = ", ".join(each.name for each in LogLevel.iterconstants())
            raise ValueError(f"{level!r} is no level: expected one of {names}") from None
        before, self._level = self._level, level
        self._predicate.setLogLevelForNamespace("", constant)
        return before


class GraydnsService(GracefulShutdown):
    """The whole server. SIGHUP reloads the certificate and the files."""

    _log = Logger()

    def __init__(
        self,
        listeners: Listeners,
        observability: ObservabilityService,
        core: ControlCore,
        level: LogLevelControl,
        tls: TlsContext | None,
        reactor: Any,
        warnings: tuple[str, ...],
    ) -> None:
        super().__init__(
            listeners,
            observability.announce_shutdown,
            lambda: core.state.server.snapshot.config.shutdown_delay,
            reactor,
        )
        self.listeners = listeners
        self.core = core
        self._level = level
        self._tls = tls
        self._reactor = reactor
        self._warnings = warnings
        self._collector = OldestGenerationCollector(reactor)
        for service in (listeners, observability):
            service.setServiceParent(self)

    def privilegedStartService(self) -> None:
        """Listen; an address that cannot be listened on ends the process with status 1."""
        try:
            super().privilegedStartService()
        except ConfigError as error:
            exit_with_issues(self._locate_issues(error))

    def startService(self) -> None:
        """Start everything, print the banner, and take over the oldest generation from the garbage collector."""
        try:
            super().startService()
        except ConfigError as error:
            exit_with_issues(self._locate_issues(error))
        self._level.install()
        self._collector.start()
        signal.signal(signal.SIGHUP, lambda *_: self._reactor.callFromThread(self.reload))
        self.core.periodic_tasks.start()
        print(format_banner(self.core.state.server.snapshot, self.listeners.listening, self._warnings), flush=True)

    def stopService(self) -> Deferred[None]:
        """Stop what runs by itself, then shut down gracefully."""
        self._collector.stop()
        self.core.periodic_tasks.stop()
        self.core.reloader.file_reloader.sources.stop()
        return super().stopService()

    def reload(self) -> None:
        """Reload the certificate and the files. Errors are logged, and what is served then stays as it is."""
        self.reload_certificate()
        reloading = Deferred.fromCoroutine(self.core.reload_unattended("SIGHUP"))
        reloading.addErrback(lambda failure: self._log.failure("reloading the files on SIGHUP failed", failure))

    def reload_certificate(self) -> None:
        """Read certificate and key again for connections to come. Those that are not valid are logged and not used."""
        if self._tls is None:
            return
        try:
            self._tls.reload()
        except ConfigError as error:
            self._log.error("{error}", error=str(self._locate_issues(error)))
        else:
            self._log.info("certificate read again: {file}", file=str(self._tls.certificate))

    def _locate_issues(self, error: ConfigError) -> ConfigError:
        document = self.core.state.server.snapshot.config.document
        return ConfigError([document.locate(issue) for issue in error.issues])


def exit_with_issues(error: ConfigError) -> NoReturn:
    """Print every issue on standard error and end the process with status 1."""
    text = "\n".join(f"graydns: {issue}" for issue in error.issues)
    # Once twistd logs, sys.stderr is the log; the user who started the process sees only the real one.
    for stream in dict.fromkeys((sys.__stderr__, sys.stderr)):
        print(text, file=stream, flush=True)
    raise SystemExit(1)


_EXAMPLE_COMMANDS = """
Try, in another terminal:
  dig @{host} -p {port} {name}
  dig @{host} -p {port} {name} +subnet=10.1.2.0/24
  dig @{host} -p {port} {name} +ednsopt=65001:{tag}
"""

#: The client on the whitelist of the demo.
_EXAMPLE_TAG_HEX = b"client=qa-laptop".hex()


def format_banner(snapshot: Snapshot, listening: Sequence[Listener], warnings: Iterable[str]) -> str:
    """What a start prints: *warnings*, where the server listens, its zones, and three commands to try."""
    lines = [f"graydns: {warning}" for warning in warnings]
    lines.append("graydns answers at " + " ".join(map(str, listening)))
    zones = sorted(to_text(zone.origin) for zone in snapshot.zones)
    lines.append("zones: " + (", ".join(zones[:10]) + (" …" if len(zones) > 10 else "") if zones else "none"))
    services = [name for zone in snapshot.zone_files for name in zone.services]
    listener = next((listener for listener in listening if listener.transport.is_datagram), None)
    if services and listener is not None:
        name = to_text(services[0])
        commands = _EXAMPLE_COMMANDS.format(host=listener.host, port=listener.port, name=name, tag=_EXAMPLE_TAG_HEX)
        lines.append(commands.strip())
    return "\n".join(lines)
