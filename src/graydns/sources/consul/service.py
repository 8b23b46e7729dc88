"""Consul as a source: the connection, the catalog that is fed by it, and the domain answered from that."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import LoopingCall, deferLater
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from twisted.python.failure import Failure

from graydns.authority.consul.zone import ConsulDomain
from graydns.config.consul_settings import ConsulSettings as Config
from graydns.config.consul_settings import ConsulTlsSettings
from graydns.model.catalog import ServiceView
from graydns.model.errors import ConfigError, ConfigIssue
from graydns.snapshot.consul_domain import ConsulZoneTemplate
from graydns.sources.consul.crowd import Crowds
from graydns.sources.consul.feed import Feed
from graydns.sources.consul.kept import Told
from graydns.sources.consul.versions import Versions
from txconsul import Consul
from txconsul.errors import ConsulError

#: What a datacenter is called that nobody has given a name: Consul's own default.
DATACENTER = "dc1"

#: Seconds until Consul is asked again for what that is.
RETRY = 5.0

#: Seconds between two looks whether there is something to keep.
KEEPING = 15.0

_log = Logger()


class Shelf(Protocol):
    """Where the catalog is kept for a start without Consul (``control.shelf``)."""

    def save(self, told: Iterable[Told], now: float) -> None:
        """Keep what was *told* up to *now* (Unix seconds); waits for the disk. Raises OSError."""

    def load(self) -> tuple[list[Told], float]:
        """What is kept, and up to when it was told."""


class ConsulSource(Service):
    """*domain*: for Server; *feed*: what it waits for; *renamed*: gets the domain when Consul has said what its
    datacenter is called, unless the configuration does; *versions*: for Server, too. Of the catalog nothing is asked
    before a query does, but for what versions name. *addresses*: packed, at which clients reach this server."""

    def __init__(self, config: Config, reactor: Any, shelf: Shelf, addresses: Sequence[bytes] = ()) -> None:
        self._addresses = addresses
        self._config, self._reactor, self._shelf = config, reactor, shelf
        self.consul = _connection(config, reactor)
        guarded = config.token is not None or config.token_file is not None or "CONSUL_HTTP_TOKEN" in os.environ
        self.feed = Feed(self.consul, reactor, config.stale_after, lambda view: None, guarded)
        self.versions = Versions(self.feed.service, reactor, config.only_passing)
        self.feed.told = self._hear
        self.versions.is_stale = self.feed.is_stale
        self._crowds = Crowds()
        self.domain = self._domain(config.datacenter or DATACENTER)
        self.renamed: Callable[[ConsulZoneTemplate], None] = lambda domain: None
        self._asking: Deferred[None] | None = None
        self._keeping = LoopingCall(self._keep)
        self._keeping.clock = reactor

    def startService(self) -> None:
        """Know what was known, watch what versions name; ask for the datacenter if it is not configured."""
        super().startService()  # type: ignore[no-untyped-call]
        self.versions.wanted = self.feed.pin
        self.feed.pin(self.versions.names)  # first, so that they have the watches
        told, at = self._shelf.load()
        self.feed.recall(told, max(0.0, time.time() - at))
        self._keeping.start(KEEPING, now=False)
        if self._config.datacenter is None:
            self._asking = Deferred.fromCoroutine(self._ask_datacenter()).addErrback(self._failed)

    def stopService(self) -> Deferred[None]:
        """Keep what is known, end every watch and close every connection."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._asking is not None:
            self._asking.cancel()
        if self._keeping.running:
            self._keeping.stop()
        self.versions.stop()
        self.feed.stop()
        return self._keep().addBoth(lambda _: self.consul.close())

    def _hear(self, view: ServiceView) -> None:
        self._crowds.hear(view)
        self.versions.hear(view)

    def _keep(self) -> Deferred[None]:
        if not self.feed.fresh:
            return succeed(None)
        self.feed.fresh = False
        keeping: Deferred[None] = deferToThread(self._shelf.save, self.feed.remembered(), time.time())
        return keeping.addErrback(self._not_kept)

    def _not_kept(self, failure: Failure) -> None:
        _log.error("the catalog could not be kept: {error}", error=failure.getErrorMessage())

    def _domain(self, datacenter: str) -> ConsulZoneTemplate:
        config = self._config
        return ConsulZoneTemplate(
            ConsulDomain(
                config.domain,
                datacenter,
                self.feed,
                config.ttl_of,
                only_passing=config.only_passing,
            ),
            config.name_servers,
            self._addresses,
        )

    async def _ask_datacenter(self) -> None:
        datacenter = await ask_datacenter(self.consul, self._reactor)
        if datacenter.lower() != DATACENTER:
            self.domain = self._domain(datacenter)
            self.renamed(self.domain)

    def _failed(self, failure: Failure) -> None:
        if not isinstance(failure.value, CancelledError):
            _log.failure("asking Consul for its datacenter", failure)


async def ask_datacenter(consul: Consul, reactor: Any) -> str:
    """What Consul calls its datacenter; asked until it says so."""
    while True:
        try:
            told = (await consul.request("GET", "agent/self")).json
        except ConsulError as error:
            _log.warn("Consul does not say the name of its datacenter: {error}", error=str(error))
            await deferLater(reactor, RETRY)
        else:
            return str(told["Config"]["Datacenter"])


def _connection(config: Config, reactor: Any) -> Consul:
    tls = config.tls or ConsulTlsSettings()
    try:
        return Consul(
            reactor,
            config.address,
            token=None if config.token is None else config.token.value,
            token_file=config.token_file,
            ca=tls.ca,
            certificate=tls.certificate,
            key=tls.key,
            datacenter=config.datacenter,
        )
    except (OSError, ValueError) as error:
        raise ConfigError([ConfigIssue(("consul",), str(error), "settings that Consul can be reached with")]) from error
