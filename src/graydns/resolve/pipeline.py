"""The pipeline: LINKS is the one place that states the order of the links.

::

    Measure → Route ─┬─ in our zones → Authority ── a CNAME leads out of our zones ─┐
                     └─ other names  → Outward ◄────────────────────────────────────┘
                                       Cache → Limit → Coalesce → Validate → RawCache → Coalesce → Forward

A new pipeline is built for each Snapshot. Its links hold no state: that is in Stores, which outlive it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from attrs import evolve, frozen

from graydns.config.issues import ValidationIssue
from graydns.config.settings import Config
from graydns.dnssec.zone_status import ZoneStatusCache
from graydns.model.answer import Answer
from graydns.model.query import Query
from graydns.resolve.cache.answer_cache import AnswerCache, StalePolicy
from graydns.resolve.cache.cache_keys import CacheKeyFactory
from graydns.resolve.cache.raw_cache import RawCache
from graydns.resolve.link import Resolver, Stage
from graydns.resolve.links.authority import Authority
from graydns.resolve.links.coalesce import QueryCoalescer
from graydns.resolve.links.error_boundary import ErrorBoundary
from graydns.resolve.links.forwarder import Forwarder
from graydns.resolve.links.forwarding_policy import ForwardingPolicy
from graydns.resolve.links.inflight_limit import InflightLimit
from graydns.resolve.links.validation import ValidatingLink
from graydns.resolve.links.zone_dispatch import ZoneDispatch
from graydns.resolve.plugins import check_links, check_resolvers, insert_links, load_factory
from graydns.resolve.stores import LinkContext, Stores, choose_partition
from graydns.snapshot.snapshot import Snapshot

#: Sets a link on the resolver below it. One that has nothing to do under this Snapshot returns that resolver itself.
LinkFactory = Callable[[LinkContext, Resolver], Resolver]


@frozen(eq=False)
class Pipeline:
    """The links of the picture above. *entrance*: the first of them. *validator*: None if nothing is validated."""

    entrance: ErrorBoundary
    validator: ValidatingLink | None


class EndOfChain:
    """What is below the last link; that one must not pass a query on."""

    async def resolve(self, query: Query) -> Answer:
        """Raises RuntimeError always."""
        raise RuntimeError("the last link of the pipeline passed a query on")


def build_pipeline(snapshot: Snapshot, stores: Stores) -> Pipeline:
    """The Pipeline of *snapshot*. Observers may be added to *stores* later."""
    stores.adopt_validation_settings(snapshot)
    keys = CacheKeyFactory(snapshot.forward.choose_group, lambda query: choose_partition(snapshot, query.client.tenant))
    context = LinkContext("Measure", snapshot, stores, keys)
    resolver: Resolver = EndOfChain()
    validator: ValidatingLink | None = None
    for name, make_link in reversed(insert_links(LINKS, snapshot.config.links, load_factory)):
        link = make_link(evolve(context, name=name), resolver)
        if isinstance(link, ValidatingLink):
            validator = link
        if link is not resolver:
            resolver = Stage(link, name, context.clock)
    return Pipeline(ErrorBoundary(resolver, clock=context.clock, observers=stores.observers), validator)


def check_extensions(config: Config) -> Iterator[ValidationIssue]:
    """Yield what is wrong with the links and the resolvers of other packages that the main file names."""
    yield from check_links(config.links, [name.lower() for name, _ in LINKS])
    yield from check_resolvers(config.upstreams)


def _make_dispatch(context: LinkContext, below: Resolver) -> Resolver:
    authority = Authority(
        forwarding=below,
        catalog_waiter=context.stores.catalog_waiter,
        snapshot=context.snapshot,
        clock=context.clock,
    )
    return ZoneDispatch(Stage(authority, "Authority", context.clock), below, snapshot=context.snapshot)


def _make_forwarding_policy(context: LinkContext, below: Resolver) -> Resolver:
    waiter = context.stores.catalog_waiter
    return ForwardingPolicy(below, catalog_waiter=waiter, snapshot=context.snapshot, clock=context.clock)


def _make_answer_cache(context: LinkContext, below: Resolver) -> Resolver:
    stale, stores = context.snapshot.config.cache.stale, context.stores
    return AnswerCache(
        below,
        key=context.keys.make_cohort_key,
        store=stores.answers,
        stale=StalePolicy(stale.keep, stale.ttl, stale.client_timeout),
        clock=context.clock,
        wall=context.wall,
        call_later=stores.reactor.callLater,
        refreshing=stores.in_flight.refreshes,
    )


def _make_inflight_limit(context: LinkContext, below: Resolver) -> Resolver:
    limits = context.snapshot.config.limits
    return InflightLimit(
        below,
        counter=context.stores.inflight,
        max_queries=limits.max_inflight,
        max_queries_per_source=limits.max_inflight_per_source,
    )


def _make_coalescer(context: LinkContext, below: Resolver) -> Resolver:
    return QueryCoalescer(below, key=context.keys.make_cohort_key, flights=context.stores.in_flight.answers)


def _make_validator(context: LinkContext, below: Resolver) -> Resolver:
    stores, keys, dnssec = context.stores, context.keys, context.snapshot.config.dnssec
    validation = stores.validation
    if not dnssec.validate:
        return below

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
        clock=context.clock,
        flights=stores.in_flight.zones,
    )


def _make_raw_cache(context: LinkContext, below: Resolver) -> Resolver:
    return RawCache(
        below,
        key=context.keys.make_raw_key,
        store=context.stores.answers,
        failure_cache=context.stores.failure_cache,
        clock=context.clock,
    )


def _make_raw_coalescer(context: LinkContext, below: Resolver) -> Resolver:
    return QueryCoalescer(below, key=context.keys.make_raw_key, flights=context.stores.in_flight.raw)


def _make_forwarder(context: LinkContext, _below: Resolver) -> Resolver:
    client = context.stores.make_tenant_clients(context.snapshot)
    return Forwarder(client=client, choose_group=context.snapshot.forward.choose_group)


#: The links in the order in which a query passes them, each with its name in traces.
LINKS: tuple[tuple[str, LinkFactory], ...] = (
    ("Route", _make_dispatch),  # with the stage Authority at its side
    ("Outward", _make_forwarding_policy),
    ("Cache", _make_answer_cache),
    ("Limit", _make_inflight_limit),
    ("Coalesce", _make_coalescer),
    ("Validate", _make_validator),
    ("RawCache", _make_raw_cache),
    ("Coalesce", _make_raw_coalescer),
    ("Forward", _make_forwarder),
)
