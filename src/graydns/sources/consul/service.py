"""Consul as a source: the connection, the catalog that is fed by it, and the domain answered from that."""

from __future__ import annotations

import os
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred

from graydns.authority.consul.zone import ConsulDomain, consul_zone
from graydns.config.consul import Consul as Config
from graydns.config.consul import ConsulTls
from graydns.model.errors import ConfigError, Fault
from graydns.sources.consul.feed import Feed
from txconsul import Consul

#: What a datacenter is called that nobody has given a name: Consul's own default.
DATACENTER = "dc1"


class ConsulSource(Service):
    """*zone*: the domain, for Server; *feed*: what it waits for. Nothing is asked of Consul before a query does."""

    def __init__(self, config: Config, reactor: Any) -> None:
        self.consul = _connection(config, reactor)
        guarded = config.token is not None or config.token_file is not None or "CONSUL_HTTP_TOKEN" in os.environ
        self.feed = Feed(self.consul, reactor, config.stale_after, lambda view: None, guarded)
        domain = ConsulDomain(
            config.domain,
            config.datacenter or DATACENTER,
            self.feed,
            service_ttl=config.service_ttl,
            only_passing=config.only_passing,
        )
        self.zone = consul_zone(domain)

    def stopService(self) -> Deferred[None]:
        """End every watch and close every connection."""
        super().stopService()  # type: ignore[no-untyped-call]
        self.feed.stop()
        return self.consul.close()


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
