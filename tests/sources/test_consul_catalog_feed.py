"""The feed tells what a real Consul says, and keeps what that cannot know to be gone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.logger import LogLevel, capturedLogs, formatEvent

from graydns.model.catalog import CatalogView, ServiceView
from graydns.model.errors import CatalogPendingError, ResolveError
from graydns.sources.consul import catalog_feed as feed_module
from graydns.sources.consul.catalog_file import CatalogEntry, SavedView
from graydns.sources.consul.catalog_parser import MAX_INLINE_PARSE_BYTES
from graydns.sources.consul.reply_processor import ReplyProcessor
from tests.coroutines import on_reactor
from tests.sources.feeding import addresses, feeding, learnt, reactor, register
from tests.txconsul.running import http, in_thread, responding, until
from tools.consul import ConsulServer
from txconsul import ConsulReply

pytestmark = pytest.mark.timeout(90)

READ = 'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }'


@on_reactor
async def test_changes_come_by_themselves(agent: ConsulServer) -> None:
    """What was asked for once is followed; the view before is told to be gone."""
    gone: list[CatalogView] = []
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
    gone: list[CatalogView] = []
    async with feeding(agent.address, gone) as feed:
        for name in ("idle", "busy"):
            await register(agent, name, "192.0.2.1")
            await learnt(feed, name)
        feed._remove_idle()
        assert feed.figures().known == 2
        feed.service("busy")
        feed._remove_idle()
        assert feed.figures().known == 1
        assert len(gone) == 4
        assert feed.service("idle") is None
        assert await learnt(feed, "idle") == ["192.0.2.1"]


@on_reactor
async def test_what_is_pinned_is_told_and_stays(agent: ConsulServer) -> None:
    """It is watched without being asked for, each new view is told, and idleness does not end it until it is let go."""
    told: list[ServiceView] = []
    async with feeding(agent.address) as feed:
        feed.subscribe_to_services(told.append)
        feed.pin(["web", "other"])
        await until(lambda: {view.name for view in told} == {"web", "other"})
        await register(agent, "web", "192.0.2.1")
        await until(lambda: addresses(feed, "web") == ["192.0.2.1"])
        assert told[-1] is feed.service("web")
        for _ in range(3):
            feed._remove_idle()
        assert feed.figures().known == 2
        feed.pin(["other"])
        feed._remove_idle()
        feed._remove_idle()
        assert feed.figures().known == 1


@on_reactor
async def test_silence_is_an_error_in_time(agent: ConsulServer) -> None:
    """Whoever waits for a name that Consul never told is not kept waiting for ever."""
    async with feeding(agent.address) as feed:
        agent.freeze()
        with pytest.raises(ResolveError, match="has not said"):
            await feed.wait_for(CatalogPendingError("service", "web"))
        agent.thaw()


@on_reactor
async def test_what_is_recalled_is_bounded(agent: ConsulServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than may be known on the disk is no reason not to start; what is pinned has its place before."""
    monkeypatch.setattr(feed_module, "MAX_CATALOG_ENTRIES", 3)
    async with feeding(agent.address) as feed:
        feed.pin(["s4"])
        feed.restore_views([SavedView(ServiceView(f"s{number}"), 7) for number in range(5)], 0.0)
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
    gone: list[CatalogView] = []
    told: list[tuple[float, bool]] = []

    async with feeding(agent.address, gone, stale_after=1.0) as feed:
        await register(agent, "web", "192.0.2.1")
        await learnt(feed, "web")
        view = feed.service("web")
        assert view is not None
        await until(lambda: feed.figures().age < 0.2)
        feed.subscribe_to_services(lambda view: told.append((feed.figures().age, feed.is_stale(view))))
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
        await feed.wait_for(CatalogPendingError("service", "consul"))
        view = feed.service("consul")
        assert view is not None
        await until(lambda: feed.is_stale(view))
        assert feed._allocator.errors == 0


