"""A reactor under a test, watches that are followed, and servers that answer as the test says."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from attrs import Factory, define, field
from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory as ProtocolFactory
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from txconsul import ConsulClient, ConsulReply, ConsulWatch, watch
from txconsul.reply import ConsulError

reactor: Any = default_reactor

T = TypeVar("T")


async def until(true: Callable[[], bool]) -> None:
    """Wait for something to come true; the timeout of the test is the limit."""
    while not true():
        await deferLater(reactor, 0.005, lambda: None)


async def turn() -> None:
    """Let the reactor see to what is ready."""
    await deferLater(reactor, 0.001, lambda: None)


async def in_thread(call: Callable[..., T], *arguments: Any) -> T:
    """What *call* returns, while the reactor goes on."""
    return cast(T, await deferToThread(call, *arguments))


@asynccontextmanager
async def consul_at(address: str, **settings: Any) -> AsyncIterator[ConsulClient]:
    """A Consul that is closed at the end."""
    consul = ConsulClient(reactor, address, **settings)
    try:
        yield consul
    finally:
        await consul.close()


@define
class Follower:
    """Somebody who reads a watch: the *replies* so far, the *errors*, how many good replies it *heard*."""

    watch: ConsulWatch
    replies: list[ConsulReply] = field(default=Factory(list), init=False)
    errors: list[ConsulError] = field(default=Factory(list), init=False)
    heard: list[ConsulReply] = field(default=Factory(list), init=False)
    ended: bool = field(default=False, init=False)

    async def run(self) -> None:
        self.watch.subscribe(self.heard.append, self.errors.append)
        async for reply in self.watch:
            self.replies.append(reply)
        self.ended = True

    async def until_replies(self, count: int) -> ConsulReply:
        """Wait for so many replies in all; the last one."""
        await until(lambda: len(self.replies) >= count)
        return self.replies[-1]

    async def until_held(self) -> None:
        """Wait until a good reply came and the next query had the time to get there."""
        await until(lambda: self.watch.is_healthy)
        await deferLater(reactor, 0.1, lambda: None)


@asynccontextmanager
async def following(consul: ConsulClient, path: str, params: Any = None, **settings: Any) -> AsyncIterator[Follower]:
    """A followed watch, which ends with the block."""
    chosen = {"wait": 30.0, **settings}
    follower = Follower(watch(consul, path, params, clock=reactor, random=random.random, **chosen))
    done = Deferred.fromCoroutine(follower.run())
    try:
        yield follower
    finally:
        follower.watch.cancel()
        await done


def connections(port: int) -> int:
    """How many connections to *port* of 127.0.0.1 are open on this machine, counted at the clients' end."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[2] == f"0100007F:{port:04X}" and row[3] in ("01", "08") for row in rows)


class Scripted(Protocol):
    """One connection to a Responder."""

    factory: Responder

    def connectionMade(self) -> None:
        self.factory.open.append(self)

    def dataReceived(self, data: bytes) -> None:
        self.factory.requests.append(data)
        for part in self.factory.answer(data):
            transport: Any = self.transport
            transport.write(part)

    def connectionLost(self, reason: Any = None) -> None:
        self.factory.open.remove(self)


class Responder(ProtocolFactory):
    """A server that sends what *answer* gives for the octets of a request, and keeps what came."""

    protocol = Scripted  # type: ignore[assignment]

    def __init__(self, answer: Callable[[bytes], list[bytes]]) -> None:
        self.answer = answer
        self.open: list[Scripted] = []
        self.requests: list[bytes] = []

    def drop(self) -> None:
        """End all connections."""
        for each in tuple(self.open):
            transport: Any = each.transport
            transport.abortConnection()


@asynccontextmanager
async def responding(answer: Callable[[bytes], list[bytes]]) -> AsyncIterator[tuple[Responder, str]]:
    """A Responder on a port of 127.0.0.1, and its address."""
    responder = Responder(answer)
    port = reactor.listenTCP(0, responder, interface="127.0.0.1")
    try:
        yield responder, f"http://127.0.0.1:{port.getHost().port}"
    finally:
        await port.stopListening()
        responder.drop()


def http(status: int = 200, body: bytes = b"[]", **headers: object) -> bytes:
    """A response; ``x_consul_index=5`` is a header."""
    lines = {"Content-Type": "application/json", "Content-Length": len(body), **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Said\r\n{head}\r\n".encode() + body
