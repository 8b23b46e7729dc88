"""The pages say what they should to whoever behaves, and cost little to those who do not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from attrs import define, field
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.server import NOT_DONE_YET
from twisted.web.test.requesthelper import DummyRequest

from graydns.observe.http_pages import (
    MAX_HTTP_CONNECTIONS,
    MAX_REQUEST_BYTES,
    REQUEST_TIMEOUT_SECONDS,
    HttpServerFactory,
    MetricsPage,
)
from tests.coroutines import on_reactor
from tests.listen.running import TimelessReactor, until

reactor: Any = default_reactor


class Browser(Protocol):
    """Keeps all that comes until the connection is over."""

    transport: Any

    def __init__(self) -> None:
        self.received = b""
        self.over: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.over.callback(self.received)


@define(eq=False)
class Counting:
    """A collector of *size* series that counts how often it was read."""

    size: int = 1
    read: int = field(init=False, default=0)

    def collect(self) -> Iterator[Metric]:
        self.read += 1
        for number in range(self.size):
            family = GaugeMetricFamily("tests", "A number.", labels=("at",))
            family.add_metric((str(number),), number)
            yield family


@define(eq=False)
class Pages:
    """Open pages."""

    port: Any
    clock: Any
    collector: Counting
    ready: bool = True
    factory: Any = None

    async def open(self) -> Browser:
        host = self.port.getHost()
        browser: Browser = await connectProtocol(TCP4ClientEndpoint(reactor, host.host, host.port), Browser())
        return browser

    async def ask(self, request: bytes) -> bytes:
        browser = await self.open()
        browser.transport.write(request)
        return await browser.over


@asynccontextmanager
async def pages(collector: Counting | None = None) -> AsyncIterator[Pages]:
    """Pages on loopback, at a time that the test moves."""
    timeless, counting = TimelessReactor(), collector or Counting()
    registry = CollectorRegistry()
    registry.register(counting)
    factory = HttpServerFactory(registry, lambda: True, lambda: opened.ready, timeless)
    opened = Pages(reactor.listenTCP(0, factory, 50, "127.0.0.1"), timeless.clock, counting, factory=factory)
    try:
        yield opened
    finally:
        await opened.port.stopListening()
        timeless.clock.advance(REQUEST_TIMEOUT_SECONDS)
        await until(lambda: not factory.protocols)


@on_reactor
async def test_the_three_pages() -> None:
    """Each says what it is for, and closes the connection."""
    async with pages() as opened:
        live = await opened.ask(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert live.startswith(b"HTTP/1.1 200 ")
        assert live.endswith(b"\r\n\r\nlive\n")
        ready = await opened.ask(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")
        assert ready.startswith(b"HTTP/1.1 200 ")
        opened.ready = False
        ready = await opened.ask(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")
        assert ready.startswith(b"HTTP/1.1 503 ")
        assert ready.endswith(b"not ready\n")
        metrics = await opened.ask(b"GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"text/plain; version=0.0.4; charset=utf-8" in metrics
        assert metrics.endswith(b'tests{at="0"} 0.0\n')


@on_reactor
async def test_nothing_else_is_there() -> None:
    """Other paths are 404, other methods 405; HEAD is GET without the body."""
    async with pages() as opened:
        for path in (b"/", b"/metrics/", b"/metrics/x", b"/.."):
            assert (await opened.ask(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path)).startswith(b"HTTP/1.1 404 ")
        refused = await opened.ask(b"POST /live HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
        assert refused.startswith(b"HTTP/1.1 405 ")
        assert b"GET, HEAD" in refused
        for path in (b"live", b"metrics"):
            head = await opened.ask(b"HEAD /%s HTTP/1.1\r\nHost: x\r\n\r\n" % path)
            assert head.startswith(b"HTTP/1.1 200 ")
            assert head.endswith(b"\r\n\r\n")


@on_reactor
async def test_thousands_of_series_are_whole() -> None:
    """A page that takes many turns of the reactor to write is complete, and its length is right."""
    async with pages(Counting(3000)) as opened:
        head, _, body = (await opened.ask(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")).partition(b"\r\n\r\n")
        assert body.count(b"\ntests{") == 3000
        assert b"%d" % len(body) in head


def test_those_who_ask_at_once_share_one_page() -> None:
    """While the metrics are written, a step a turn, further requests wait for the same text."""
    clock, counting = Clock(), Counting(20)

    class Slow:
        def collect(self) -> Iterator[Metric]:
            for metric in counting.collect():
                clock.rightNow += 0.1
                yield metric

    registry = CollectorRegistry()
    registry.register(Slow())
    page = MetricsPage(registry, clock)
    requests = []
    for _ in range(5):
        requests.append(DummyRequest([b"metrics"]))
        assert page.answer(requests[-1]) == NOT_DONE_YET
    assert not any(request.finished for request in requests)
    clock.advance(0)
    assert all(request.finished for request in requests)
    assert len({b"".join(request.written) for request in requests}) == 1
    assert counting.read == 1


@on_reactor
async def test_one_who_leaves_spoils_nothing() -> None:
    """A client that goes while its page is written leaves the others theirs."""
    async with pages(Counting(2000)) as opened:
        leaving, staying = await opened.open(), await opened.open()
        for browser in (leaving, staying):
            browser.transport.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        leaving.transport.abortConnection()
        assert (await staying.over).count(b"\ntests{") == 2000


@on_reactor
async def test_connections_are_few() -> None:
    """Slow requests keep nobody out: the oldest of them makes room for one that is whole, and for no more than one."""
    async with pages() as opened:
        slow = [await opened.open() for _ in range(MAX_HTTP_CONNECTIONS)]
        for browser in slow:
            browser.transport.write(b"GET /live HTTP/1.1\r\n")
        await until(lambda: len(opened.factory.protocols) == MAX_HTTP_CONNECTIONS)
        assert (await opened.ask(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert await slow[0].over == b""
        assert [browser.over.called for browser in slow[1:]] == [False] * (MAX_HTTP_CONNECTIONS - 1)


@on_reactor
async def test_whole_requests_do_not_make_room() -> None:
    """While all that are open wait for their page, one more is refused."""
    async with pages() as opened:
        for _ in range(MAX_HTTP_CONNECTIONS):
            await opened.open()
        await until(lambda: len(opened.factory.incomplete) == MAX_HTTP_CONNECTIONS)
        for connection in tuple(opened.factory.incomplete):
            connection.note_request()
        assert await opened.ask(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n") == b""
        assert len(opened.factory.protocols) == MAX_HTTP_CONNECTIONS


@on_reactor
async def test_slow_clients_are_cut_off() -> None:
    """Whoever sends a header a second is gone at the deadline all the same."""
    async with pages() as opened:
        browser = await opened.open()
        browser.transport.write(b"GET /live HTTP/1.1\r\n")
        await until(lambda: len(opened.factory.protocols) == 1)
        for _ in range(int(REQUEST_TIMEOUT_SECONDS) + 1):
            browser.transport.write(b"X: y\r\n")
            opened.clock.advance(1)
        assert await browser.over == b""


@on_reactor
async def test_large_requests_are_cut_off() -> None:
    """More octets than any request has end the connection, in head or body."""
    async with pages() as opened:
        for request in (
            b"GET /live HTTP/1.1\r\n" + b"X: y\r\n" * MAX_REQUEST_BYTES,
            b"GET /live HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 2 * MAX_REQUEST_BYTES,
            b"GET /" + b"x" * 2 * MAX_REQUEST_BYTES,
        ):
            assert b" 200 " not in await opened.ask(request)
        assert (await opened.ask(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


@on_reactor
async def test_garbage_is_a_bad_request() -> None:
    """What is no HTTP gets 400 or nothing, and the next client is served."""
    async with pages() as opened:
        for garbage in (b"\0\1\2\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\0\1\0\r\n\r\n"):
            assert b" 200 " not in await opened.ask(garbage)
        assert (await opened.ask(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
