"""Past the bound of own watches: services that share a few are followed, asked again, and grow old as all others do."""

from __future__ import annotations

import pytest

from graydns.model.errors import NotYetKnown, ResolveError
from graydns.sources.consul.feed import Feed
from tests.sources.feeding import addresses, feeding, learnt, reactor, register
from tests.txconsul.running import in_thread, on_reactor, until
from tools.consul import ConsulServer

pytestmark = pytest.mark.timeout(90)


def is_settled(feed: Feed) -> bool:
    """Whether every shared watch has spoken, and everything was asked for since."""
    watches, members = feed._shared._watches.values(), feed._shared.members.values()
    return all(one.index for one in watches) and all(kept.settled and not kept.asking for kept in members)


@on_reactor
async def test_past_the_bound_services_share_watches(agent: ConsulServer) -> None:
    """So many have watches of their own; the changes of the others are seen as well."""
    async with feeding(agent.address, most=2) as feed:
        names = [f"s{number}" for number in range(5)]
        for name in names:
            await register(agent, name, "192.0.2.1")
            assert await learnt(feed, name) == ["192.0.2.1"]
        assert (feed.figures().known, feed.figures().watches, feed.figures().shared) == (5, 2, 3)
        await until(lambda: is_settled(feed))
        for name in names:
            await register(agent, name, "192.0.2.2")
        await until(lambda: all(addresses(feed, name) == ["192.0.2.2"] for name in names))


@on_reactor
async def test_checks_and_nodes_that_change_are_seen(agent: ConsulServer) -> None:
    """Only those that a check or node is about are asked for again, even where the list of services stays as it is."""
    async with feeding(agent.address, most=0) as feed:
        for name in ("web", "other"):
            check = {"CheckID": name, "TTL": "1h", "Status": "passing"}
            body = {"Name": name, "Address": "192.0.2.1", "Check": check}
            await in_thread(agent.must, "PUT", "/v1/agent/service/register", body)
            await learnt(feed, name)
        await until(lambda: is_settled(feed))
        other = feed._kept["service", "other"]
        asked = other.index

        def status() -> str:
            view = feed.service("web")
            assert view is not None
            return view.instances[0].status

        for verb, wanted in (("fail", "critical"), ("warn", "warning"), ("pass", "passing")):
            await in_thread(agent.must, "PUT", f"/v1/agent/check/{verb}/web")
            await until(lambda wanted=wanted: status() == wanted)  # type: ignore[misc]
        assert other.index == asked
        await in_thread(agent.must, "PUT", "/v1/agent/maintenance?enable=true")
        await until(lambda: all(feed.service(name).instances[0].status == "critical" for name in ("web", "other")))  # type: ignore[union-attr]


@on_reactor
async def test_a_failed_first_question_is_asked_again(agent: ConsulServer) -> None:
    """By itself, and by whoever asks for the name next."""
    async with feeding(agent.address, most=0) as feed:
        await register(agent, "web", "192.0.2.1")
        agent.kill()
        with pytest.raises(ResolveError):
            await feed.learn(NotYetKnown("service", "web"))
        assert feed.errors > 0
        assert feed.figures().last_error
        agent.start()
        await in_thread(agent.wait_ready)
        await until(lambda: addresses(feed, "web") == ["192.0.2.1"])


@on_reactor
async def test_what_shares_a_watch_grows_old(agent: ConsulServer) -> None:
    """The shared watches confirm it for as long as they hear; then it is stale like all else, until they are back."""
    async with feeding(agent.address, most=0, stale_after=1.0) as feed:
        await register(agent, "web", "192.0.2.1")
        await learnt(feed, "web")
        view = feed.service("web")
        assert view is not None
        began = reactor.seconds()
        await until(lambda: is_settled(feed) and reactor.seconds() > began + 3.0)
        assert feed.is_current(view)  # nobody has asked for it since
        agent.freeze()
        await until(lambda: feed.is_stale(view))
        assert feed.figures().stale == 1
        agent.thaw()
        await until(lambda: feed.is_current(view))
