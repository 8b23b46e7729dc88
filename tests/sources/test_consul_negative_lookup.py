"""Names: what Consul has is found whatever is asked beside it, and what it does not have costs next to nothing."""

from __future__ import annotations

import json

import pytest
from twisted.internet.defer import Deferred, gatherResults

from graydns.model.catalog import ServiceView
from graydns.model.errors import CatalogPendingError
from graydns.sources.consul import negative_lookup
from graydns.sources.consul.catalog_feed import CatalogFeed
from tests.coroutines import on_reactor
from tests.sources.feeding import addresses, feeding, learnt, register
from tests.txconsul.running import http, in_thread, responding, until
from tools.consul import ConsulServer

pytestmark = pytest.mark.timeout(90)


def listed(feed: CatalogFeed, name: str) -> bool | None:
    """Whether Consul's list of services has it."""
    return feed._allocator.shared.is_listed(("service", name))


@on_reactor
@pytest.mark.parametrize("most", [100, 0])
@pytest.mark.parametrize("name", ["api:v1", "a/b", "a/", "p%41", "a b", "übung", "x?y#z", "x+y"])
async def test_names_are_asked_for_as_they_are(agent: ConsulServer, name: str, most: int) -> None:
    """Whatever octets a path has to write otherwise."""
    async with feeding(agent.address, most=most) as feed:
        for address in ("192.0.2.1", "192.0.2.2"):
            body = {"Node": name, "Address": address, "Service": {"Service": name, "Address": address}}
            await in_thread(agent.must, "PUT", "/v1/catalog/register", body)
            if feed.service(name) is None:
                await learnt(feed, name)
            await feed.wait_for(CatalogPendingError("node", name))
            await until(lambda address=address: addresses(feed, name) == [address])  # type: ignore[misc]
            await until(lambda address=address: getattr(feed.node(name), "address", "") == address)  # type: ignore[misc]


@on_reactor
async def test_letter_case_is_none(agent: ConsulServer) -> None:
    """Names come lowered, whatever they are in Consul's lists."""
    async with feeding(agent.address) as feed:
        await register(agent, "Web", "192.0.2.1")
        assert await learnt(feed, "web") == ["192.0.2.1"]
        await until(lambda: listed(feed, "web") is True)
        await register(agent, "LATER", "192.0.2.2")
        await until(lambda: listed(feed, "later") is True)
        assert await learnt(feed, "later") == ["192.0.2.2"]


@on_reactor
async def test_made_up_names_cost_nothing(agent: ConsulServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands at once are denied, from the list once too many were asked for; none is watched, little is remembered,
    and what exists is found meanwhile, at its first question."""
    monkeypatch.setattr(negative_lookup, "MAX_LOOKUPS_PER_SECOND", 0.0)
    async with feeding(agent.address, most=3) as feed:
        await register(agent, "web", "192.0.2.1")
        assert await learnt(feed, "web") == ["192.0.2.1"]
        await register(agent, "other", "192.0.2.2")
        await until(lambda: listed(feed, "other") is True)
        flood = [
            Deferred.fromCoroutine(
                feed.wait_for(CatalogPendingError("service" if number % 2 else "node", f"junk{number}"))
            )
            for number in range(5000)
        ]
        assert feed.service("other") is None
        assert await learnt(feed, "other") == ["192.0.2.2"]
        await gatherResults(flood)
        assert await learnt(feed, "junk4999") == []
        junk = feed.service("junk4999")
        assert isinstance(junk, ServiceView)
        assert not junk.instances
        assert not feed.is_current(junk)  # so that no answer made of it is remembered
        assert (feed.figures().known, feed.figures().watches, len(feed._entries)) == (2, 2, 2)
        assert len(feed._negative_lookup._absent_views) <= negative_lookup.MAX_LOOKUPS_PER_SECOND
        assert not feed._negative_lookup.pending


@on_reactor
async def test_a_denied_name_appears_when_it_is_registered(agent: ConsulServer) -> None:
    """The list tells of it, and every change after that comes as to all others."""
    async with feeding(agent.address) as feed:
        for address in ("192.0.2.1", "192.0.2.2"):
            if address == "192.0.2.1":
                assert await learnt(feed, "web") == []
                assert await learnt(feed, "web") == []
                assert feed.figures().known == 0
            await register(agent, "web", address)
            await until(lambda: listed(feed, "web") is True)
            if feed.service("web") is None:
                await learnt(feed, "web")
            await until(lambda address=address: addresses(feed, "web") == [address])  # type: ignore[misc]


@on_reactor
async def test_what_no_list_shows_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token may read a service that the list is not told to have; what is asked for then is followed. Denials are
    remembered, so many and so long."""
    monkeypatch.setattr(negative_lookup, "MAX_ABSENT_NAMES", 3)
    node, service = {"Node": "n1", "Address": "192.0.2.9"}, {"Service": "web", "ID": "web"}
    hidden = json.dumps([{"Node": node, "Service": service, "Checks": []}]).encode()
    asked: list[bytes] = []

    def answer(request: bytes) -> list[bytes]:
        path = request.split()[1].removeprefix(b"/v1/").split(b"?")[0]
        if b"index=" in request:
            return []
        asked.append(path)
        empty = b"{}" if path == b"catalog/services" else b"[]"
        return [http(body=hidden if path == b"health/service/web" else empty, X_Consul_Index=6)]

    async with responding(answer) as (_, address), feeding(address) as feed:
        assert await learnt(feed, "none") == []
        await until(lambda: listed(feed, "web") is False)
        assert await learnt(feed, "web") == ["192.0.2.9"]
        assert feed.figures().watches == 1
        for name in ("none", "none", "b", "c", "d"):
            assert await learnt(feed, name) == []
        assert asked.count(b"health/service/none") == 1
        assert len(feed._negative_lookup._absent_views) == 3
        assert await learnt(feed, "none") == []
        assert asked.count(b"health/service/none") == 2


@on_reactor
async def test_a_name_that_is_no_path_does_not_exist(agent: ConsulServer) -> None:
    """Consul leads elsewhere, or refuses it: nobody asks again, and it has no watch, even if a version names it."""
    async with feeding(agent.address) as feed:
        for number, name in enumerate(("..", "a//b", "tab\t", "\N{EM SPACE}")):
            feed.pin([name])
            await until(lambda name=name: feed.service(name) is not None)  # type: ignore[misc]
            assert addresses(feed, name) == []
            assert (feed.figures().watches, feed.figures().shared, feed.figures().errors) == (0, 0, number + 1)
            assert await learnt(feed, f".{number}/../x") == []
            feed._allocator.errors = number + 1
        assert feed.figures().age < 60
