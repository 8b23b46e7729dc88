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

from txconsul.errors import Closed, ConsulError, Crowded
from txconsul.exchange import exchange, whole
from txconsul.reply import Message
from txconsul.token import Token

#: Consul holds a blocking query up to this part of its wait longer.
STRETCH = 1 / 16

CLOSED = "this Consul was closed"

Pairs = Sequence[tuple[str, str]]


@frozen
class Channel:
    """A pool of connections and who asks over it."""

    pool: HTTPConnectionPool
    http: HTTPClient

    def close(self) -> Deferred[Any]:
        """Close those that idle."""
        return self.pool.closeCachedConnections()  # type: ignore[no-untyped-call, no-any-return]


@define(eq=False)
class Transport:
    """Requests to *base*, such as ``http://127.0.0.1:8500``; see Consul for what the rest means."""

    reactor: Any
    base: str
    token: Token
    datacenter: str | None
    plain: Channel
    holding: Channel
    line: DeferredSemaphore
    most_held: int
    timeout: float
    _under_way: set[Deferred[Message]] = field(default=Factory(set), init=False)
    _held: int = field(default=0, init=False)
    _lingering: set[Any] = field(default=Factory(set), init=False)
    _closed: bool = field(default=False, init=False)

    def send(
        self,
        method: str,
        path: str,
        pairs: Pairs = (),
        body: bytes | None = None,
        *,
        token: str | None = None,
        hold: float | None = None,
    ) -> Deferred[Message]:
        """One request below ``/v1/``, fires with whatever was answered, or with an error that is no Answered.

        *token*: instead of our own. *hold*: seconds that Consul was told to hold it at most; it never waits in line.
        """
        try:
            headers = self._headers(token)
            self._refuse(hold)
        except ConsulError as error:
            return fail(error)
        url = self._url(path, pairs)

        def ask() -> Deferred[Message]:
            http = self.plain.http if hold is None else self.holding.http
            response = http.request(
                method, url, headers=headers, data=body, allow_redirects=False, unbuffered=True, reactor=self.reactor
            )
            return response.addCallback(whole)

        if hold is None:
            return self._keep(exchange(self.reactor, lambda: self.line.run(ask), self.timeout), None)
        return self._keep(exchange(self.reactor, ask, hold * (1 + STRETCH) + self.timeout), hold)

    def close(self) -> Deferred[None]:
        """Give up what is under way, with Closed, and close every connection."""
        self._closed = True
        for message in tuple(self._under_way):
            message.cancel()
        for call in tuple(self._lingering):
            call.cancel()
        self._lingering.clear()
        return gatherResults([self.plain.close(), self.holding.close()]).addCallback(lambda _: None)

    def _headers(self, token: str | None) -> Headers:
        token = token or self.token.current()
        # The agent is next door, where gzip is of no use. It goes by the first such header, not the one that treq adds.
        plain = {"Accept-Encoding": ["identity"]}
        return Headers({"X-Consul-Token": [token], **plain} if token else plain)

    def _refuse(self, hold: float | None) -> None:
        if self._closed:
            raise Closed(CLOSED)
        if hold is not None and self._held >= self.most_held:
            raise Crowded(f"{self.most_held} queries are held already")

    def _url(self, path: str, pairs: Pairs) -> str:
        if self.datacenter and not any(name == "dc" for name, _ in pairs):
            pairs = [*pairs, ("dc", self.datacenter)]
        return f"{self.base}/v1/{quote(path)}" + (f"?{urlencode(pairs)}" if pairs else "")

    def _keep(self, message: Deferred[Message], hold: float | None) -> Deferred[Message]:
        """Count *message* as long as it is under way, and as long as Consul may hold it."""
        self._under_way.add(message)
        free = self._seat(hold)

        def forget(outcome: Message | Failure) -> Message | Failure:
            self._under_way.discard(message)
            given_up = isinstance(outcome, Failure) and isinstance(outcome.value, CancelledError)
            free(given_up)
            if isinstance(outcome, Message) and outcome.status == 403:
                self.token.doubt()
            if given_up and self._closed:
                raise Closed(CLOSED)
            return outcome

        return message.addBoth(forget)

    def _seat(self, hold: float | None) -> Callable[[bool], None]:
        """Take the place of a held query; call what is returned with whether it was given up before its end.

        Consul does not notice that: it holds the query, and a connection of those that it allows us, to its end.
        """
        if hold is None:
            return lambda _: None
        self._held += 1
        end = self.reactor.seconds() + hold * (1 + STRETCH)

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


def channel(reactor: Any, policy: Any, size: int, timeout: float, *, again: bool) -> Channel:
    """At most *size* connections idle. *again*: repeat what changes nothing, if the kept connection had died."""
    pool = HTTPConnectionPool(reactor)  # type: ignore[no-untyped-call]
    pool.maxPersistentPerHost = size
    pool.retryAutomatically = again
    # Its factory writes two lines into the log for each connection, and cannot be told not to.
    pool._factory = type("Quiet", (pool._factory,), {"noisy": False})  # type: ignore[assignment]
    agent: Any = Agent(reactor, policy, timeout, pool=pool)  # type: ignore[no-untyped-call]
    return Channel(pool, HTTPClient(agent))


def transport(
    reactor: Any,
    base: str,
    token: Token,
    policy: Any,
    *,
    datacenter: str | None,
    pool: int,
    held: int,
    timeout: float,
) -> Transport:
    """A Transport with connections of its own.

    A blocking query is never repeated unseen: it carries an index that a restarted agent does not know, and sleeps.
    """
    plain = channel(reactor, policy, pool, timeout, again=True)
    holding = channel(reactor, policy, held, timeout, again=False)
    return Transport(reactor, base, token, datacenter, plain, holding, DeferredSemaphore(pool), held, timeout)
