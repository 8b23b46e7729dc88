"""Vanishing: what is believed of a real Consul, and what is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from graydns.sources.consul.catalog_feed import CatalogFeed
from tests.coroutines import on_reactor
from tests.sources.feeding import addresses, feeding, is_settled, learnt, register
from tests.txconsul.running import http, in_thread, responding, until
from tools.consul import ConsulServer

pytestmark = pytest.mark.timeout(90)

READ = 'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }'


@on_reactor
async def test_lost_rights_look_like_nothing_and_change_nothing(guarded_agent: ConsulServer) -> None:
    """When a token may not read any more everything vanishes with status 200; what really goes, goes."""
    agent = guarded_agent
    policy = await in_thread(agent.must, "PUT", "/v1/acl/policy", {"Name": "read", "Rules": READ})
    token = await in_thread(agent.must, "PUT", "/v1/acl/token", {"Policies": [{"Name": "read"}]})
    await register(agent, "web", "192.0.2.1")

    async def rules(text: str) -> None:
        change = {"ID": policy["ID"], "Name": "read", "Rules": text}
        await in_thread(agent.must, "PUT", f"/v1/acl/policy/{policy['ID']}", change)

    def doubted(feed: CatalogFeed) -> bool:
        return any(kept.unconfirmed for kept in feed._entries.values())

    async with feeding(agent.address, token=token["SecretID"]) as feed:
        assert await learnt(feed, "web") == ["192.0.2.1"]
        await rules("")
        for kept in feed._entries.values():
            await feed._allocator.query(kept)  # as its watch does when the wait is over
        assert doubted(feed)
        assert addresses(feed, "web") == ["192.0.2.1"]
        await rules(READ)
        await register(agent, "web", "192.0.2.2")
        await until(lambda: addresses(feed, "web") == ["192.0.2.2"])
        assert not doubted(feed)
        await in_thread(agent.must, "PUT", "/v1/agent/service/deregister/web")
        await until(lambda: addresses(feed, "web") == [])


@on_reactor
@pytest.mark.parametrize("most", [100, 0])
async def test_a_token_without_acls_changes_nothing(agent: ConsulServer, most: int) -> None:
    """Where ACLs are disabled Consul knows of no rights, so none are lost: what goes is gone."""
    async with feeding(agent.address, most=most, token="00000000-0000-4000-8000-000000000001") as feed:
        await register(agent, "web", "192.0.2.1")
        assert await learnt(feed, "web") == ["192.0.2.1"]
        await in_thread(agent.must, "PUT", "/v1/agent/service/deregister/web")
        await until(lambda: addresses(feed, "web") == [])


@on_reactor
async def test_odd_answers_end_no_watch() -> None:
    """A leader that says what nobody understands says nothing; the watch goes on."""

    def entry(address: str) -> bytes:
        node, service = {"Node": "n1", "Address": "192.0.2.9"}, {"Service": "web", "ID": "web", "Address": address}
        return json.dumps([{"Node": node, "Service": service, "Checks": []}]).encode()

    def answer(request: bytes) -> list[bytes]:
        if b"index=7" in request:
            return [http(body=entry("192.0.2.2"), X_Consul_Index=8)] if doubted() else []
        if b"index=6" in request:
            return [http(body=b"[]", X_Consul_Index=7)]
        if b"stale" not in request:
            return [http(body=b'[{"Node": 5}]', X_Consul_Index=7)]
        return [http(body=entry("192.0.2.1"), X_Consul_Index=6)] if b"index=" not in request else []

    feeds: list[CatalogFeed] = []

    def doubted() -> bool:
        return feeds[0].figures().doubted == 1

    async with responding(answer) as (_, address), feeding(address) as feed:
        feeds.append(feed)
        assert await learnt(feed, "web") == ["192.0.2.1"]
        await until(lambda: addresses(feed, "web") == ["192.0.2.2"])


class Consul:
    """One that says what the test has it say of the service ``web``: *numbers* of its instances, *index*, and whether
    it is *filtered*; to those who do not ask with ``stale``, the leader's *leading* numbers."""

    def __init__(self, numbers: list[int]) -> None:
        self.numbers, self.index, self.filtered = numbers, 6, "false"
        self.leading: list[int] | None = None
        self.asked = 0

    def says(self, numbers: list[int], filtered: str = "false", leading: list[int] | None = None) -> None:
        """Something else from now on."""
        self.numbers, self.filtered, self.leading = numbers, filtered, leading
        self.index += 1

    def answer(self, request: bytes) -> list[bytes]:
        """To any request."""
        path = request.split()[1]
        if b"index=" in request and f"index={self.index - 1}&".encode() not in path + b"&":
            return []
        headers: dict[str, Any] = {"X_Consul_Index": self.index, "X_Consul_Results_Filtered_By_ACLs": self.filtered}
        if b"acl/token/self" in path:
            return [http(body=b"{}")]
        if b"health/service" not in path:
            return [http(body=b"{}" if b"services" in path else b"[]", X_Consul_Index=6)]
        self.asked += 1
        numbers = self.numbers if b"stale" in path or self.leading is None else self.leading
        return [http(body=json.dumps([_entry(number) for number in numbers]).encode(), **headers)]


