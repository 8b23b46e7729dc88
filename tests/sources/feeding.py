"""Feeds from real Consul agents, and what they know."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from twisted.internet import reactor as default_reactor

from graydns.model.catalog import CatalogView
from graydns.model.errors import CatalogPendingError
from graydns.sources.consul.catalog_feed import CatalogFeed
from tests.txconsul.running import consul_at, in_thread
from tools.consul import ConsulServer

reactor: Any = default_reactor


@asynccontextmanager
async def feeding(
    address: str, gone: list[CatalogView] | None = None, most: int = 100, stale_after: float = 60.0, **settings: Any
) -> AsyncIterator[CatalogFeed]:
    """A feed from the agent at *address*; *gone* gets the views that are not current any more."""
    async with consul_at(address, **settings) as asked:
        changed: list[CatalogView] = [] if gone is None else gone
        feed = CatalogFeed(asked, reactor, stale_after, bool(settings), most)
        feed.subscribe(changed.append)
        try:
            yield feed
        finally:
            feed.stop()


async def register(agent: ConsulServer, name: str, address: str) -> None:
    """Have an instance of *name*."""
    await in_thread(agent.must, "PUT", "/v1/agent/service/register", {"Name": name, "Address": address})


async def register_checked(agent: ConsulServer, name: str) -> None:
    """Have an instance of *name* with a check of the same id, which passes."""
    check = {"CheckID": name, "TTL": "1h", "Status": "passing"}
    body = {"Name": name, "Address": "192.0.2.1", "Check": check}
    await in_thread(agent.must, "PUT", "/v1/agent/service/register", body)


async def learnt(feed: CatalogFeed, name: str) -> list[str]:
    """The addresses of a service that is asked for."""
    await feed.wait_for(CatalogPendingError("service", name))
    return addresses(feed, name)


def addresses(feed: CatalogFeed, name: str) -> list[str]:
    """Those that are known now."""
    view = feed.service(name)
    return [] if view is None else [instance.host for instance in view.instances]


def is_settled(feed: CatalogFeed) -> bool:
    """Whether every shared watch has spoken, and everything was asked for since."""
    watches, members = feed._allocator.shared._watches.values(), feed._allocator.shared.members.values()
    return all(one.index for one in watches) and all(kept.is_current and not kept.is_polling for kept in members)
