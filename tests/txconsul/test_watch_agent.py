"""Watches of a real Consul agent, through all that may become of it."""

from __future__ import annotations

import pytest
from twisted.internet.defer import gatherResults

from tests.coroutines import on_reactor
from tests.txconsul.running import connections, consul_at, following, in_thread, turn, until
from tools.consul import ConsulServer
from txconsul.client import MAX_CONCURRENT_REQUESTS, MAX_HELD_QUERIES
from txconsul.reply import ConsulTimeoutError, ConsulUnreachableError, TooManyHeldQueriesError

pytestmark = pytest.mark.timeout(90)


def web(port: int = 80, status: str = "passing") -> dict[str, object]:
    """A registration of service web with a check."""
    return {"Name": "web", "Port": port, "Check": {"CheckID": "alive", "TTL": "10m", "Status": status}}


@on_reactor
async def test_a_change_wakes_a_watch(shared_agent: ConsulServer) -> None:
    """Registered, critical, and gone: three replies; other services and identical registrations are none."""
    async with consul_at(shared_agent.address) as consul, following(consul, "health/service/web") as web_watch:
        assert (await web_watch.until_replies(1)).json == []
        await consul.request("PUT", "agent/service/register", body=web())
        assert [each["Service"]["Port"] for each in (await web_watch.until_replies(2)).json] == [80]
        await web_watch.until_held()
        await consul.request("PUT", "agent/service/register", body={"Name": "other"})
        await consul.request("PUT", "agent/check/fail/alive", {"note": "broken"})
        await until(lambda: web_watch.replies[-1].json[0]["Checks"][-1]["Status"] == "critical")
        await consul.request("PUT", "agent/service/deregister/web")
        await consul.request("PUT", "agent/service/deregister/other")
        await until(lambda: web_watch.replies[-1].json == [])
        assert not web_watch.errors


@on_reactor
async def test_a_wake_up_without_a_change_is_heard_and_not_told(shared_agent: ConsulServer) -> None:
    """A service that does not exist wakes for any other one that goes."""
    async with consul_at(shared_agent.address) as consul, following(consul, "health/service/nobody") as nobody:
        await nobody.until_held()
        before = len(nobody.heard)
        await consul.request("PUT", "agent/service/register", body={"Name": "somebody"})
        await consul.request("PUT", "agent/service/deregister/somebody")
        await until(lambda: len(nobody.heard) > before)
        assert len(nobody.replies) == 1


@on_reactor
async def test_a_deleted_prefix_is_an_answer(shared_agent: ConsulServer) -> None:
    """404 and no keys; keys that come back are seen as well."""
    async with consul_at(shared_agent.address) as consul:
        await consul.request("PUT", "kv/gone/a", body=b"1")
        async with following(consul, "kv/gone/", {"recurse": True}) as keys:
            assert [each["Key"] for each in (await keys.until_replies(1)).json] == ["gone/a"]
            await keys.until_held()
            await consul.request("DELETE", "kv/gone/", {"recurse": True})
            missing = await keys.until_replies(2)
            assert (missing.status, missing.json) == (404, None)
            await consul.request("PUT", "kv/gone/b", body="again")
            assert (await keys.until_replies(3)).json[0]["Key"] == "gone/b"
            await consul.request("DELETE", "kv/gone/", {"recurse": True})
            assert not keys.errors


@on_reactor
async def test_the_end_of_a_burst_is_seen(shared_agent: ConsulServer) -> None:
    """Whatever was left out between."""
    async with consul_at(shared_agent.address) as consul, following(consul, "kv/burst", {"raw": True}) as key:
        await key.until_replies(1)
        for number in range(200):
            await consul.request("PUT", "kv/burst", body=str(number))
        await until(lambda: key.replies[-1].body == b"199")
        assert len(key.replies) <= 201
        await consul.request("DELETE", "kv/burst")


@on_reactor
async def test_an_agent_that_comes_back_empty(agent: ConsulServer) -> None:
    """Its indexes begin again, far below the one that was held; what it has is seen at once, and what comes then."""
    async with consul_at(agent.address) as consul:
        for number in range(40):
            await consul.request("PUT", "kv/before", body=str(number))
        async with following(consul, "kv/key", {"raw": True}) as key:
            await consul.request("PUT", "kv/key", body="old")
            await until(lambda: key.replies[-1].body == b"old")
            await key.until_held()
            await in_thread(agent.kill)
            await until(lambda: not key.watch.is_healthy)
            assert any(isinstance(error, ConsulUnreachableError) for error in key.errors)
            agent.forget()
            agent.start()
            await until(lambda: key.replies[-1].status == 404)
            await in_thread(agent.wait_ready)
            await consul.request("PUT", "kv/key", body="new")
            await until(lambda: key.replies[-1].body == b"new")


