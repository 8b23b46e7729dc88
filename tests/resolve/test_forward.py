"""The end of the chain, and the whole chain over a real upstream."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest

from graydns.model.errors import ResolveError, UpstreamError
from graydns.resolve.cache import Cache, Stale
from graydns.resolve.coalesce import Coalesce
from graydns.resolve.failures import Failures
from graydns.resolve.forward import Forward
from graydns.resolve.key import Keys
from graydns.resolve.link import Resolver, stack
from graydns.resolve.rawcache import RawCache
from graydns.resolve.store import Store
from graydns.upstream.group import UpstreamGroup
from graydns.upstream.table import ForwardTable
from tests.coroutines import on_reactor
from tests.resolve.chains import of_cohort
from tests.upstream.asked import make_query, show, write_reply
from tests.upstream.scripted import group_of, make_client, reactor, scripted

ADDRESS = "www.shop.test. 60 IN A 192.0.2.1"


def whole_chain(group: UpstreamGroup, store: Store) -> Resolver:
    """All links that forwarding has, on the real reactor."""
    choose = ForwardTable({b"\4test\0": group}).choose
    keys, seconds = Keys(choose, lambda query: query.client.tenant), reactor.seconds
    return stack(
        partial(
            Cache,
            key=keys.of_cohort,
            store=store,
            stale=Stale(),
            clock=seconds,
            wall=seconds,
            later=reactor.callLater,
        ),
        partial(Coalesce, key=keys.of_cohort),
        partial(RawCache, key=keys.raw, store=store, failures=Failures(), clock=seconds),
        partial(Coalesce, key=keys.raw),
        last=Forward(client=make_client(), choose=choose),
    )


def make_store() -> Store:
    """A store that believes every origin."""
    return Store(lambda partition: 1 << 20, lambda origin: True)


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