@on_reactor
async def test_large_services_are_read_beside_all_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of instances at once are read in many turns of the reactor; an odd one among them is left out."""
    node, turns = {"Node": "n1", "Address": "192.0.2.9"}, [0]
    services: list[dict[str, object]] = [{"Service": "web", "ID": f"w{number:05}"} for number in range(20_000)]
    services[7]["Port"] = "odd"
    body = json.dumps([{"Node": node, "Service": service, "Checks": []} for service in services]).encode()
    assert len(body) > 2 * MAX_INLINE_PARSE_BYTES

    def answer(request: bytes) -> list[bytes]:
        if b"index=" in request or b"health/service" not in request:
            return []
        return [http(body=body, X_Consul_Index=6)]

    def turn() -> None:
        turns[0] += 1
        timers.append(reactor.callLater(0, turn))

    timers: list[Any] = []
    reading = ReplyProcessor.read

    async def read(taking: ReplyProcessor, kept: CatalogEntry, reply: ConsulReply) -> CatalogView:
        turn()
        return await reading(taking, kept, reply)

    monkeypatch.setattr(ReplyProcessor, "read", read)
    async with responding(answer) as (_, address), feeding(address) as feed:
        assert len(await learnt(feed, "web")) == 19_999
        timers[-1].cancel()
        assert turns[0] > 5
        assert feed.figures().unread == 1


@on_reactor
async def test_one_odd_instance_costs_itself(agent: ConsulServer) -> None:
    """A port that is none, as Consul takes it: the instance keeps its address, and the others their health."""
    async with feeding(agent.address) as feed:
        for number, port in ((1, 80), (2, 70000), (3, -1)):
            service = {"Service": "web", "ID": f"w{number}", "Address": f"192.0.2.{number}", "Port": port}
            check = {"CheckID": f"c{number}", "Name": "up", "Status": "passing", "ServiceID": f"w{number}"}
            body: dict[str, Any] = {"Node": "n1", "Address": "192.0.2.9", "Service": service, "Check": check}
            await in_thread(agent.must, "PUT", "/v1/catalog/register", body)
        assert await learnt(feed, "web") == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
        check = {"Node": "n1", "CheckID": "c1", "Name": "up", "Status": "critical", "ServiceID": "w1"}
        change = {"Node": "n1", "Address": "192.0.2.9", "SkipNodeUpdate": True, "Check": check}
        await in_thread(agent.must, "PUT", "/v1/catalog/register", change)

        def states() -> list[tuple[str, int | None]]:
            view = feed.service("web")
            return [] if view is None else [(one.status, one.port) for one in view.instances]

        await until(lambda: states() == [("critical", 80), ("passing", None), ("passing", None)])


@on_reactor
async def test_what_is_not_understood_is_said_once() -> None:
    """In the log, escaped; it counts until it is understood again. Whoever waits for what nobody can read is told."""
    entries: list[object] = [{"Node": {"Node": "n1"}, "Service": {"Service": "web", "ID": 5}}]
    index = [6]

    def answer(request: bytes) -> list[bytes]:
        if b"health" not in request or f"index={index[0]}&".encode() in request:
            return []
        return [http(body=json.dumps(entries).encode(), X_Consul_Index=index[0])]

    name, said = "we\x1b[31mb\n", list[str]()
    async with responding(answer) as (_, address), feeding(address) as feed:
        with capturedLogs() as events:
            feed.pin([name])
            with pytest.raises(ResolveError, match="not understood"):
                await feed.wait_for(CatalogPendingError("service", name))
            entries.append({"Node": {"Node": "n1"}, "Service": {"Service": "web", "ID": "w"}})
            for number in range(3):
                entries[1]["Service"]["Port"] = number  # type: ignore[index]
                index[0] += 1
                for kept in feed._entries.values():
                    await feed._allocator.query(kept)
                assert feed.figures().unread == 1
            said = [formatEvent(event) for event in events if event["log_level"] is LogLevel.warn]
            del entries[0]
            index[0] += 1
            for kept in feed._entries.values():
                await feed._allocator.query(kept)
        assert feed.figures().unread == 0
        assert len(said) == 1
        assert said[0].isprintable()
        assert r"we\x1b[31mb\n" in said[0]
