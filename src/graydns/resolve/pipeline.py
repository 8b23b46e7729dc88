"""The pipeline: the one place that states the order of the links.

::

    Measure → Route ─┬─ ours      → Authority ── a chain that leads out of our zones ─┐
                     └─ not ours  → Outward ◄────────────────────────────────────────┘
                                     Cache → Limit → Coalesce → Validate → Raw cache → Coalesce → Forward

A new pipeline is built for each Snapshot; its AnswerStores outlive it. It has all links a second time, each under a
Stage, for the few queries that are traced.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from attrs import define, field, frozen

from graydns.config.settings import Config
from graydns.dnssec.zone_status import ZoneStatusCache
from graydns.model.answer import Answer
from graydns.model.client import DEFAULT_TENANT
from graydns.model.query import AnomalyRecorder, Query, QueryObserver
from graydns.resolve.cache.answer_cache import AnswerCache, StalePolicy
from graydns.resolve.cache.cache_keys import CacheKeyFactory
from graydns.resolve.cache.raw_cache import FailureCache, RawCache
from graydns.resolve.cache.store import AnswerStore
from graydns.resolve.link import Link, Resolver, Stage, stack_links
from graydns.resolve.links.authority import Authority, CatalogWaiter, NullCatalogWaiter
from graydns.resolve.links.coalesce import QueryCoalescer
from graydns.resolve.links.error_boundary import ErrorBoundary
from graydns.resolve.links.forwarder import Forwarder
from graydns.resolve.links.forwarding_policy import ForwardingPolicy
from graydns.resolve.links.inflight_limit import InflightCounter, InflightLimit
from graydns.resolve.links.validation import ValidatingLink
from graydns.resolve.links.zone_dispatch import ZoneDispatch
from graydns.resolve.validation_state import ValidationState
from graydns.snapshot.snapshot import Snapshot
from graydns.upstream.server_groups import UpstreamGroup
from graydns.upstream.upstream_client import UpstreamClient

#: Levels of isolation (docs/configuration.md, ``isolation_level``).
NETWORK_ISOLATION, STORAGE_ISOLATION = "network", "storage"


@frozen
class TenantClients:
    """Asks through the client of the asker's tenant. *shared*: of those without one in *own*."""

    shared: UpstreamClient
    by_tenant: Mapping[str, UpstreamClient]

    def ask(self, query: Query, group: UpstreamGroup) -> Awaitable[Answer]:
        """What *group* says. Raises UpstreamError."""
        return self.by_tenant.get(query.client.tenant, self.shared).ask(query, group)


@define(eq=False)
class Stores:
    """What outlives a Snapshot. *snapshot*: gives the running one. *reactor*: see ``UpstreamClient``."""

    reactor: Any = field(repr=False)
    anomalies: AnomalyRecorder = field(repr=False)
    snapshot: Callable[[], Snapshot] = field(repr=False)
    catalog_waiter: CatalogWaiter = field(repr=False, factory=NullCatalogWaiter)
    observers: list[QueryObserver] = field(factory=list)
    answers: AnswerStore = field(init=False)
    client: UpstreamClient = field(init=False)
    _own_clients: dict[str, UpstreamClient] = field(init=False, factory=dict, repr=False)
    failure_cache: FailureCache = field(init=False, factory=FailureCache)
    inflight: InflightCounter = field(init=False, factory=InflightCounter)
    validation: ValidationState = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.answers = AnswerStore(self.cache_limit, self._is_current_origin)
        self.client = self._make_client()
        self.validation = ValidationState(self.reactor)

    def make_tenant_clients(self, snapshot: Snapshot) -> TenantClients:
        """Who asks upstreams: a client of its own for each tenant that is isolated in network, one for all others."""
        isolated = [tenant for tenant, levels in snapshot.isolation_levels.items() if NETWORK_ISOLATION in levels]
        own = {tenant: self._own_clients.setdefault(tenant, self._make_client()) for tenant in isolated}
        return TenantClients(self.client, own)

    def _make_client(self) -> UpstreamClient:
        return UpstreamClient(self.reactor, time.monotonic, self.anomalies)

    def cache_limit(self, tenant: str) -> int:
        """Octets of cache that *tenant* may have."""
        config = self.snapshot().config
        own = config.tenants[tenant].cache if tenant in config.tenants else None
        return config.cache.size if own is None else own

    def _is_current_origin(self, origin: object) -> bool:
        """Whether *origin*, an upstream group, is one of the running Snapshot's."""
        if not isinstance(origin, UpstreamGroup):
            return False
        group = self.snapshot().forward.by_name.get(origin.name)
        return group is origin or group == origin