@pytest.mark.agent_keeps_data
@on_reactor
async def test_an_agent_that_comes_back_with_its_data(agent: ConsulServer) -> None:
    """There is nothing to tell, and the next change is seen."""
    async with consul_at(agent.address) as consul, following(consul, "kv/key", {"raw": True}) as key:
        await consul.request("PUT", "kv/key", body="old")
        await until(lambda: key.replies[-1].body == b"old")
        told = len(key.replies)
        await in_thread(agent.kill)
        await until(lambda: not key.watch.is_healthy)
        agent.start()
        await in_thread(agent.wait_ready)
        await key.until_held()
        assert [reply.status for reply in key.replies[told:]] in ([], [404, 200])
        await consul.request("PUT", "kv/key", body="new")
        await until(lambda: key.replies[-1].body == b"new")


@on_reactor
async def test_a_frozen_agent_is_noticed_and_followed_again(agent: ConsulServer) -> None:
    """Connections are taken and nothing is said: only a time limit tells."""
    async with (
        consul_at(agent.address, timeout=0.5) as consul,
        following(consul, "kv/key", {"raw": True}, wait=0.5) as key,
    ):
        await key.until_replies(1)
        agent.freeze()
        await until(lambda: any(isinstance(error, ConsulTimeoutError) for error in key.errors))
        agent.thaw()
        await until(lambda: key.watch.is_healthy)
        await consul.request("PUT", "kv/key", body="new")
        await until(lambda: key.replies[-1].body == b"new")


@on_reactor
async def test_a_restored_snapshot_is_seen_before_the_wait_is_over(agent: ConsulServer) -> None:
    """Consul wakes the query with its old index; going on from that would sleep out the wait."""
    async with consul_at(agent.address) as consul:
        await consul.request("PUT", "kv/key", body="old")
        snapshot = await consul.api.snapshot.save()
        for number in range(40):
            await consul.request("PUT", "kv/key", body=str(number))
        async with following(consul, "kv/key", {"raw": True}, wait=600.0) as key:
            assert (await key.until_replies(1)).body == b"39"
            await key.until_held()
            await consul.api.snapshot.restore(snapshot)
            await until(lambda: key.replies[-1].body == b"old")
            await key.until_held()
            await consul.request("PUT", "kv/key", body="new")
            await until(lambda: key.replies[-1].body == b"new")


@on_reactor
async def test_cancelled_watches_close_their_connections(shared_agent: ConsulServer) -> None:
    """All of them; those kept for other requests go when the Consul is closed."""
    async with consul_at(shared_agent.address) as consul:
        watches = [following(consul, f"kv/cancel/{number}") for number in range(30)]
        followers = [await each.__aenter__() for each in watches]
        for follower in followers:
            await follower.until_held()
        assert connections(shared_agent.http) >= 30
        kept = connections(shared_agent.http) - 30
        for each in watches:
            await each.__aexit__(None, None, None)
        await until(lambda: connections(shared_agent.http) <= kept)
        assert all(follower.ended and not follower.errors for follower in followers)
    await until(lambda: connections(shared_agent.http) == 0)


@on_reactor
async def test_an_agents_limit_of_connections_is_never_reached(agent: ConsulServer) -> None:
    """As many held queries as may be, and as many requests as anybody likes: 184 connections at most, none refused."""
    most = 0
    async with consul_at(agent.address, timeout=30.0) as consul:
        held = [
            consul.request("GET", "kv/held", {"recurse": True, "index": 10**9}, wait=60.0)
            for _ in range(MAX_HELD_QUERIES)
        ]
        for each in held:
            each.addErrback(lambda _: None)
        with pytest.raises(TooManyHeldQueriesError):
            await consul.request("GET", "kv/held", {"index": 1}, wait=60.0)
        under_way = gatherResults([consul.request("GET", "catalog/nodes") for _ in range(1000)])
        while not under_way.called:
            most = max(most, connections(agent.http))
            await turn()
        assert len(await under_way) == 1000
        for each in held:
            each.cancel()
        with pytest.raises(TooManyHeldQueriesError):
            await consul.request("GET", "kv/held", {"index": 1}, wait=60.0)
        await gatherResults([consul.request("GET", "catalog/nodes") for _ in range(100)])
    assert MAX_HELD_QUERIES < most <= MAX_HELD_QUERIES + MAX_CONCURRENT_REQUESTS