def _entry(number: int) -> object:
    node = {"Node": "n1", "Address": "192.0.2.9"}
    service = {"Service": "web", "ID": f"w{number}", "Address": f"192.0.2.{number}"}
    return {"Node": node, "Service": service, "Checks": []}


def shown(feed: CatalogFeed) -> list[int]:
    """The numbers of the instances that are answered."""
    return [int(address.rpartition(".")[2]) for address in addresses(feed, "web")]


async def told(feed: CatalogFeed) -> None:
    """Take what Consul says now, in a round that nothing else is in."""
    for kept in list(feed._entries.values()):
        await feed._allocator.shared.query_now(kept)


async def heard(feed: CatalogFeed) -> tuple[list[int], int]:
    """What is answered once that is done, and how much of it is doubted."""
    await told(feed)
    return shown(feed), feed.figures().doubted


@on_reactor
async def test_a_part_that_is_withheld_stays() -> None:
    """Where Consul says for the first time that it does not show all, nothing is gone; what it adds or changes is
    believed, and so is all else once it shows everything."""
    consul = Consul([1, 2, 3])
    async with responding(consul.answer) as (_, address), feeding(address, most=0, token="t") as feed:
        await learnt(feed, "web")
        await until(lambda: is_settled(feed))
        consul.says([1, 4], "true")
        assert await heard(feed) == ([1, 2, 3, 4], 1)
        consul.says([], "true")
        assert await heard(feed) == ([1, 2, 3, 4], 1)
        consul.says([4], "false")
        assert await heard(feed) == ([4], 0)
        consul.says([], "true")
        assert await heard(feed) == ([4], 1)


@on_reactor
async def test_where_a_part_is_always_withheld_the_rest_comes_and_goes() -> None:
    """A token that never had all rights: what goes then is gone, if the leader says so; what was withheld stays."""
    consul = Consul([1, 2, 3])
    async with responding(consul.answer) as (_, address), feeding(address, most=0, token="t") as feed:
        await learnt(feed, "web")
        await until(lambda: is_settled(feed))
        consul.says([2, 3], "true")
        await told(feed)
        assert shown(feed) == [1, 2, 3]
        consul.says([3], "true", leading=[2, 3])
        await told(feed)
        assert shown(feed) == [1, 2, 3]
        consul.says([2, 3], "true")
        await told(feed)
        consul.says([3], "true")
        assert await heard(feed) == ([1, 3], 1)
        consul.says([1, 3], "true")
        assert await heard(feed) == ([1, 3], 0)


@on_reactor
async def test_a_leader_that_disagrees_is_believed() -> None:
    """A server that lags, or was restored, may say with a higher index that there is nothing; then it stays."""
    consul = Consul([1])
    async with responding(consul.answer) as (_, address), feeding(address, most=0) as feed:
        await learnt(feed, "web")
        await until(lambda: is_settled(feed))
        consul.says([], leading=[1])
        assert await heard(feed) == ([1], 1)
        consul.says([1])
        assert await heard(feed) == ([1], 0)
        consul.says([])
        assert await heard(feed) == ([], 0)


@on_reactor
async def test_an_index_that_does_not_rise_takes_nothing() -> None:
    """What goes has a higher one; the same one tells of rights that are lost, without a word of that."""
    consul = Consul([1])
    async with responding(consul.answer) as (_, address), feeding(address, most=0) as feed:
        await learnt(feed, "web")
        await until(lambda: is_settled(feed))
        consul.says([])
        consul.index -= 1
        assert await heard(feed) == ([1], 1)
