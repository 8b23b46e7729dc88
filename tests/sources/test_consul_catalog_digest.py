"""The census: whose instances changed, as real Consul's nodes tell it."""

from __future__ import annotations

from typing import Any

import pytest

from graydns.model.errors import CatalogPendingError, ConsulReplyError
from graydns.sources.consul import shared_watches
from graydns.sources.consul.catalog_digest import NodePoller
from graydns.sources.consul.catalog_feed import CatalogFeed
from tests.coroutines import on_reactor
from tests.sources.feeding import addresses, feeding, is_settled, learnt, reactor
from tests.txconsul.running import consul_at, http, in_thread, responding, until
from tools.consul import ConsulServer
from txconsul.reply import ConsulError

pytestmark = pytest.mark.timeout(90)


async def have(agent: ConsulServer, node: str, service: str, number: int, **more: Any) -> None:
    """Register an instance of *service* on *node*."""
    body = {"Service": service, "ID": f"{service}-{number}", "Address": f"192.0.2.{number}", **more}
    registration = {"Node": node, "Address": "192.0.2.200", "Service": body}
    await in_thread(agent.must, "PUT", "/v1/catalog/register", registration)


async def remove(agent: ConsulServer, node: str, **more: str) -> None:
    """Deregister an instance, or all of *node*."""
    await in_thread(agent.must, "PUT", "/v1/catalog/deregister", {"Node": node, **more})


@on_reactor
async def test_every_change_of_an_instance_is_told(agent: ConsulServer) -> None:
    """New, changed in place, gone, gone with its node; once, and of no other service."""
    async with consul_at(agent.address) as asked:
        census = NodePoller(asked, reactor)
        nodes = ["n1", "n2"]
        for node in nodes:
            await have(agent, node, "Web", 1)
            await have(agent, node, "other", 2)
        web, other = ("service", "web"), ("service", "other")
        assert await census.find_changed(nodes) == {web, other}
        assert await census.find_changed(nodes) == set()
        await have(agent, "n1", "Web", 3)
        assert await census.find_changed(nodes) == {web}
        await have(agent, "n1", "Web", 3, Address="192.0.2.4")
        assert await census.find_changed(nodes) == {web}
        await have(agent, "n1", "Web", 3, Address="192.0.2.4")
        assert await census.find_changed(nodes) == set()
        await remove(agent, "n1", ServiceID="Web-3")
        assert await census.find_changed(nodes) == {web}
        await remove(agent, "n2")
        assert await census.find_changed(nodes) == {web, other}
        assert await census.find_changed(["n1"]) == set()
        await have(agent, "n2", "Web", 1)
        assert await census.find_changed(nodes) == {web}
        assert await census.find_changed(["n1"]) == {web}
        census.reset()
        assert await census.find_changed(["n1"]) == {web, other}


@on_reactor
@pytest.mark.parametrize(
    "body", [b"[]", b'{"Node": {}}', b'{"Services": [{}]}', b"{", b'{"Services": [{"Service": 5}]}']
)
async def test_odd_answers_tell_nothing(body: bytes) -> None:
    """Nor does a Consul that is away: what has changed is told the next time."""
    said = [b'{"Services": [{"Service": "a", "ID": "a", "ModifyIndex": 1}]}']
    async with responding(lambda _: [http(body=said[0])]) as (_, address), consul_at(address) as asked:
        census = NodePoller(asked, reactor)
        await census.find_changed(["n1"])
        good, said[0] = said[0], body
        with pytest.raises((ConsulReplyError, ConsulError)):
            await census.find_changed(["n1", "n2"])
        said[0] = good.replace(b"1}", b"2}")
        assert await census.find_changed(["n1"]) == {("service", "a")}


def members(feed: CatalogFeed) -> set[str]:
    """Those that are not settled, or being asked for."""
    kept = feed._allocator.shared.members.values()
    return {one.key[1] for one in kept if not one.is_current or one.may_have_changed or one.is_polling}


@on_reactor
async def test_only_those_are_asked_for_that_changed(agent: ConsulServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is registered, changed or removed elsewhere; what was is in the answers."""
    monkeypatch.setattr(shared_watches, "MIN_POLLED_MEMBERS", 3)
    names = [f"s{number}" for number in range(12)]
    async with feeding(agent.address, most=0) as feed:
        for name in names:
            await have(agent, "n1", name, 1)
            await learnt(feed, name)
        census = feed._allocator.shared.node_poller
        await until(lambda: is_settled(feed) and not census.is_empty and not feed._allocator.shared._is_polling)
        asked: list[str] = []
        asking = feed._allocator.shared._scheduler.query

        async def ask(kept: Any) -> bool:
            asked.append(kept.key[1])
            return await asking(kept)

        feed._allocator.shared._scheduler.query = ask
        for number in (1, 2, 3):
            await have(agent, "n1", "elsewhere", number)
        await have(agent, "n1", "s5", 2)
        await until(lambda: addresses(feed, "s5") == ["192.0.2.1", "192.0.2.2"])
        await have(agent, "n2", "s6", 9)
        await until(lambda: addresses(feed, "s6") == ["192.0.2.1", "192.0.2.9"])
        await remove(agent, "n1", ServiceID="s7-1")
        await until(lambda: addresses(feed, "s7") == [])
        await remove(agent, "n2")
        await until(lambda: addresses(feed, "s6") == ["192.0.2.1"])
        await until(lambda: is_settled(feed))
        assert set(asked) == {"s5", "s6", "s7"}


@on_reactor
async def test_without_a_census_all_are_asked_for(agent: ConsulServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a Consul that does not know of it: what is registered is seen all the same."""
    monkeypatch.setattr(shared_watches, "MIN_POLLED_MEMBERS", 3)

    async def fail(*_: object) -> set[Any]:
        raise ConsulReplyError("another form")

    monkeypatch.setattr(NodePoller, "find_changed", fail)
    async with feeding(agent.address, most=0) as feed:
        for number in range(12):
            await have(agent, "n1", f"s{number}", 1)
            await learnt(feed, f"s{number}")
        await feed.wait_for(CatalogPendingError("node", "n1"))
        await until(lambda: not members(feed))
        await have(agent, "n1", "s5", 2)
        await until(lambda: addresses(feed, "s5") == ["192.0.2.1", "192.0.2.2"])
