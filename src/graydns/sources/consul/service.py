"""Consul as a source: the connection, the catalog that is fed by it, and the domain answered from that."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from graydns.authority.consul.zone import ConsulDomain, consul_zone
from graydns.authority.zone import Zone
from graydns.config.consul import Consul as Config
from graydns.config.consul import ConsulTls
from graydns.model.errors import ConfigError, Fault
from graydns.sources.consul.feed import Feed
from graydns.sources.consul.versions import Versions
from txconsul import Consul
from txconsul.errors import ConsulError

#: What a datacenter is called that nobody has given a name: Consul's own default.
DATACENTER = "dc1"

#: Seconds until Consul is asked again for what that is.
RETRY = 5.0


class ConsulSource(Service):
    """*zone*: the domain, for Server; *feed*: what it waits for; *renamed*: gets the zone when Consul has said what its
    datacenter is called, unless the configuration does; *versions*: for Server, too. Of the catalog nothing is asked
    before a query does, but for what versions name."""

    _log = Logger()

    def __init__(self, config: Config, reactor: Any) -> None:
        self._config, self._reactor = config, reactor
        self.consul = _connection(config, reactor)
        guarded = config.token is not None or config.token_file is not None or "CONSUL_HTTP_TOKEN" in os.environ
        self.feed = Feed(self.consul, reactor, config.stale_after, lambda view: None, guarded)
        self.versions = Versions(self.feed.service, reactor, config.only_passing)
        self.feed.told = self.versions.hear
        self.zone = self._zone(config.datacenter or DATACENTER)
        self.renamed: Callable[[Zone], None] = lambda zone: None
        self._asking: Deferred[None] | None = None

    def startService(self) -> None:
        """Watch what versions name; ask for the datacenter, if it is not configured."""
        super().startService()  # type: ignore[no-untyped-call]
        self.versions.wanted = self.feed.pin
        self.feed.pin(self.versions.names)
        if self._config.datacenter is None:
            self._asking = Deferred.fromCoroutine(self._ask_datacenter()).addErrback(self._failed)

    def stopService(self) -> Deferred[None]:
        """End every watch and close every connection."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._asking is not None:
            self._asking.cancel()
        self.versions.stop()
        self.feed.stop()
        return self.consul.close()

    def _zone(self, datacenter: str) -> Zone:
        config = self._config
        return consul_zone(
            ConsulDomain(
                config.domain,
                datacenter,
                self.feed,
                service_ttl=config.service_ttl,
                only_passing=config.only_passing,
            )
        )

    async def _ask_datacenter(self) -> None:
        while True:
            try:
                told = (await self.consul.request("GET", "agent/self")).json
                datacenter = told["Config"]["Datacenter"]
                break
            except ConsulError as error:
                self._log.warn("Consul does not say the name of its datacenter: {error}", error=str(error))
                await deferLater(self._reactor, RETRY)
        if datacenter.lower() != DATACENTER:
            self.zone = self._zone(datacenter)
            self.renamed(self.zone)

    def _failed(self, failure: Failure) -> None:
        if not isinstance(failure.value, CancelledError):
            self._log.failure("asking Consul for its datacenter", failure)


def _connection(config: Config, reactor: Any) -> Consul:
    tls = config.tls or ConsulTls()
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
        raise ConfigError([Fault(("consul",), str(error), "settings that Consul can be reached with")]) from error
