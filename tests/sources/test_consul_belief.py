"""Vanishing: what is believed of a real Consul, and what is not."""

from __future__ import annotations

import json

import pytest

from graydns.sources.consul.feed import Feed
from tests.sources.feeding import addresses, feeding, learnt, register
from tests.txconsul.running import http, in_thread, on_reactor, responding, until
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

    def doubted(feed: Feed) -> bool:
        return any(kept.doubted for kept in feed._kept.values())

    async with feeding(agent.address, token=token["SecretID"]) as feed:
        assert await learnt(feed, "web") == ["192.0.2.1"]
        await rules("")
        for kept in feed._kept.values():
            await feed._ask(kept)  # as its watch does when the wait is over
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

    feeds: list[Feed] = []

    def doubted() -> bool:
        return feeds[0].figures().doubted == 1

    async with responding(answer) as (_, address), feeding(address) as feed:
        feeds.append(feed)
        assert await learnt(feed, "web") == ["192.0.2.1"]
        await until(lambda: addresses(feed, "web") == ["192.0.2.2"])
