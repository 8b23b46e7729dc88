"""Consul as a source: the connection, the catalog that is filled from it, and the domain answered from the catalog.

Services with more instances than an answer has room for are logged once, as clients cannot see that some are missing.
KvHeadPublisher writes the head of the audit log to Consul's KV: a copy that cannot be altered on this machine.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Protocol
from urllib.parse import quote

from attrs import define, field, frozen
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import LoopingCall, deferLater
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from twisted.python.failure import Failure

from graydns.authority.consul.consul_zone import ConsulZoneBackend
from graydns.config.consul_settings import ConsulSettings as Config
from graydns.config.consul_settings import ConsulTlsSettings
from graydns.model.catalog import CRITICAL, ServiceView
from graydns.model.errors import ConfigError, ConfigIssue
from graydns.runtime.twisted_types import Service
from graydns.snapshot.consul_domain import ConsulZoneTemplate
from graydns.sources.consul.catalog_feed import CatalogFeed
from graydns.sources.consul.catalog_file import SavedView
from graydns.sources.consul.version_endpoints import VersionEndpoints
from graydns.wire.answer_body import MAX_RECORDS_BYTES, RECORD_OVERHEAD_BYTES
from txconsul import ConsulClient
from txconsul.reply import ConsulError, ConsulNotFoundError

#: Consul's default name of a datacenter.
DEFAULT_DATACENTER = "dc1"

#: Seconds until Consul is asked again for what that is.
DATACENTER_RETRY_SECONDS = 5.0

#: Seconds between two looks whether there is something to keep.
SAVE_INTERVAL_SECONDS = 15.0

_log = Logger()


class CatalogFile(Protocol):
    """Where the catalog is kept for a start without Consul (``control.shelf``)."""

    def save(self, saved: Iterable[SavedView], now: float) -> None:
        """Store the views *saved* at *now* (Unix seconds); blocks on the disk. Raises OSError."""

    def load(self) -> tuple[list[SavedView], float]:
        """The stored views, and when they were stored."""


class ConsulSource(Service):
    """Follows Consul's catalog. *domain*, *feed*, *versions*: what DnsServer needs of it.

    Consul is asked for a service or node only after a query for it, or because a version names it. *addresses*: packed,
    at which clients reach this server.
    """

    def __init__(self, config: Config, reactor: Any, shelf: CatalogFile, addresses: Sequence[bytes] = ()) -> None:
        self._addresses = addresses
        self._config, self._reactor, self._catalog_file = config, reactor, shelf
        self.consul = _make_client(config, reactor)
        guarded = config.token is not None or config.token_file is not None or "CONSUL_HTTP_TOKEN" in os.environ
        self.feed = CatalogFeed(self.consul, reactor, config.stale_after, guarded)
        self.versions = VersionEndpoints(self.feed.service, reactor, config.only_passing, self.feed.is_stale)
        self.feed.subscribe_to_services(self._on_service_view)
        self._oversize_warner = OversizeWarner()
        self.domain = self._make_zone_template(config.datacenter or DEFAULT_DATACENTER)
        self._domain_callbacks: list[Callable[[ConsulZoneTemplate], None]] = []
        self._datacenter_query: Deferred[None] | None = None
        self._save_loop = LoopingCall(self._save_catalog)
        self._save_loop.clock = reactor

    def subscribe(self, on_domain_changed: Callable[[ConsulZoneTemplate], None]) -> None:
        """Call *on_domain_changed* with the domain once Consul has named its datacenter, unless it is configured."""
        self._domain_callbacks.append(on_domain_changed)

    def startService(self) -> None:
        """Know what was known, watch what versions name; ask for the datacenter if it is not configured."""
        super().startService()
        self.versions.subscribe_to_names(self.feed.pin)
        self.feed.pin(self.versions.consul_names)  # first, so that they have the watches
        told, at = self._catalog_file.load()
        self.feed.restore_views(told, max(0.0, time.time() - at))
        self._save_loop.start(SAVE_INTERVAL_SECONDS, now=False)
        if self._config.datacenter is None:
            self._datacenter_query = Deferred.fromCoroutine(self._query_datacenter()).addErrback(self._log_failure)

    def stopService(self) -> Deferred[None]:
        """Keep what is known, end every watch and close every connection."""
        super().stopService()
        if self._datacenter_query is not None:
            self._datacenter_query.cancel()
        if self._save_loop.running:
            self._save_loop.stop()
        self.versions.stop()
        self.feed.stop()
        return self._save_catalog().addBoth(lambda _: self.consul.close())

    def _on_service_view(self, view: ServiceView) -> None:
        self._oversize_warner.check_size(view)
        self.versions.on_view(view)

    def _save_catalog(self) -> Deferred[None]:
        if (views := self.feed.take_unsaved_views()) is None:
            return succeed(None)
        keeping: Deferred[None] = deferToThread(self._catalog_file.save, views, time.time())
        return keeping.addErrback(self._log_save_failure)

    def _log_save_failure(self, failure: Failure) -> None:
        _log.error("the catalog could not be kept: {error}", error=failure.getErrorMessage())

    def _make_zone_template(self, datacenter: str) -> ConsulZoneTemplate:
        config = self._config
        return ConsulZoneTemplate(
            ConsulZoneBackend(
                config.domain,
                datacenter,
                self.feed,
                config.ttl_of,
                only_passing=config.only_passing,
            ),
            config.name_servers,
            self._addresses,
        )

    async def _query_datacenter(self) -> None:
        datacenter = await query_datacenter(self.consul, self._reactor)
        if datacenter.lower() != DEFAULT_DATACENTER:
            self.domain = self._make_zone_template(datacenter)
            for on_domain_changed in self._domain_callbacks:
                on_domain_changed(self.domain)

    def _log_failure(self, failure: Failure) -> None:
        if not isinstance(failure.value, CancelledError):
            _log.failure("asking Consul for its datacenter", failure)


async def query_datacenter(consul: ConsulClient, reactor: Any) -> str:
    """The name of the agent's datacenter; asked for until there is a reply."""
    while True:
        try:
            agent = (await consul.request("GET", "agent/self")).json
        except ConsulError as error:
            _log.warn("Consul does not say the name of its datacenter: {error}", error=str(error))
            await deferLater(reactor, DATACENTER_RETRY_SECONDS)
        else:
            return str(agent["Config"]["Datacenter"])


