"""The connections to one agent: how many, for how long, and what goes with every request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from attrs import Factory, define, field
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore, fail
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers
from twisted.web.iweb import IPolicyForHTTPS

from txconsul.errors import Closed, ConsulError, Crowded
from txconsul.exchange import exchange, whole
from txconsul.reply import Message
from txconsul.token import Token

#: Consul holds a blocking query up to this part of its wait longer.
STRETCH = 1 / 16

CLOSED = "this Consul was closed"

Pairs = Sequence[tuple[str, str]]


@define(eq=False)
class Transport:
    """Requests to *base*, such as ``http://127.0.0.1:8500``; see Consul for what the rest means."""

    reactor: Any
    base: str
    token: Token
    datacenter: str | None
    http: HTTPClient
    pool: HTTPConnectionPool
    line: DeferredSemaphore
    most_held: int
    timeout: float
    _under_way: set[Deferred[Message]] = field(default=Factory(set), init=False)
    _held: int = field(default=0, init=False)
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
            response = self.http.request(
                method, url, headers=headers, data=body, allow_redirects=False, unbuffered=True, reactor=self.reactor
            )
            return response.addCallback(whole)

        if hold is None:
            return self._keep(exchange(self.reactor, lambda: self.line.run(ask), self.timeout), 0)
        return self._keep(exchange(self.reactor, ask, hold * (1 + STRETCH) + self.timeout), 1)

    def close(self) -> Deferred[None]:
        """Give up what is under way, with Closed, and close every connection."""
        self._closed = True
        for message in tuple(self._under_way):
            message.cancel()
        closed: Deferred[None] = self.pool.closeCachedConnections().addCallback(lambda _: None)  # type: ignore[no-untyped-call]
        return closed

    def _headers(self, token: str | None) -> Headers:
        token = token or self.token.current()
        return Headers({"X-Consul-Token": [token]} if token else {})

    def _refuse(self, hold: float | None) -> None:
        if self._closed:
            raise Closed(CLOSED)
        if hold is not None and self._held >= self.most_held:
            raise Crowded(f"{self.most_held} queries are held already")

    def _url(self, path: str, pairs: Pairs) -> str:
        if self.datacenter and not any(name == "dc" for name, _ in pairs):
            pairs = [*pairs, ("dc", self.datacenter)]
        return f"{self.base}/v1/{quote(path)}" + (f"?{urlencode(pairs)}" if pairs else "")

    def _keep(self, message: Deferred[Message], held: int) -> Deferred[Message]:
        """Count *message* as long as it is under way."""
        self._under_way.add(message)
        self._held += held

        def forget(outcome: Message | Failure) -> Message | Failure:
            self._under_way.discard(message)
            self._held -= held
            if isinstance(outcome, Message):
                if outcome.status == 403:
                    self.token.doubt()
            elif self._closed and isinstance(outcome.value, CancelledError):
                raise Closed(CLOSED)
            return outcome

        return message.addBoth(forget)


def transport(
    reactor: Any,
    base: str,
    token: Token,
    policy: IPolicyForHTTPS,
    *,
    datacenter: str | None,
    pool: int,
    held: int,
    timeout: float,
) -> Transport:
    """A Transport with a connection pool of its own."""
    connections = HTTPConnectionPool(reactor)  # type: ignore[no-untyped-call]
    connections.maxPersistentPerHost = pool
    # A blocking query that is repeated unseen carries an index that a restarted agent does not know, and sleeps.
    connections.retryAutomatically = False
    http = HTTPClient(Agent(reactor, policy, timeout, pool=connections))  # type: ignore[no-untyped-call, arg-type]
    line = DeferredSemaphore(pool)
    return Transport(reactor, base, token, datacenter, http, connections, line, held, timeout)
