"""The HTTP pages: ``/metrics``, ``/live``, ``/ready``, and nothing else.

One request a connection, at most MAX_HTTP_CONNECTIONS at once, each closed after REQUEST_TIMEOUT_SECONDS or
MAX_REQUEST_BYTES of input. At the limit a new connection replaces the oldest without a whole request, so slow requests
keep no probe out. Requests for the metrics that come while they are rendered share one text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from attrs import define, field, frozen
from prometheus_client import CollectorRegistry
from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.http import Request as HttpRequest
from twisted.web.server import NOT_DONE_YET

from graydns.observe.metric_families import render
from graydns.runtime.slices import run_in_slices
from graydns.runtime.twisted_types import ProtocolWrapper, Resource, Site, WrappingFactory

MAX_HTTP_CONNECTIONS = 32

#: Octets that one connection may send: a request has a few hundred.
MAX_REQUEST_BYTES = 16_384

#: Seconds from the connection to the last octet of the response.
REQUEST_TIMEOUT_SECONDS = 10.0

_TEXT_TYPE = b"text/plain; charset=utf-8"
_EXPOSITION_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class HttpPage(Protocol):
    """The page at one path."""

    def answer(self, request: Any) -> Any:
        """The body, or NOT_DONE_YET."""


class HttpPages(Resource):
    """The pages by path; GET and HEAD only."""

    isLeaf = True

    def __init__(self, pages: Mapping[bytes, HttpPage]) -> None:
        super().__init__()
        self._pages = pages

    def render(self, request: Any) -> Any:
        """Answer with a page, 404 or 405."""
        request.setHeader(b"server", b"graydns")
        request.setHeader(b"content-type", _TEXT_TYPE)
        page = self._pages.get(request.path)
        if page is None:
            request.setResponseCode(404)
            return b"not found: there is " + b", ".join(self._pages) + b"\n"
        if request.method not in (b"GET", b"HEAD"):
            request.setResponseCode(405)
            request.setHeader(b"allow", b"GET, HEAD")
            return b"GET or HEAD\n"
        return page.answer(request)


@frozen
class HealthPage:
    """200 *good* while it *is_healthy*, else 503 *bad*."""

    is_healthy: Callable[[], bool]
    good: bytes
    bad: bytes

    def answer(self, request: Any) -> bytes:
        """The text and its status code."""
        healthy = self.is_healthy()
        request.setResponseCode(200 if healthy else 503)
        return (self.good if healthy else self.bad) + b"\n"


@define(eq=False)
class MetricsPage:
    """Everything in *registry*, in the Prometheus text format. *clock*: IReactorTime."""

    registry: CollectorRegistry
    clock: Any = field(repr=False)
    _waiting: list[Any] = field(init=False, factory=list)
    _log: Logger = field(init=False, factory=Logger, repr=False)

    def answer(self, request: Any) -> int:
        """Wait for the text; rendering starts unless it is under way."""
        self._waiting.append(request)
        request.notifyFinish().addErrback(self._remove_waiting, request)
        if len(self._waiting) == 1:
            Deferred.fromCoroutine(run_in_slices(self.clock, render(self.registry))).addCallbacks(
                self._send, self._fail
            )
        return NOT_DONE_YET

    def _send(self, text: bytes) -> None:
        for request in self._pop_waiting():
            request.setHeader(b"content-type", _EXPOSITION_TYPE)
            request.setHeader(b"content-length", b"%d" % len(text))
            request.write(b"" if request.method == b"HEAD" else text)
            request.finish()

    def _fail(self, failure: Failure) -> None:
        self._log.failure("the metrics could not be written", failure)
        for request in self._pop_waiting():
            request.setResponseCode(500)
            request.finish()

    def _pop_waiting(self) -> list[Any]:
        waiting, self._waiting = self._waiting, []
        return waiting

    def _remove_waiting(self, failure: Failure, request: Any) -> None:
        if request in self._waiting:
            self._waiting.remove(request)


class _OneRequestChannel(HTTPChannel):
    """One request, then the connection is closed."""

    def checkPersistence(self, request: HttpRequest, version: bytes) -> bool:
        """Whether another request may follow."""
        return False

    def allContentReceived(self) -> None:
        """The request is whole."""
        cast(_BoundedConnection, self.transport).note_request()
        super().allContentReceived()  # type: ignore[no-untyped-call]


class _BoundedConnection(ProtocolWrapper):
    """A connection with a time limit and a limit of octets."""

    factory: HttpServerFactory

    def connectionMade(self) -> None:
        """Start the timer."""
        self._received = 0
        self.factory.incomplete[self] = None
        self._timer = self.factory.clock.callLater(REQUEST_TIMEOUT_SECONDS, self.abortConnection)
        super().connectionMade()

    def note_request(self) -> None:
        """The request is whole: what the connection waits for is ours to give."""
        self.factory.incomplete.pop(self, None)

    def dataReceived(self, data: bytes) -> None:
        """Pass on *data* within the limit."""
        self._received += len(data)
        if self._received > MAX_REQUEST_BYTES:
            self.abortConnection()
        else:
            super().dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Stop the timer."""
        self.factory.incomplete.pop(self, None)
        if self._timer.active():
            self._timer.cancel()
        super().connectionLost(reason)


class _SilentSite(Site):
    """A site that logs no requests: health checks would be most of the log."""

    protocol: Any = _OneRequestChannel
    noisy = False

    def log(self, request: Any) -> None:
        """Log nothing."""


class HttpServerFactory(WrappingFactory):
    """Makes the connections. *live*, *ready*: whether the pages of that name answer 200.

    *incomplete*: the connections without a whole request, the oldest first.
    """

    protocol = _BoundedConnection
    noisy = False

    def __init__(
        self, registry: CollectorRegistry, live: Callable[[], bool], ready: Callable[[], bool], clock: Any
    ) -> None:
        pages: dict[bytes, HttpPage] = {
            b"/metrics": MetricsPage(registry, clock),
            b"/live": HealthPage(live, b"live", b"not live"),
            b"/ready": HealthPage(ready, b"ready", b"not ready"),
        }
        super().__init__(_SilentSite(HttpPages(pages), reactor=clock, timeout=None))
        self.clock = clock
        self.incomplete: dict[_BoundedConnection, None] = {}

    def buildProtocol(self, addr: Any) -> Any:
        """A connection; None closes it: all that are open have requests that are being answered."""
        if len(self.protocols) >= MAX_HTTP_CONNECTIONS:
            if not self.incomplete:
                return None
            oldest = next(iter(self.incomplete))
            del self.incomplete[oldest]
            oldest.abortConnection()
        return super().buildProtocol(addr)
