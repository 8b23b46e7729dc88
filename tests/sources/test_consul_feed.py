"""The feed tells what a real Consul says, and keeps what that cannot know to be gone."""

from __future__ import annotations

import pytest

from graydns.model.catalog import ServiceView
from graydns.model.errors import NotYetKnown, ResolveError
from graydns.sources.consul import feed as feed_module
from graydns.sources.consul.kept import Told, View
from tests.sources.feeding import addresses, feeding, learnt, register
from tests.txconsul.running import on_reactor, until
from tools.consul import ConsulServer

pytestmark = pytest.mark.timeout(90)

READ = 'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }'


@on_reactor
async def test_changes_come_by_themselves(agent: ConsulServer) -> None:
    """What was asked for once is followed; the view before is told to be gone."""
    gone: list[View] = []
    async with feeding(agent.address, gone) as feed:
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
async def test_what_nobody_asks_for_is_let_go(agent: ConsulServer) -> None:
    """A service that was asked for since the last time stays, one that was not goes, and can be asked for again."""
    gone: list[View] = []
    async with feeding(agent.address, gone) as feed:
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
    async with feeding(agent.address) as feed:
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
async def test_silence_is_an_error_in_time(agent: ConsulServer) -> None:
    """Whoever waits for a name that Consul never told is not kept waiting for ever."""
    async with feeding(agent.address) as feed:
        agent.freeze()
        with pytest.raises(ResolveError, match="has not said"):
            await feed.learn(NotYetKnown("service", "web"))
        agent.thaw()


@on_reactor
async def test_what_is_recalled_is_bounded(agent: ConsulServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than may be known on the disk is no reason not to start; what is pinned has its place before."""
    monkeypatch.setattr(feed_module, "MOST_KNOWN", 3)
    async with feeding(agent.address) as feed:
        feed.pin(["s4"])
        feed.recall([Told(ServiceView(f"s{number}"), 7) for number in range(5)], 0.0)
        assert feed.figures().known == 2
        for name in ("s8", "s9"):  # what exists always finds room
            await register(agent, name, "192.0.2.1")
            assert await learnt(feed, name) == ["192.0.2.1"]
        assert feed.figures().known <= 3
        await until(lambda: feed.service("s4") is not None)


@on_reactor
async def test_age_is_that_of_the_last_word(agent: ConsulServer) -> None:
    """A frozen agent confirms nothing, though its connection lives: the data grow old from its last word on, are told
    to be stale once they are older than allowed, and are current again when it is back."""
    gone: list[View] = []
    told: list[tuple[float, bool]] = []

    async with feeding(agent.address, gone, stale_after=1.0) as feed:
        await register(agent, "web", "192.0.2.1")
        await learnt(feed, "web")
        view = feed.service("web")
        assert view is not None
        await until(lambda: feed.figures().age < 0.2)
        feed.told = lambda view: told.append((feed.figures().age, feed.is_stale(view)))
        agent.freeze()
        await until(lambda: feed.is_stale(view))
        assert (told[0][0] > 1.0, told[0][1], feed.figures().stale) == (True, True, 1)
        assert gone == [view]
        assert not feed.is_current(view)
        agent.thaw()
        await until(lambda: feed.is_current(view))
        assert told[-1][1] is False
        assert addresses(feed, "web") == ["192.0.2.1"]


@on_reactor
async def test_data_of_a_server_without_a_leader_grow_old(leaderless: ConsulServer) -> None:
    """It answers with status 200 whatever it knew: what it says is as old as its leader's last word."""
    async with feeding(leaderless.address, stale_after=1.0) as feed:
        await feed.learn(NotYetKnown("service", "consul"))
        view = feed.service("consul")
        assert view is not None
        await until(lambda: feed.is_stale(view))
        assert feed.errors == 0
