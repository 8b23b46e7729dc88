"""The service manager hears that graydns is up, and that it answers."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from twisted.internet import reactor as default_reactor

from graydns.listen.connections import ListenerLimits
from graydns.listen.listener import Listener
from graydns.listen.listeners import Listeners
from graydns.model.transport import TCP, UDP
from graydns.observe.systemd import SystemdNotifier, SystemdWatchdog, read_notifier
from tests.coroutines import on_reactor
from tests.listen.running import until
from tests.listen.tiny import TinyFront, TinyPeer, reply_to

reactor: Any = default_reactor


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Callable[[], list[str]]]]:
    """A socket as systemd makes it: its address, and what has come."""
    address = str(tmp_path / "notify") if request.param == "path" else f"@graydns-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address.replace("@", "\0") if address.startswith("@") else address)
        listener.setblocking(False)
        heard: list[str] = []

        def hear() -> list[str]:
            while True:
                try:
                    heard.append(listener.recv(4096).decode())
                except BlockingIOError:
                    return heard

        yield address, hear


@pytest.mark.integration
def test_states_are_sent(manager: tuple[str, Callable[[], list[str]]]) -> None:
    """States go in one datagram, a line each, to a path or an abstract address."""
    address, heard = manager
    SystemdNotifier(address).send("READY=1", "STATUS=fine")
    assert heard() == ["READY=1\nSTATUS=fine"]


@pytest.mark.integration
def test_nobody_needs_to_listen(tmp_path: Path) -> None:
    """Without a service manager, or with one that is gone, nothing happens."""
    SystemdNotifier().send("READY=1")
    SystemdNotifier(str(tmp_path / "gone")).send("READY=1")


@pytest.mark.parametrize(
    ("environment", "notifier"),
    [
        ({}, SystemdNotifier("", 0.0)),
        ({"NOTIFY_SOCKET": "/run/x"}, SystemdNotifier("/run/x", 0.0)),
        ({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "20000000"}, SystemdNotifier("@x", 20.0)),
        ({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "7"}, SystemdNotifier("@x", 5.0)),
        ({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "8"}, SystemdNotifier("@x", 0.0)),
        ({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "soon"}, SystemdNotifier("@x", 0.0)),
    ],
)
def test_the_environment_is_read(environment: dict[str, str], notifier: SystemdNotifier) -> None:
    """A watchdog that is another process's is none of ours."""
    assert read_notifier(environment, 7) == notifier


@define(eq=False)
class Front(TinyFront):
    """Says *reply* of each query, and keeps the queries."""

    reply: Callable[[bytes], bytes | None] = field(kw_only=True)
    wires: list[bytes] = field(factory=list)

    def answer(self, wire: bytes, peer: TinyPeer) -> bytes | None:
        self.wires.append(wire)
        return self.reply(wire)


@asynccontextmanager
async def watched(address: str, reply: Callable[[bytes], bytes | None]) -> AsyncIterator[Front]:
    """A listener that says *reply*, with a watchdog that wants a sign of life every 20 ms."""
    front = Front(reply=reply)
    listeners = Listeners(
        [Listener(TCP, "127.0.0.1", 0), Listener(UDP, "127.0.0.1", 0)], front, ListenerLimits(), reactor
    )
    listeners.startService()
    watchdog = SystemdWatchdog(SystemdNotifier(address, 0.02), lambda: listeners.listening, reactor)
    watchdog.startService()
    try:
        yield front
    finally:
        await watchdog.stopService()
        await listeners.stopService()


@on_reactor
async def test_an_answer_feeds_the_watchdog(manager: tuple[str, Callable[[], list[str]]]) -> None:
    """Each answer of our own listener is a sign of life."""
    address, heard = manager
    async with watched(address, reply_to):
        await until(lambda: len(heard()) >= 3)
        assert set(heard()) == {"WATCHDOG=1"}


@on_reactor
async def test_silence_does_not(manager: tuple[str, Callable[[], list[str]]]) -> None:
    """A listener that is open and answers nothing lets the watchdog starve."""
    address, heard = manager
    async with watched(address, lambda wire: None) as front:
        await until(lambda: len(front.wires) >= 5)
        assert heard() == []


@on_reactor
async def test_answers_of_others_do_not(manager: tuple[str, Callable[[], list[str]]]) -> None:
    """Only the answer to the last question counts."""
    address, heard = manager
    async with watched(address, lambda wire: bytes((wire[0] ^ 1,)) + reply_to(wire)[1:]) as front:
        await until(lambda: len(front.wires) >= 5)
        assert heard() == []


@on_reactor
async def test_without_a_udp_listener_there_is_nothing_to_ask(manager: tuple[str, Callable[[], list[str]]]) -> None:
    """Then the turning of the reactor has to do."""
    address, heard = manager
    watchdog = SystemdWatchdog(SystemdNotifier(address, 0.02), lambda: (Listener(TCP, "127.0.0.1", 1),), reactor)
    watchdog.startService()
    await until(lambda: len(heard()) >= 2)
    assert watchdog.stopService() is None


def test_unwanted_it_does_nothing() -> None:
    """Nobody asked: nothing is started."""
    watchdog = SystemdWatchdog(SystemdNotifier("", 5.0), tuple, reactor)
    watchdog.startService()
    assert watchdog.stopService() is None
