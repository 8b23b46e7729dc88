"""A server that is asked to stop leaves nobody unanswered, and ends all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred

from graydns.listen.listeners import DRAIN_TIMEOUT_SECONDS, GracefulShutdown
from graydns.model.transport import TCP, UDP
from tests.coroutines import on_reactor
from tests.listen.running import DatagramClient, Running, StreamClient, running, turn, until
from tests.listen.tiny import question, reply_to


def leaving(opened: Running, delay: float = 0.0) -> tuple[GracefulShutdown, list[str]]:
    """A service that ends with the listeners, and the calls of on_shutdown."""
    told: list[str] = []
    service = GracefulShutdown(opened.service, lambda: told.append("leaving"), lambda: delay, opened.clock)
    return service, told


@asynccontextmanager
async def pending() -> AsyncIterator[tuple[Running, StreamClient, DatagramClient]]:
    """Listeners, and two who wait: for ``miss1`` over TCP, for ``miss2`` over UDP."""
    async with running(TCP, UDP) as opened:
        stream, datagrams = await opened.tcp(), await opened.udp(1)
        stream.send(question("miss1", 1))
        datagrams.send(question("miss2", 2))
        await until(lambda: len(opened.front.waiting) == 2)
        yield opened, stream, datagrams
        await datagrams.close()


async def ended(opened: Running, stopping: Deferred[Any], step: float = 0.02) -> None:
    """Let time pass until it has stopped."""
    while not stopping.called:
        opened.clock.advance(step)
        await turn()


@on_reactor
async def test_what_is_pending_is_answered() -> None:
    """Queries in the pipeline get their answers over UDP and TCP, then the connection is closed cleanly."""
    async with pending() as (opened, stream, datagrams):
        service, told = leaving(opened)
        stopping = service.stopService()
        assert told == ["leaving"]
        await turn(3)
        assert not stopping.called
        opened.front.release(b"miss1")
        opened.front.release(b"miss2")
        assert await stream.received(1) == [reply_to(question("miss1", 1))]
        assert await datagrams.received(1) == [reply_to(question("miss2", 2))]
        await stream.closed()
        await ended(opened, stopping)
        assert opened.front.cancelled == []


@on_reactor
async def test_what_takes_too_long_is_given_up() -> None:
    """A query that nobody answers does not keep the server."""
    async with pending() as (opened, stream, _):
        service, _ = leaving(opened)
        began = opened.clock.seconds()
        await ended(opened, service.stopService())
        assert opened.clock.seconds() - began < DRAIN_TIMEOUT_SECONDS + 0.2
        await opened.service.stopService()
        await stream.closed()
        assert sorted(opened.front.cancelled) == [b"miss1", b"miss2"]


@on_reactor
async def test_nothing_new_is_accepted() -> None:
    """Once it drains, idle connections are closed and what comes is not answered."""
    async with running(TCP, UDP) as opened:
        idle, busy, datagrams = await opened.tcp(), await opened.tcp(), await opened.udp(1)
        busy.send(question("miss", 1))
        await until(lambda: len(opened.front.waiting) == 1)
        stopping = leaving(opened)[0].stopService()
        await idle.closed()
        asked = len(opened.front.asked)
        busy.send(question("hot", 2))
        datagrams.send(question("hot", 3))
        await turn(20)
        assert len(opened.front.asked) == asked
        opened.front.release(b"miss")
        assert await busy.received(1) == [reply_to(question("miss", 1))]
        await ended(opened, stopping)
        await datagrams.close()


@on_reactor
async def test_it_goes_on_answering_for_the_delay() -> None:
    """During the delay everything is answered as before; children stop after it."""
    async with running(TCP, UDP) as opened:
        service, told = leaving(opened, delay=10.0)
        child = Service()
        child.setServiceParent(service)
        service.startService()
        stopping = service.stopService()
        assert told == ["leaving"]
        for _ in range(9):
            opened.clock.advance(1)
            client = await opened.tcp()
            client.send(question("hot"))
            await client.received(1)
            await client.close()
        assert child.running
        await ended(opened, stopping, step=1)
        assert not child.running


@on_reactor
async def test_what_has_arrived_is_read_once_more() -> None:
    """Datagrams that wait in the kernel when the listener closes are answered."""
    async with running(UDP) as opened:
        client = await opened.udp()
        for number in range(20):
            client.send(question("hot", number))
        await Deferred.fromCoroutine(opened.service.drain(1.0))
        assert len(await client.received(20)) == 20
        await client.close()
