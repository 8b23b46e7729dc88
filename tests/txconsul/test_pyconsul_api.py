"""py-consul's modules, each method giving a Deferred."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred

from tests.coroutines import on_reactor
from tests.txconsul.running import consul_at, http, responding, until
from tools.consul import ConsulServer
from txconsul.reply import (
    ConsulNotFoundError,
    ConsulServerError,
    ConsulTimeoutError,
    MalformedReplyError,
    RequestRefusedError,
)

pytestmark = pytest.mark.timeout(60)


@on_reactor
async def test_keys(shared_agent: ConsulServer) -> None:
    """Compare-and-set says false; a missing key is None; values are octets."""
    async with consul_at(shared_agent.address) as consul:
        kv = consul.api.kv
        assert await kv.put("api/a", b"\xff\x00", cas=0) is True
        assert await kv.put("api/a", "other", cas=0) is False
        _, found = await kv.get("api/a")
        assert found["Value"] == b"\xff\x00"
        assert await kv.delete("api/", recurse=True) is True
        index, missing = await kv.get("api/a")
        assert int(index) > 0
        assert missing is None


@on_reactor
async def test_every_module_that_we_need(shared_agent: ConsulServer) -> None:
    """Agent, catalog, health, session, status."""
    async with consul_at(shared_agent.address) as consul:
        api = consul.api
        assert await api.agent.service.register("api-web", port=80, tags=["v1"]) is True
        _, services = await api.catalog.services()
        assert services["api-web"] == ["v1"]
        _, instances = await api.health.service("api-web", passing=True)
        assert instances[0]["Service"]["Port"] == 80
        assert await api.agent.service.deregister("api-web") is True
        session = await api.session.create(ttl=10, behavior="delete", lock_delay=0)
        assert await api.kv.put("api-lock", "me", acquire=session) is True
        assert await api.session.destroy(session) is True
        assert await api.status.leader()


@on_reactor
async def test_errors_are_ours(shared_agent: ConsulServer) -> None:
    """Whatever class py-consul has for them."""
    async with consul_at(shared_agent.address) as consul:
        with pytest.raises(ConsulServerError, match="session"):
            await consul.api.kv.put("api/b", "1", acquire="00000000-0000-0000-0000-000000000000")
        with pytest.raises(RequestRefusedError, match="Invalid index"):
            await consul.request("GET", "kv/a", {"index": "abc"})


@on_reactor
async def test_missing_things_that_py_consul_insists_on_are_not_found() -> None:
    """Where it takes 404 for an answer, it is one."""
    async with responding(lambda _: [http(404, b"", X_Consul_Index=3)]) as (_, address), consul_at(address) as consul:
        assert await consul.api.kv.get("none") == ("3", None)
        with pytest.raises(ConsulNotFoundError):
            await consul.api.snapshot.save()


@on_reactor
async def test_what_py_consul_cannot_read_is_garbled() -> None:
    """A list without its index, for one."""
    async with responding(lambda _: [http()]) as (_, address), consul_at(address) as consul:
        with pytest.raises(MalformedReplyError, match="index"):
            await consul.api.kv.get("a")


@on_reactor
async def test_a_blocking_query_has_its_wait_and_can_be_given_up() -> None:
    """It is no request that must be answered at once."""
    async with responding(lambda _: []) as (server, address), consul_at(address, timeout=0.01) as consul:
        with pytest.raises(ConsulTimeoutError, match=r"0\.116"):
            await consul.api.kv.get("a", index=5, wait="100ms")
        with pytest.raises(ConsulTimeoutError, match=r"0\.02"):
            await consul.api.kv.get("a", index=5, connections_timeout=0.02)
        held: Deferred[object] = consul.api.health.service("web", index=5)
        await until(lambda: len(server.requests) == 3)
        held.cancel()
        with pytest.raises(CancelledError):
            await held
        await until(lambda: not server.open)
        with pytest.raises(ValueError, match="no duration"):
            await consul.api.kv.get("a", index=5, wait="soon")
