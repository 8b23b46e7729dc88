"""Everything that observes starts, works and stops as one."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from twisted.internet import reactor as default_reactor
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.task import Clock

from graydns.config.address import ListenEndpoint as HttpDoor
from graydns.fast.answer_log import MAX_COUNTER_GROUPS, OTHER_GROUP, CounterGroup
from graydns.listen.connections import ListenerLimits
from graydns.listen.listeners import Listeners
from graydns.model.decision import Cohort, Decision, DecisionKind
from graydns.model.errors import ConfigError
from graydns.model.transport import TCP
from graydns.observe.observability import COUNTER_WINDOW_SECONDS, ObservabilityService
from graydns.observe.systemd import SystemdNotifier
from tests.coroutines import on_reactor
from tests.observe.test_http_pages import Browser
from tests.observe.watching import ask, demo, wire

reactor: Any = default_reactor


@define(eq=False)
class Ticking:
    """A clock that is enough of a reactor for what opens nothing."""

    clock: Clock = field(factory=Clock)
    calls: list[Any] = field(factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.clock, name)

    def callWhenRunning(self, call: Any, *arguments: Any) -> None:
        self.calls.append((call, arguments))


def observing(folder: Path, ticking: Ticking) -> ObservabilityService:
    """The demo's server, observed at a time that the test moves, no pages."""
    server = demo(folder)
    listeners = Listeners([], server.front, ListenerLimits(), ticking)
    observatory = ObservabilityService(server, listeners, ticking, http=None, notifier=SystemdNotifier())
    observatory.startService()
    return observatory


async def get(observatory: ObservabilityService, path: bytes) -> bytes:
    listener = observatory.listening
    assert listener is not None
    browser: Browser = await connectProtocol(TCP4ClientEndpoint(reactor, listener.host, listener.port), Browser())
    browser.transport.write(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path)
    return await browser.over


@on_reactor
async def test_ready_begins_and_ends(tmp_path: Path) -> None:
    """Ready from the start until somebody asks to stop; live and the metrics are there until the pages close."""
    server = demo(tmp_path, reactor)
    listeners = Listeners([], server.front, ListenerLimits(), reactor)
    observatory = ObservabilityService(server, listeners, reactor, http=HttpDoor(TCP, "127.0.0.1", 0))
    observatory.privilegedStartService()
    assert b" 503 " in await get(observatory, b"/ready")
    observatory.startService()
    assert b" 200 " in await get(observatory, b"/ready")
    assert b"graydns_ready 1.0" in await get(observatory, b"/metrics")
    observatory.announce_shutdown()
    assert b" 503 " in await get(observatory, b"/ready")
    assert b" 200 " in await get(observatory, b"/live")
    await observatory.stopService()
    assert observatory.listening is None


@on_reactor
async def test_a_taken_port_is_a_fault(tmp_path: Path) -> None:
    """Pages that cannot be opened are told as what is wrong with ``http``."""
    server = demo(tmp_path, reactor)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listener = HttpDoor(TCP, "127.0.0.1", taken.getsockname()[1])
        listeners = Listeners([], server.front, ListenerLimits(), reactor)
        with pytest.raises(ConfigError) as caught:
            ObservabilityService(server, listeners, reactor, http=listener).privilegedStartService()
    assert caught.value.issues[0].path == ("http",)


@pytest.mark.integration
def test_the_service_manager_is_told(tmp_path: Path) -> None:
    """READY once the reactor runs, STOPPING when somebody asks to stop."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        server, ticking = demo(tmp_path), Ticking()
        listeners = Listeners([], server.front, ListenerLimits(), ticking)
        observatory = ObservabilityService(
            server, listeners, ticking, http=None, notifier=SystemdNotifier(str(tmp_path / "notify"))
        )
        observatory.startService()
        with pytest.raises(BlockingIOError):
            manager.recv(100)
        for call, arguments in ticking.calls:
            call(*arguments)
        assert manager.recv(100) == b"READY=1"
        observatory.announce_shutdown()
        assert manager.recv(100) == b"STOPPING=1"


def test_windows_turn(tmp_path: Path) -> None:
    """What was served two windows ago is not told any more, and a subnet that stays is counted in each."""
    ticking = Ticking()
    observatory = observing(tmp_path, ticking)
    server: Any = observatory._server
    for _ in range(3):
        for _ in range(2):
            ask(server, wire("api.shop.test", subnet="10.1.2.0/24"))
        served = observatory.shares.version_traffic("t-demo", "api.shop.test")
        assert served["canary"].clients == 1
        assert served["canary"].queries in (2, 4)
        for _ in range(COUNTER_WINDOW_SECONDS):
            ticking.clock.advance(1)
    for _ in range(COUNTER_WINDOW_SECONDS):
        ticking.clock.advance(1)
    assert observatory.shares.version_traffic("t-demo", "api.shop.test")["canary"] == (0, 0)


def test_groups_that_are_gone_make_room(tmp_path: Path) -> None:
    """When the bound is reached, what is no longer configured is counted as other; what is, stays."""
    ticking = Ticking()
    observatory = observing(tmp_path, ticking)
    server: Any = observatory._server
    ask(server, wire("api.shop.test", subnet="10.1.2.0/24"))
    ask(server, wire("x.ads.shop.test"))
    for number in range(MAX_COUNTER_GROUPS):
        gone = Decision(Cohort("t-demo", f"s{number}", "v"), DecisionKind.VERSION)
        observatory.shares.counter_for(0, gone, "t-demo").piped += 1
    for _ in range(61):
        ticking.clock.advance(1)
    left = {tally.group for tally in observatory.shares}
    assert left == {
        CounterGroup("t-demo", "api.shop.test", "canary"),
        CounterGroup("t-demo", "ads", "rule:ads"),
        CounterGroup("t-demo", OTHER_GROUP, OTHER_GROUP),
    }
    assert sum(tally.total for tally in observatory.shares) == MAX_COUNTER_GROUPS + 2


def test_watching_ends_with_the_clock(tmp_path: Path) -> None:
    """The observatory's seconds are those of the traces."""
    ticking = Ticking()
    observatory = observing(tmp_path, ticking)
    server: Any = observatory._server
    observatory.traces.watch("www.shop.test", True)
    server.front.traced_names = frozenset()
    ticking.clock.advance(1)
    assert server.front.traced_names