@frozen(eq=False)
class Pipeline:
    """The links of the picture above. *entrance*: the first of them. *validate*: None where nothing is validated."""

    entrance: ErrorBoundary
    validator: ValidatingLink | None


def build_pipeline(snapshot: Snapshot, stores: Stores) -> Pipeline:
    """The Pipeline of *snapshot*. Observers may be added to *stores* later."""
    plain, validate = _build_dispatch(snapshot, stores, lambda link: link)
    traced, _ = _build_dispatch(snapshot, stores, partial(Stage, clock=time.monotonic))
    entrance = ErrorBoundary(plain, traced=traced, clock=time.monotonic, observers=stores.observers)
    return Pipeline(entrance, validate)


def _build_dispatch(
    snapshot: Snapshot, stores: Stores, staged: Callable[[Resolver], Resolver]
) -> tuple[Resolver, ValidatingLink | None]:
    forwarding, validate = _build_forwarding(snapshot, stores, staged)
    outward = staged(
        ForwardingPolicy(forwarding, catalog_waiter=stores.catalog_waiter, snapshot=snapshot, clock=time.monotonic)
    )
    route = ZoneDispatch(
        staged(
            Authority(forwarding=outward, catalog_waiter=stores.catalog_waiter, snapshot=snapshot, clock=time.monotonic)
        ),
        outward,
        snapshot=snapshot,
    )
    return staged(route), validate


def _build_forwarding(
    snapshot: Snapshot, stores: Stores, staged: Callable[[Resolver], Resolver]
) -> tuple[Resolver, ValidatingLink | None]:
    """The links for what is forwarded, and the one of them that validates."""
    config: Config = snapshot.config
    choose = snapshot.forward.choose_group
    keys = CacheKeyFactory(choose, lambda query: choose_partition(snapshot, query.client.tenant))
    stale = config.cache.stale
    links: tuple[Link, ...] = (
        partial(
            AnswerCache,
            key=keys.make_cohort_key,
            store=stores.answers,
            stale=StalePolicy(stale.keep, stale.ttl, stale.client_timeout),
            clock=time.monotonic,
            wall=time.time,
            call_later=stores.reactor.callLater,
        ),
        partial(
            InflightLimit,
            counter=stores.inflight,
            max_queries=config.limits.max_inflight,
            max_queries_per_source=config.limits.max_inflight_per_source,
        ),
        partial(QueryCoalescer, key=keys.make_cohort_key),
    )
    below: tuple[Link, ...] = (
        partial(
            RawCache,
            key=keys.make_raw_key,
            store=stores.answers,
            failure_cache=stores.failure_cache,
            clock=time.monotonic,
        ),
        partial(QueryCoalescer, key=keys.make_raw_key),
    )
    forward = staged(Forwarder(client=stores.make_tenant_clients(snapshot), choose_group=choose))
    raw = stack_links(*(_staged_link(link, staged) for link in below), last=forward)
    validate = _build_validator(snapshot, stores, keys, raw)
    judged = raw if validate is None else staged(validate)
    return stack_links(*(_staged_link(link, staged) for link in links), last=judged), validate


def _build_validator(
    snapshot: Snapshot, stores: Stores, keys: CacheKeyFactory, below: Resolver
) -> ValidatingLink | None:
    """The validator of what *below* says, if that is to be validated."""
    dnssec, validation = snapshot.config.dnssec, stores.validation
    if not validation.adopt_settings((dnssec, snapshot.forward.by_suffix, snapshot.forward.by_name)):
        stores.answers.flush()
    if not dnssec.validate:
        return None

    def zones(query: Query) -> ZoneStatusCache:
        upstream = None if query.decision is None else query.decision.upstream
        return validation.zones(keys.make_raw_key(query).partition, upstream or "")

    return ValidatingLink(
        below,
        policy=validation.make_policy(dnssec),
        zones=zones,
        key=keys.make_cohort_key,
        failures=validation.bogus_answers,
        forget=lambda query: stores.answers.remove(keys.make_raw_key(query)),
        worker_pool=validation.worker_pool,
        turn_limiter=validation.turn_limiter,
        key_queries=validation.key_queries,
        clock=time.monotonic,
    )


def _staged_link(link: Link, staged: Callable[[Resolver], Resolver]) -> Link:
    return lambda below: staged(link(below))


def choose_partition(snapshot: Snapshot, tenant: str) -> str:
    """Whose memory a forwarded answer for an asker of *tenant* takes, and with whom it is waited for: his tenant's, if
    that is isolated in storage or network, else everybody's."""
    return tenant if snapshot.isolation(tenant) & {STORAGE_ISOLATION, NETWORK_ISOLATION} else DEFAULT_TENANT
