"""The feed tells what a real Consul says, and keeps what that cannot know to be gone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor as default_reactor

from graydns.model.catalog import ServiceView
from graydns.model.errors import NotYetKnown, ResolveError
from graydns.sources.consul.feed import Feed
from graydns.sources.consul.kept import View
from tests import consul
from tests.consul import ConsulServer
from tests.txconsul.running import consul_at, in_thread, on_reactor, until

pytestmark = pytest.mark.timeout(90)

reactor: Any = default_reactor

READ = 'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }'


@pytest.fixture
def agent(require_peer: Callable[[str], str], tmp_path: Path) -> Iterator[ConsulServer]:
    """An agent for one test."""
    with consul.agent(require_peer("consul"), tmp_path) as server:
        yield server


@pytest.fixture
def guarded_agent(require_peer: Callable[[str], str], tmp_path: Path) -> Iterator[ConsulServer]:
    """An agent that denies everything without a token."""
    with consul.agent(require_peer("consul"), tmp_path, **consul.ACL) as server:
        yield server


@asynccontextmanager
async def feeding(agent: ConsulServer, gone: list[View], most: int = 100, **settings: Any) -> AsyncIterator[Feed]:
    """A feed from *agent*; *gone* gets the views that are not current any more."""
    async with consul_at(agent.address, **settings) as asked:
        feed = Feed(asked, reactor, 60.0, gone.append, bool(settings), most)
        try:
            yield feed
        finally:
            feed.stop()


async def register(agent: ConsulServer, name: str, address: str) -> None:
    """Have an instance of *name*."""
    await in_thread(agent.must, "PUT", "/v1/agent/service/register", {"Name": name, "Address": address})


async def learnt(feed: Feed, name: str) -> list[str]:
    """The addresses of a service that is asked for."""
    await feed.learn(NotYetKnown("service", name))
    return addresses(feed, name)


def addresses(feed: Feed, name: str) -> list[str]:
    """Those that are known now."""
    view = feed.service(name)
    return [] if view is None else [instance.host for instance in view.instances]


@on_reactor
async def test_changes_come_by_themselves(agent: ConsulServer) -> None:
    """What was asked for once is followed; the view before is told to be gone."""
    gone: list[View] = []
    async with feeding(agent, gone) as feed:
        await register(agent, "web", "192.0.2.1")
        assert feed.service("web") is None
        assert await learnt(feed, "web") == ["192.0.2.1"]
        before = feed.service("web")
        assert before is not None
        assert feed.is_current(before)
        await register(agent, "web", "192.0.2.2")
        await until(lambda: addresses(feed, "web") == ["192.0.2.2"])
        assert gone == [before]
        assert not feed.is_current(before)


@on_reactor
async def test_past_the_bound_services_share_watches(agent: ConsulServer) -> None:
    """So many have watches of their own; the changes of the others are seen as well."""
    async with feeding(agent, [], most=2) as feed:
        names = [f"s{number}" for number in range(5)]
        for name in names:
            await register(agent, name, "192.0.2.1")
            assert await learnt(feed, name) == ["192.0.2.1"]
        assert (feed.figures().known, feed.figures().watches, feed.figures().shared) == (5, 2, 3)
        for name in names:
            await register(agent, name, "192.0.2.2")
        await until(lambda: all(addresses(feed, name) == ["192.0.2.2"] for name in names))


@on_reactor
async def test_what_nobody_asks_for_is_let_go(agent: ConsulServer) -> None:
    """A service that was asked for since the last time stays, one that was not goes, and can be asked for again."""
    gone: list[View] = []
    async with feeding(agent, gone) as feed:
        for name in ("idle", "busy"):
            await register(agent, name, "192.0.2.1")
            await learnt(feed, name)
        feed._sweep()
        assert feed.figures().known == 2
        feed.service("busy")
        feed._sweep()
        assert feed.figures().known == 1
        assert len(gone) == 4
        assert feed.service("idle") is None
        assert await learnt(feed, "idle") == ["192.0.2.1"]


@on_reactor
async def test_what_is_pinned_is_told_and_stays(agent: ConsulServer) -> None:
    """It is watched without being asked for, each new view is told, and idleness does not end it until it is let go."""
    told: list[ServiceView] = []
    async with feeding(agent, []) as feed:
        feed.told = told.append
        feed.pin(["web", "other"])
        await until(lambda: {view.name for view in told} == {"web", "other"})
        await register(agent, "web", "192.0.2.1")
        await until(lambda: addresses(feed, "web") == ["192.0.2.1"])
        assert told[-1] is feed.service("web")
        for _ in range(3):
            feed._sweep()
        assert feed.figures().known == 2
        feed.pin(["other"])
        feed._sweep()
        feed._sweep()
        assert feed.figures().known == 1


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

    async with feeding(agent, [], token=token["SecretID"]) as feed:
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
async def test_silence_is_an_error_in_time(agent: ConsulServer) -> None:
    """Whoever waits for a name that Consul never told is not kept waiting for ever."""
    async with feeding(agent, []) as feed:
        agent.freeze()
        with pytest.raises(ResolveError, match="has not said"):
            await feed.learn(NotYetKnown("service", "web"))
        agent.thaw()
