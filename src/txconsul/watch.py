"""Watches: every change of something in Consul, by blocking queries.

Which index a watch asks for next follows Consul's rules for blocking queries, and what was measured beyond them; how
often it may ask is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from hashlib import blake2b
from typing import Any, Protocol, TypeVar

from attrs import Factory, define, field
from twisted.internet.defer import CancelledError, Deferred

from txconsul.client import ParameterValue
from txconsul.reply import ConsulClosedError, ConsulError, ConsulNotFoundError, ConsulReply, MalformedReplyError


@define
class BlockingQueryIndex:
    """The *index* to go on from; None = ask without one, which is answered at once.

    An index that is ahead of Consul's is not noticed there: the query sleeps out its whole wait, whatever changes. So
    whenever there may be another Consul than before, or another state in it, the next query has none: after any error,
    when the index went backwards, and when a held query came back early with the index that it was sent with (the
    agent is being stopped, or a snapshot was restored).
    """

    index: int | None = field(default=None, init=False)
    _data_digest: Hashable = field(default=None, init=False)

    def update(self, reply: ConsulReply, index: int, early: bool) -> bool:
        """Whether *reply*, with *index*, has other data than the last one; *early*: it came before the wait was up."""
        before = self.index
        lost = before is not None and (index < before or (index == before and early))
        self.index = None if lost else max(1, index)
        told = (reply.status, reply.filtered, blake2b(reply.body, digest_size=16).digest())
        changed, self._data_digest = told != self._data_digest, told
        return changed

    def reset(self) -> None:
        """An error: another server may answer next. The data that were delivered stay."""
        self.index = None


@define
class QueryTokenBucket:
    """Tokens for queries: *burst* at most, and another one each *interval* seconds."""

    burst: int
    interval: float
    _empty_until: float = field(default=float("-inf"), init=False)

    def take(self, now: float) -> float:
        """Take a token; seconds until it is there."""
        full_at = max(self._empty_until, now) + self.interval
        self._empty_until = full_at
        return max(0.0, full_at - now - self.burst * self.interval)


@define
class QueryBackoff:
    """Pauses after errors: doubled each time from *min_seconds* to *max_seconds*, and shortened by up to half at
    random."""

    min_seconds: float
    max_seconds: float
    _errors: int = field(default=0, init=False)

    def next_pause(self, lot: float) -> float:
        """Seconds to wait after another error; *lot* is from 0 to 1."""
        whole = min(self.max_seconds, self.min_seconds * 2.0 ** min(self._errors, 32))
        self._errors += 1
        return whole * (1 + lot) / 2

    def reset(self) -> None:
        """It went well."""
        self._errors = 0


#: Seconds that Consul holds a query. Bounds how long a state is missed whose index is behind ours (rolled back).
DEFAULT_WAIT_SECONDS = 45.0

#: A wait is this part shorter or longer, by lot, so that watches which began together do not come back together.
WAIT_JITTER_RATIO = 1 / 3

#: Two queries may follow on one another at once, so that a change is seen at once and the next one as well; of a burst
#: only what is there after each interval, in seconds, is.
QUERY_BURST = 2
MIN_QUERY_INTERVAL_SECONDS = 0.06

#: Seconds between queries that fail. The longest is well below a second: so late is Consul's return noticed.
MIN_RETRY_SECONDS = 0.1
MAX_RETRY_SECONDS = 0.8


ResultT = TypeVar("ResultT")


class BlockingQueryClient(Protocol):
    """The part of Consul that is needed."""

    def request(
        self,
        method: str,
        path: str,
        params: Mapping[str, ParameterValue],
        body: None = None,
        *,
        wait: float | None = None,
        parse: bool = True,
    ) -> Deferred[ConsulReply]:
        """As Consul.request."""


def watch(
    consul: BlockingQueryClient,
    path: str,
    params: Mapping[str, ParameterValue] | None = None,
    *,
    wait: float = DEFAULT_WAIT_SECONDS,
    stale: bool = True,
    parse: bool = True,
    clock: Any,
    random: Callable[[], float],
) -> ConsulWatch:
    """Watch *path* below ``/v1/``: what it is now, and again whenever its data are others.

    *wait*: seconds that Consul holds a query, give or take a third. *stale*: any server may answer, with or without
    a leader. *parse*: whether Replies have ``json``. *clock*: IReactorTime; *random*: numbers from 0 to 1.
    Raises ValueError.
    """
    if wait <= 0:
        raise ValueError(f"a wait of {wait:g} s would be Consul's default, and that is five minutes")
    given: dict[str, ParameterValue] = {**(params or {}), **({"stale": True} if stale else {})}
    return ConsulWatch(consul, path, given, wait, clock, random, parse)


@define(eq=False)
class ConsulWatch:
    """An asynchronous iterator of Replies, for one reader. No query is sent while the reader is not waiting for the
    next one.

    The first Reply comes at once, further ones only when the data differ, compared octet by octet. 404 is an answer,
    with ``json`` None: no such key, or none left. An error ends nothing: the watch backs off, asks again without an
    index; it delivers nothing again that it has delivered. It ends when it is cancelled, or its Consul closed.
    """

    _consul: BlockingQueryClient
    path: str
    _params: Mapping[str, ParameterValue]
    _wait: float
    _clock: Any
    _random: Callable[[], float]
    _parse: bool = True
    _on_reply: Callable[[ConsulReply], None] = field(default=lambda _: None, init=False)
    _on_error: Callable[[ConsulError], None] = field(default=lambda _: None, init=False)
    #: Whether the last good Reply had other data than the one before; set before *on_reply* is called.
    changed: bool = field(default=False, init=False)
    #: Whether the last query went well; not before the first one did.
    is_healthy: bool = field(default=False, init=False)
    #: When the last good Reply came, in seconds of the clock.
    last_reply_at: float | None = field(default=None, init=False)
    _query_index: BlockingQueryIndex = field(default=Factory(BlockingQueryIndex), init=False)
    _bucket: QueryTokenBucket = field(
        default=Factory(lambda: QueryTokenBucket(QUERY_BURST, MIN_QUERY_INTERVAL_SECONDS)), init=False
    )
    _backoff: QueryBackoff = field(
        default=Factory(lambda: QueryBackoff(MIN_RETRY_SECONDS, MAX_RETRY_SECONDS)), init=False
    )
    _waiting: Deferred[Any] | None = field(default=None, init=False)
    _has_reader: bool = field(default=False, init=False)
    _ended: bool = field(default=False, init=False)

    def subscribe(
        self,
        on_reply: Callable[[ConsulReply], None] = lambda _: None,
        on_error: Callable[[ConsulError], None] = lambda _: None,
    ) -> None:
        """Call *on_reply* with each good Reply, also where the data are as before, and *on_error* with each error.

        In place of those of an earlier call.
        """
        self._on_reply, self._on_error = on_reply, on_error

    def __aiter__(self) -> ConsulWatch:
        return self

    async def __anext__(self) -> ConsulReply:
        if self._has_reader:
            raise RuntimeError("a watch has one reader")
        self._has_reader = True
        try:
            while not self._ended:
                if (reply := await self._run_query()) is not None:
                    return reply
        except CancelledError:
            if not self._ended:
                raise
        finally:
            self._has_reader = False
        raise StopAsyncIteration

    def cancel(self) -> None:
        """End the watch: its connection is closed, and the iteration ends."""
        self._ended = True
        if self._waiting is not None:
            self._waiting.cancel()

    async def aclose(self) -> None:
        """As cancel(), for ``contextlib.aclosing``."""
        self.cancel()

    async def _run_query(self) -> ConsulReply | None:
        """One query; its ConsulReply if there is something new in it."""
        await self._pause(self._bucket.take(self._clock.seconds()))
        try:
            return await self._query()
        except ConsulClosedError:
            self.is_healthy, self._ended = False, True
        except ConsulError as error:
            self.is_healthy = False
            self._query_index.reset()
            self._on_error(error)
            if not self._ended:
                await self._pause(self._backoff.next_pause(self._random()))
        return None

    async def _query(self) -> ConsulReply | None:
        """The ConsulReply to the next query, if it has other data. Raises ConsulError."""
        began, wait = self._clock.seconds(), self._wait * (1 + WAIT_JITTER_RATIO * (2 * self._random() - 1))
        reply = await self._send(wait)
        if reply.index is None:
            raise MalformedReplyError(f"{self.path} has no index: it cannot be watched")
        self.is_healthy, self.last_reply_at = True, self._clock.seconds()
        if self._query_index.index is not None:
            # Whatever is answered at once does not show that queries are held: past the bound of those they are not.
            self._backoff.reset()
        self.changed = self._query_index.update(reply, reply.index, self.last_reply_at - began < wait)
        self._on_reply(reply)
        return reply if self.changed else None

    async def _send(self, wait: float) -> ConsulReply:
        index = self._query_index.index
        try:
            if index is None:
                return await self._until(self._consul.request("GET", self.path, self._params, parse=self._parse))
            asked = {**self._params, "index": index}
            return await self._until(self._consul.request("GET", self.path, asked, wait=wait, parse=self._parse))
        except ConsulNotFoundError as missing:
            return missing.reply

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            over: Deferred[None] = Deferred(lambda _: call.cancel())
            call = self._clock.callLater(seconds, over.callback, None)
            await self._until(over)

    async def _until(self, result: Deferred[ResultT]) -> ResultT:
        """Wait for *result*; cancel() cancels it."""
        self._waiting = result
        try:
            return await result
        finally:
            self._waiting = None
