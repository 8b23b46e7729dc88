"""Past the bound of own watches: services that share a few are followed, asked again, and grow old as all others do."""

from __future__ import annotations

import pytest

from graydns.model.errors import CatalogPendingError, ResolveError
from tests.coroutines import on_reactor
from tests.sources.feeding import addresses, feeding, is_settled, learnt, reactor, register, register_checked
from tests.txconsul.running import in_thread, until
from tools.consul import ConsulServer

pytestmark = pytest.mark.timeout(90)


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
            await register_checked(agent, name)
            await learnt(feed, name)
        await until(lambda: is_settled(feed))
        other = feed._entries["service", "other"]
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


@pytest.mark.agent_keeps_data
@on_reactor
async def test_a_failed_first_question_is_asked_again(agent: ConsulServer) -> None:
    """By whoever asks for the name next; nothing is left of it meanwhile."""
    async with feeding(agent.address, most=0) as feed:
        await register(agent, "web", "192.0.2.1")
        agent.kill()
        with pytest.raises(ResolveError):
            await feed.wait_for(CatalogPendingError("service", "web"))
        assert feed._allocator.errors > 0
        assert feed.figures().last_error
        agent.start()
        await in_thread(agent.wait_ready)
        assert not feed._negative_lookup.pending
        assert await learnt(feed, "web") == ["192.0.2.1"]


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


@on_reactor
async def test_a_node_that_moves_is_followed(agent: ConsulServer) -> None:
    """The node's own name, and the instances that have its address."""
    async with feeding(agent.address, most=0) as feed:
        for number in (1, 2):
            body = {"Node": "n1", "Address": f"192.0.2.{number}", "Service": {"Service": "web"}}
            await in_thread(agent.must, "PUT", "/v1/catalog/register", {**body, "NodeMeta": {"n": str(number)}})
            if number == 1:
                await feed.wait_for(CatalogPendingError("node", "n1"))
                await learnt(feed, "web")
                await until(lambda: is_settled(feed))
            else:  # and nothing but the node changes
                body = {"Node": "n1", "Address": "192.0.2.3"}
                await in_thread(agent.must, "PUT", "/v1/catalog/register", body)
        await until(lambda: getattr(feed.node("n1"), "address", None) == "192.0.2.3")
        await until(lambda: addresses(feed, "web") == ["192.0.2.3"])


@on_reactor
async def test_checks_of_others_have_nobody_asked(agent: ConsulServer) -> None:
    """However often one fails and passes that nobody asks for, the members are left alone."""
    async with feeding(agent.address, most=0) as feed:
        for name in ("web", "other"):
            await register_checked(agent, name)
        await learnt(feed, "web")
        await until(lambda: is_settled(feed))
        kept, checks = feed._entries["service", "web"], feed._allocator.shared._watches["health/state/any"]
        heard = 0
        for number in range(10):
            before = checks.index
            await in_thread(agent.must, "PUT", f"/v1/agent/check/{'pass' if number % 2 else 'fail'}/other")
            await until(lambda before=before: checks.index != before)  # type: ignore[misc]
            heard += not kept.is_current or kept.is_polling or kept.may_have_changed
        assert heard == 0


@on_reactor
async def test_what_is_named_later_takes_a_watch(agent: ConsulServer) -> None:
    """From what does not exist, then from what nobody asks for; what was named before keeps its own, and whoever lost
    one is followed on."""
    async with feeding(agent.address, most=2) as feed:
        for name in ("old", "busy", "late", "later"):
            await register(agent, name, "192.0.2.1")
        await learnt(feed, "old")
        await learnt(feed, "busy")
        await learnt(feed, "late")
        feed._entries["service", "old"].recently_used = False
        feed.pin(["late"])

        def own() -> set[str]:
            return {name for (_, name), kept in feed._entries.items() if kept.watch is not None}

        assert own() == {"busy", "late"}
        feed.pin(["late", "later"])
        assert own() == {"late", "later"}
        feed.pin(["late", "later", "busy"])
        assert own() == {"late", "later"}
        assert (feed.figures().watches, feed.figures().shared) == (2, 2)
        await until(lambda: is_settled(feed))
        for name in ("old", "busy", "late", "later"):
            await register(agent, name, "192.0.2.2")
        await until(lambda: all(addresses(feed, name) == ["192.0.2.2"] for name in ("old", "busy", "late", "later")))
