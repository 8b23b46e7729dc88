"""The pipeline: the one place that states the order of the links.

::

    Measure → Route ─┬─ ours      → Authority ── a chain that leads out of our zones ─┐
                     └─ not ours  → Outward ◄────────────────────────────────────────┘
                                     Cache → Limit → Coalesce → Validate → Raw cache → Coalesce → Forward

A new pipeline is built for each Snapshot; its Stores outlive it. It has all links a second time, each under a Stage,
for the few queries that are traced.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from attrs import define, field, frozen

from graydns.config.main import Config
from graydns.dnssec.zones import Zones
from graydns.model.answer import Answer
from graydns.model.observe import Anomalies, QueryObserver
from graydns.model.query import DEFAULT_TENANT, Query
from graydns.resolve.authority import Authority
from graydns.resolve.cache import Cache, Stale
from graydns.resolve.coalesce import Coalesce
from graydns.resolve.failures import Failures
from graydns.resolve.forward import Forward
from graydns.resolve.key import Keys
from graydns.resolve.learning import Learning, Nothing
from graydns.resolve.limit import Inflight, Limit
from graydns.resolve.link import Link, Resolver, stack
from graydns.resolve.measure import Measure
from graydns.resolve.outward import Outward
from graydns.resolve.rawcache import RawCache
from graydns.resolve.route import Route
from graydns.resolve.stage import Stage
from graydns.resolve.store import Store
from graydns.resolve.validate import Validate
from graydns.resolve.validation import Validation
from graydns.snapshot.snapshot import Snapshot
from graydns.upstream.client import UpstreamClient
from graydns.upstream.group import UpstreamGroup

#: Levels of isolation (docs/configuration.md, ``isolation_level``).
NETWORK, STORAGE = "network", "storage"


@frozen
class TenantClients:
    """Asks through the client of the asker's tenant. *shared*: of those without one in *own*."""

    shared: UpstreamClient
    own: Mapping[str, UpstreamClient]

    def ask(self, query: Query, group: UpstreamGroup) -> Awaitable[Answer]:
        """What *group* says. Raises UpstreamError."""
        return self.own.get(query.client.tenant, self.shared).ask(query, group)


@define(eq=False)
class Stores:
    """What outlives a Snapshot. *snapshot*: gives the running one. *reactor*: see ``UpstreamClient``."""

    reactor: Any = field(repr=False)
    anomalies: Anomalies = field(repr=False)
    snapshot: Callable[[], Snapshot] = field(repr=False)
    learning: Learning = field(repr=False, factory=Nothing)
    observers: list[QueryObserver] = field(factory=list)
    answers: Store = field(init=False)
    client: UpstreamClient = field(init=False)
    _own_clients: dict[str, UpstreamClient] = field(init=False, factory=dict, repr=False)
    failures: Failures = field(init=False, factory=Failures)
    inflight: Inflight = field(init=False, factory=Inflight)
    validation: Validation = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.answers = Store(self.limit, self._is_current)
        self.client = self._make_client()
        self.validation = Validation(self.reactor)

    def clients(self, snapshot: Snapshot) -> TenantClients:
        """Who asks upstreams: a client of its own for each tenant that is isolated in network, one for all others."""
        isolated = [tenant for tenant, levels in snapshot.levels.items() if NETWORK in levels]
        own = {tenant: self._own_clients.setdefault(tenant, self._make_client()) for tenant in isolated}
        return TenantClients(self.client, own)

    def _make_client(self) -> UpstreamClient:
        return UpstreamClient(self.reactor, time.monotonic, self.anomalies)

    def limit(self, tenant: str) -> int:
        """Octets of cache that *tenant* may have."""
        config = self.snapshot().config
        own = config.tenants[tenant].cache if tenant in config.tenants else None
        return config.cache.size if own is None else own

    def _is_current(self, origin: object) -> bool:
        """Whether *origin*, an upstream group, is one of the running Snapshot's."""
        if not isinstance(origin, UpstreamGroup):
            return False
        group = self.snapshot().forward.by_name.get(origin.name)
        return group is origin or group == origin


