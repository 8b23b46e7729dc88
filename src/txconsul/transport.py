"""The connections to one agent: how many, for how long, and what goes with every request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from attrs import Factory, define, field, frozen
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore, fail, gatherResults
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers

from txconsul.authentication import TokenSource
from txconsul.exchange import exchange, read_response
from txconsul.reply import ConsulClosedError, ConsulError, HttpResponse, TooManyHeldQueriesError

#: Consul holds a blocking query up to this part of its wait longer.
HOLD_JITTER_RATIO = 1 / 16

CLOSED_TEXT = "this Consul was closed"

ParameterPairs = Sequence[tuple[str, str]]


@frozen
class HttpChannel:
    """A pool of connections and who asks over it."""

    pool: HTTPConnectionPool
    http: HTTPClient

    def close(self) -> Deferred[Any]:
        """Close those that idle."""
        return self.pool.closeCachedConnections()  # type: ignore[no-any-return]


@define(eq=False)
class ConsulTransport:
    """Requests to *base*, such as ``http://127.0.0.1:8500``; see Consul for what the rest means."""

    reactor: Any
    base: str
    token: TokenSource
    datacenter: str | None
    request_channel: HttpChannel
    blocking_channel: HttpChannel
    request_slots: DeferredSemaphore
    max_held: int
    timeout: float
    _under_way: set[Deferred[HttpResponse]] = field(default=Factory(set), init=False)
    _held: int = field(default=0, init=False)
    _lingering: set[Any] = field(default=Factory(set), init=False)
    _closed: bool = field(default=False, init=False)

    def send(
        self,
        method: str,
        path: str,
        pairs: ParameterPairs = (),
        body: bytes | None = None,
        *,
        token: str | None = None,
        hold: float | None = None,
    ) -> Deferred[HttpResponse]:
        """One request below ``/v1/``, fires with any reply, or with an error other than ConsulStatusError.

        *token*: instead of our own. *hold*: seconds that Consul was told to hold it at most; it never waits in line.
        """
        try:
            headers = self._headers(token)
            self._check_open(hold)
        except ConsulError as error:
            return fail(error)
        url = self._url(path, pairs)

        def ask() -> Deferred[HttpResponse]:
            http = self.request_channel.http if hold is None else self.blocking_channel.http
            response = http.request(
                method, url, headers=headers, data=body, allow_redirects=False, unbuffered=True, reactor=self.reactor
            )
            return response.addCallback(read_response)

        if hold is None:
            return self._track(exchange(self.reactor, lambda: self.request_slots.run(ask), self.timeout), None)
        return self._track(exchange(self.reactor, ask, hold * (1 + HOLD_JITTER_RATIO) + self.timeout), hold)

    def close(self) -> Deferred[None]:
        """Give up what is under way, with ConsulClosedError, and close every connection."""
        self._closed = True
        for message in tuple(self._under_way):
            message.cancel()
        for call in tuple(self._lingering):
            call.cancel()
        self._lingering.clear()
        return gatherResults([self.request_channel.close(), self.blocking_channel.close()]).addCallback(lambda _: None)

    def _headers(self, token: str | None) -> Headers:
        token = token or self.token.current()
        # The agent is next door, where gzip is of no use. It goes by the first such header, not the one that treq adds.
        plain = {"Accept-Encoding": ["identity"]}
        return Headers({"X-Consul-Token": [token], **plain} if token else plain)

    def _check_open(self, hold: float | None) -> None:
        if self._closed:
            raise ConsulClosedError(CLOSED_TEXT)
        if hold is not None and self._held >= self.max_held:
            raise TooManyHeldQueriesError(f"{self.max_held} queries are held already")

    def _url(self, path: str, pairs: ParameterPairs) -> str:
        if self.datacenter and not any(name == "dc" for name, _ in pairs):
            pairs = [*pairs, ("dc", self.datacenter)]
        return f"{self.base}/v1/{quote(path)}" + (f"?{urlencode(pairs)}" if pairs else "")

    def _track(self, message: Deferred[HttpResponse], hold: float | None) -> Deferred[HttpResponse]:
        """Count *message* as long as it is under way, and as long as Consul may hold it."""
        self._under_way.add(message)
        free = self._hold_slot(hold)

        def forget(outcome: HttpResponse | Failure) -> HttpResponse | Failure:
            self._under_way.discard(message)
            given_up = isinstance(outcome, Failure) and isinstance(outcome.value, CancelledError)
            free(given_up)
            if isinstance(outcome, HttpResponse) and outcome.status == 403:
                self.token.invalidate()
            if given_up and self._closed:
                raise ConsulClosedError(CLOSED_TEXT)
            return outcome

        return message.addBoth(forget)

    def _hold_slot(self, hold: float | None) -> Callable[[bool], None]:
        """Take the place of a held query; call what is returned with whether it was given up before its end.

        Consul does not notice that: it holds the query, and a connection of those that it allows us, to its end.
        """
        if hold is None:
            return lambda _: None
        self._held += 1
        end = self.reactor.seconds() + hold * (1 + HOLD_JITTER_RATIO)

        def free() -> None:
            self._held -= 1
            self._lingering.discard(call)

        call: Any = None

        def leave(given_up: bool) -> None:
            nonlocal call
            if not given_up or self._closed:
                free()
            else:
                call = self.reactor.callLater(max(0.0, end - self.reactor.seconds()), free)
                self._lingering.add(call)

        return leave


def make_channel(reactor: Any, policy: Any, size: int, timeout: float, *, again: bool) -> HttpChannel:
    """At most *size* connections idle. *again*: repeat what changes nothing, if the kept connection had died."""
    pool = HTTPConnectionPool(reactor)
    pool.maxPersistentPerHost = size
    pool.retryAutomatically = again
    # Its factory writes two lines into the log for each connection, and has no option against it.
    pool._factory = type("Quiet", (pool._factory,), {"noisy": False})  # type: ignore[assignment]
    agent: Any = Agent(reactor, policy, timeout, pool=pool)
    return HttpChannel(pool, HTTPClient(agent))


def make_transport(
    reactor: Any,
    base: str,
    token: TokenSource,
    policy: Any,
    *,
    datacenter: str | None,
    pool: int,
    held: int,
    timeout: float,
) -> ConsulTransport:
    """A ConsulTransport with connections of its own.

    A blocking query is never repeated unseen: it carries an index that a restarted agent does not know, and sleeps.
    """
    plain = make_channel(reactor, policy, pool, timeout, again=True)
    holding = make_channel(reactor, policy, held, timeout, again=False)
    return ConsulTransport(reactor, base, token, datacenter, plain, holding, DeferredSemaphore(pool), held, timeout)