def _make_client(config: Config, reactor: Any) -> ConsulClient:
    tls = config.tls or ConsulTlsSettings()
    try:
        return ConsulClient(
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


#: Instances of which every address is in an answer, if each is IPv4.
MAX_ANSWER_INSTANCES = MAX_RECORDS_BYTES // (RECORD_OVERHEAD_BYTES + 4)

_oversize_log = Logger()


@define(eq=False)
class OversizeWarner:
    """Checks the size of each new view of a service."""

    _oversize: set[str] = field(init=False, factory=set)

    def check_size(self, view: ServiceView) -> None:
        """Warn of a service that has become too large; again only once it has fitted meanwhile."""
        count = sum(one.status != CRITICAL for one in view.instances)
        if count <= MAX_ANSWER_INSTANCES:
            self._oversize.discard(view.name)
        elif view.name not in self._oversize:
            self._oversize.add(view.name)
            _oversize_log.warn(
                "{service} has {count} instances: an answer has room for {most} IPv4 addresses, fewer of other records",
                service=repr(view.name),
                count=count,
                most=MAX_ANSWER_INSTANCES,
            )


@frozen
class KvHeadPublisher:
    """Publishes to ``<prefix>audit/<node>``."""

    consul: ConsulClient = field(repr=False)
    prefix: str
    node: str

    async def publish(self, head: bytes) -> bytes | None:
        """Write the text of a *head*; returns the text before, None = there was none. Raises ConsulError."""
        path = f"kv/{self.prefix}audit/{quote(self.node, safe='')}"
        before = None
        with suppress(ConsulNotFoundError):
            before = (await self.consul.request("GET", path, {"raw": True})).body
        await self.consul.request("PUT", path, None, head)
        return before