@frozen(eq=False)
class Pipeline:
    """The links of the picture above. *entrance*: the first of them. *validate*: None where nothing is validated."""

    entrance: Measure
    validate: Validate | None


def build_pipeline(snapshot: Snapshot, stores: Stores) -> Pipeline:
    """The Pipeline of *snapshot*. Observers may be added to *stores* later."""
    plain, validate = _route(snapshot, stores, lambda link: link)
    traced, _ = _route(snapshot, stores, partial(Stage, clock=time.monotonic))
    entrance = Measure(plain, traced=traced, clock=time.monotonic, observers=stores.observers)
    return Pipeline(entrance, validate)


def _route(
    snapshot: Snapshot, stores: Stores, staged: Callable[[Resolver], Resolver]
) -> tuple[Resolver, Validate | None]:
    forwarding, validate = _forwarding(snapshot, stores, staged)
    outward = staged(Outward(forwarding, learning=stores.learning, snapshot=snapshot, clock=time.monotonic))
    route = Route(
        staged(Authority(outside=outward, learning=stores.learning, snapshot=snapshot, clock=time.monotonic)),
        outward,
        snapshot=snapshot,
    )
    return staged(route), validate


def _forwarding(
    snapshot: Snapshot, stores: Stores, staged: Callable[[Resolver], Resolver]
) -> tuple[Resolver, Validate | None]:
    """The links for what is forwarded, and the one of them that validates."""
    config: Config = snapshot.config
    choose = snapshot.forward.choose
    keys = Keys(choose, lambda query: partition_of(snapshot, query.client.tenant))
    stale = config.cache.stale
    links: tuple[Link, ...] = (
        partial(
            Cache,
            key=keys.of_cohort,
            store=stores.answers,
            stale=Stale(stale.keep, stale.ttl, stale.client_timeout),
            clock=time.monotonic,
            wall=time.time,
            later=stores.reactor.callLater,
        ),
        partial(
            Limit,
            inflight=stores.inflight,
            most=config.limits.max_inflight,
            most_per_source=config.limits.max_inflight_per_source,
        ),
        partial(Coalesce, key=keys.of_cohort),
    )
    below: tuple[Link, ...] = (
        partial(RawCache, key=keys.raw, store=stores.answers, failures=stores.failures, clock=time.monotonic),
        partial(Coalesce, key=keys.raw),
    )
    forward = staged(Forward(client=stores.clients(snapshot), choose=choose))
    raw = stack(*(_after(link, staged) for link in below), last=forward)
    validate = _validation(snapshot, stores, keys, raw)
    judged = raw if validate is None else staged(validate)
    return stack(*(_after(link, staged) for link in links), last=judged), validate


def _validation(snapshot: Snapshot, stores: Stores, keys: Keys, below: Resolver) -> Validate | None:
    """The validator of what *below* says, if that is to be validated."""
    dnssec, validation = snapshot.config.dnssec, stores.validation
    if not validation.rest_on((dnssec, snapshot.forward.by_suffix, snapshot.forward.by_name)):
        stores.answers.flush()
    if not dnssec.validate:
        return None

    def zones(query: Query) -> Zones:
        upstream = None if query.decision is None else query.decision.upstream
        return validation.zones(keys.raw(query).partition, upstream or "")

    return Validate(
        below,
        policy=validation.policy(dnssec),
        zones=zones,
        key=keys.of_cohort,
        failures=validation.bogus,
        forget=lambda query: stores.answers.forget(keys.raw(query)),
        workers=validation.workers,
        pace=validation.pace,
        asked=validation.asked,
        clock=time.monotonic,
    )


def _after(link: Link, staged: Callable[[Resolver], Resolver]) -> Link:
    return lambda below: staged(link(below))


def partition_of(snapshot: Snapshot, tenant: str) -> str:
    """Whose memory a forwarded answer for an asker of *tenant* takes, and with whom it is waited for: his tenant's, if
    that is isolated in storage or network, else everybody's."""
    return tenant if snapshot.isolation(tenant) & {STORAGE, NETWORK} else DEFAULT_TENANT
