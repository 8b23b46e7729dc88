"""What links share: the state that survives reloads, and the context from which a link is built."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from attrs import define, field, frozen

from graydns.model.answer import Answer
from graydns.model.client import DEFAULT_TENANT
from graydns.model.query import AnomalyRecorder, Query, QueryObserver
from graydns.resolve.cache.cache_keys import CacheKeyFactory
from graydns.resolve.cache.raw_cache import FailureCache
from graydns.resolve.cache.store import AnswerStore
from graydns.resolve.links.authority import CatalogWaiter, NullCatalogWaiter
from graydns.resolve.links.coalesce import InFlight
from graydns.resolve.links.inflight_limit import InflightCounter
from graydns.resolve.plugins import load_factory
from graydns.resolve.twisted_names import IResolverUpstream
from graydns.resolve.validation_state import ValidationState
from graydns.snapshot.snapshot import Snapshot
from graydns.upstream.server_groups import UpstreamGroup
from graydns.upstream.upstream_client import UpstreamClient

StateT = TypeVar("StateT")

#: Levels of isolation (docs/configuration.md, ``isolation_level``).
NETWORK_ISOLATION, STORAGE_ISOLATION = "network", "storage"


@frozen
class TenantClients:
    """Sends queries through the upstream client of the querying tenant.

    *by_tenant*: the clients of tenants with network isolation. *shared*: the client of all other tenants.
    """

    shared: UpstreamClient
    by_tenant: Mapping[str, UpstreamClient]
    find_resolver: Callable[[str], IResolverUpstream]

    def ask(self, query: Query, group: UpstreamGroup) -> Awaitable[Answer]:
        """The answer of *group* to *query*. Raises UpstreamError."""
        if group.resolver:
            return self.find_resolver(group.resolver).ask(query, group)
        if not self.by_tenant:
            return self.shared.ask(query, group)
        return self.by_tenant.get(query.client.tenant, self.shared).ask(query, group)


@define(eq=False)
class Stores:
    """State of the pipeline that survives reloads. *snapshot* returns the running Snapshot.

    *reactor*: see ``UpstreamClient``. *in_flight*: what is being resolved now. *link_state*: state of links from other
    packages, by the name of the link.
    """

    reactor: Any = field(repr=False)
    anomalies: AnomalyRecorder = field(repr=False)
    snapshot: Callable[[], Snapshot] = field(repr=False)
    catalog_waiter: CatalogWaiter = field(repr=False, factory=NullCatalogWaiter)
    observers: list[QueryObserver] = field(factory=list)
    answers: AnswerStore = field(init=False)
    client: UpstreamClient = field(init=False)
    _own_clients: dict[str, UpstreamClient] = field(init=False, factory=dict, repr=False)
    _resolvers: dict[str, IResolverUpstream] = field(init=False, factory=dict, repr=False)
    failure_cache: FailureCache = field(init=False, factory=FailureCache)
    in_flight: InFlight = field(init=False, factory=InFlight, repr=False)
    link_state: dict[str, Any] = field(init=False, factory=dict, repr=False)
    inflight: InflightCounter = field(init=False, factory=InflightCounter)
    validation: ValidationState = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.answers = AnswerStore(self.cache_limit, self._is_current_origin)
        self.client = self._make_client()
        self.validation = ValidationState(self.reactor)

    def make_tenant_clients(self, snapshot: Snapshot) -> TenantClients:
        """The upstream clients: one for each tenant with network isolation, one shared by all other tenants."""
        isolated = [tenant for tenant, levels in snapshot.isolation_levels.items() if NETWORK_ISOLATION in levels]
        own = {tenant: self._own_clients.setdefault(tenant, self._make_client()) for tenant in isolated}
        return TenantClients(self.client, own, self.find_resolver)

    def find_resolver(self, reference: str) -> IResolverUpstream:
        """The IResolver that the factory at *reference* made of the reactor; made once, also over reloads."""
        if reference not in self._resolvers:
            made = load_factory(reference)(self.reactor)
            self._resolvers[reference] = IResolverUpstream(made, self.reactor, time.monotonic)
        return self._resolvers[reference]

    def _make_client(self) -> UpstreamClient:
        return UpstreamClient(self.reactor, time.monotonic, self.anomalies)

    def cache_limit(self, tenant: str) -> int:
        """The bound on the cache of *tenant*, in bytes."""
        config = self.snapshot().config
        own = config.tenants[tenant].cache if tenant in config.tenants else None
        return config.cache.size if own is None else own

    def adopt_validation_settings(self, snapshot: Snapshot) -> None:
        """Flush all that was validated if it was validated under other settings than those of *snapshot*.

        Queries in flight then keep what they began with, and no new query joins them.
        """
        settings = (snapshot.config.dnssec, snapshot.forward.by_suffix, snapshot.forward.by_name)
        if not self.validation.adopt_settings(settings):
            self.answers.flush()
            self.in_flight = InFlight()

    def _is_current_origin(self, origin: object) -> bool:
        """Whether *origin* is an upstream group of the running Snapshot."""
        if not isinstance(origin, UpstreamGroup):
            return False
        group = self.snapshot().forward.by_name.get(origin.name)
        return group is origin or group == origin


@frozen
class LinkContext:
    """What the factory of a link gets beside the resolver below it. *name*: the link's stage in traces.

    *clock*: monotonic seconds. *wall*: Unix seconds.
    """

    name: str
    snapshot: Snapshot = field(repr=False)
    stores: Stores = field(repr=False)
    keys: CacheKeyFactory = field(repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    wall: Callable[[], float] = field(default=time.time, repr=False)

    def state(self, make: Callable[[], StateT]) -> StateT:
        """The state of this link, made by *make* the first time; the pipelines of later Snapshots get the same one."""
        if self.name not in self.stores.link_state:
            self.stores.link_state[self.name] = make()
        state: StateT = self.stores.link_state[self.name]
        return state


def choose_partition(snapshot: Snapshot, tenant: str) -> str:
    """The partition of the cache, and of the queries in flight, for the clients of *tenant*: its own if the tenant is
    isolated in storage or network, else the shared one."""
    return tenant if snapshot.isolation(tenant) & {STORAGE_ISOLATION, NETWORK_ISOLATION} else DEFAULT_TENANT
