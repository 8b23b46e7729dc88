"""The end of the chain, and the whole chain over a real upstream."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest

from graydns.model.errors import ResolveError, UpstreamError
from graydns.resolve.cache.answer_cache import AnswerCache, StalePolicy
from graydns.resolve.cache.cache_keys import CacheKeyFactory
from graydns.resolve.cache.raw_cache import FailureCache, RawCache
from graydns.resolve.cache.store import AnswerStore
from graydns.resolve.link import Resolver, stack_links
from graydns.resolve.links.coalesce import QueryCoalescer
from graydns.resolve.links.forwarder import Forwarder
from graydns.upstream.server_groups import ForwardTable, UpstreamGroup
from tests.coroutines import on_reactor
from tests.resolve.chains import of_cohort
from tests.upstream.queries import make_query, show, write_reply
from tests.upstream.scripted import group_of, make_client, reactor, scripted

ADDRESS = "www.shop.test. 60 IN A 192.0.2.1"


def whole_chain(group: UpstreamGroup, store: AnswerStore) -> Resolver:
    """All links that forwarding has, on the real reactor."""
    choose = ForwardTable({b"\4test\0": group}).choose_group
    keys, seconds = CacheKeyFactory(choose, lambda query: query.client.tenant), reactor.seconds
    return stack_links(
        partial(
            AnswerCache,
            key=keys.make_cohort_key,
            store=store,
            stale=StalePolicy(),
            clock=seconds,
            wall=seconds,
            call_later=reactor.callLater,
        ),
        partial(QueryCoalescer, key=keys.make_cohort_key),
        partial(RawCache, key=keys.make_raw_key, store=store, failure_cache=FailureCache(), clock=seconds),
        partial(QueryCoalescer, key=keys.make_raw_key),
        last=Forwarder(client=make_client(), choose_group=choose),
    )


def make_store() -> AnswerStore:
    """A store that believes every origin."""
    return AnswerStore(lambda partition: 1 << 20, lambda origin: True)


@on_reactor
async def test_chain_asks_upstream_once() -> None:
    """A question is forwarded once, then answered from memory; both levels hold one and the same answer,
    those of the default cohort in one entry."""

    def honest(query: bytes) -> Sequence[bytes]:
        return [write_reply(query, [ADDRESS])]

    async with scripted(honest) as server:
        store = make_store()
        chain = whole_chain(group_of(server.server), store)
        first = await chain.resolve(make_query())
        assert show(make_query(), first) == [f"answer {ADDRESS}"]
        assert await chain.resolve(make_query()) is first
        assert await chain.resolve(of_cohort(make_query(), "x")) is first
        assert (len(server.asked), store.stats()["default"].entries) == (1, 2)


@on_reactor
async def test_dead_upstream_is_left_in_peace() -> None:
    """Failures are remembered, so that a dead upstream sees one question and not one from every query."""
    async with scripted(lambda query: [write_reply(query, rcode=2)]) as server:
        chain = whole_chain(group_of(server.server), make_store())
        for _ in range(5):
            with pytest.raises(UpstreamError):
                await chain.resolve(make_query())
        assert len(server.asked) == 1


@on_reactor
async def test_name_without_a_group_is_refused() -> None:
    """Where no upstream is configured the answer is REFUSED (EDE 20)."""
    async with scripted() as server:
        chain = whole_chain(group_of(server.server), make_store())
        with pytest.raises(ResolveError) as caught:
            await chain.resolve(make_query("www.example"))
        assert (caught.value.rcode, caught.value.ede) == (5, 20)
