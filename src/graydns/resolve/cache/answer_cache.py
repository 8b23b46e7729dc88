"""AnswerCache: answers for the clients of a cohort, used while they are fresh and, if necessary, stale (RFC 8767).

::

    stored            0.9 · TTL             TTL                        TTL + stale.for
      ├─ given as it is ─┼─ given; asked anew ─┼─ given as stale (RFC 8767) ─┤
                         │  if often wanted    │  and refreshed behind it

Until when the signatures of an answer hold.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from attrs import evolve, field, frozen
from dns.edns import EDECode
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from graydns.model.answer import Answer, Ede
from graydns.model.dns_parameters import ANY, NXDOMAIN, RRSIG
from graydns.model.errors import OverloadedError, ResolveError
from graydns.model.query import Query
from graydns.resolve.cache.cache_keys import CacheKey
from graydns.resolve.cache.raw_cache import PREFETCH_TTL_FRACTION
from graydns.resolve.cache.store import AnswerStore, CacheEntry
from graydns.resolve.link import Resolver
from graydns.runtime.garbage import drop_tracebacks
from graydns.runtime.timing import DelayedCall
from graydns.wire import rdata_layout
from graydns.wire.answer_body import set_ttls
from graydns.wire.message import HEADER_STRUCT, records

#: Times that an answer must have been given for its refresh to be worth while before it expires.
MIN_PREFETCH_HITS = 3

#: Seconds for which a failed refresh is not tried again (RFC 8767 section 5 calls it the failure recheck timer).
FAILURE_RECHECK_SECONDS = 5.0

#: Refreshes behind answers at once; more wait for a later query.
MAX_REFRESHES = 1000

#: Info codes of RFC 8914.
EDE_STALE_ANSWER, EDE_STALE_NXDOMAIN = EDECode.STALE_ANSWER, EDECode.STALE_NXDOMAIN_ANSWER

_log = Logger()


@frozen
class StalePolicy:
    """When expired answers are used (RFC 8767), in seconds.

    *max_stale_seconds*: how long after its TTL an answer may be used, 0 = never. *ttl*: the TTL of a stale answer.
    *client_timeout*: how long to wait for a fresh answer first, 0 = not at all.
    """

    max_stale_seconds: float = 86400.0
    ttl: int = 30
    client_timeout: float = 0.0


@frozen
class AnswerCache:
    """Answer from *store*, else resolve *below* and store the answer.

    *clock*: monotonic seconds. *wall*: Unix seconds. *call_later*: ``IReactorTime.callLater``. *refreshing*: keys of
    entries that are being refreshed.
    """

    below: Resolver
    key: Callable[[Query], CacheKey] = field(kw_only=True, repr=False)
    store: AnswerStore = field(kw_only=True, repr=False)
    stale: StalePolicy = field(kw_only=True, repr=False)
    clock: Callable[[], float] = field(kw_only=True, repr=False)
    wall: Callable[[], float] = field(kw_only=True, repr=False)
    call_later: Callable[[float, Callable[[], object]], DelayedCall] = field(kw_only=True, repr=False)
    _refreshing: set[Hashable] = field(kw_only=True, factory=set, repr=False)

    async def resolve(self, query: Query) -> Answer:
        """The answer. Raises ResolveError if there is not even a stale one."""
        key, now = self.key(query), self.clock()
        entry = self.store.find(key)
        if entry is None or now >= max(entry.expires, self._stale_until(query, entry, now)):
            self.store.counts["miss"] += 1
            generation = self.store.generation  # _resolve_and_store, without its coroutine
            return self.store.store(key, await self.below.resolve(query), self.clock(), generation)
        left = entry.expires - now
        if left > 0:
            self.store.counts["hit"] += 1
            entry.hits += 1
            if entry.hits >= MIN_PREFETCH_HITS and left <= PREFETCH_TTL_FRACTION * entry.answer.ttl:
                self._start_refresh(query, key, entry, now)
            return entry.answer
        return await self._resolve_stale(query, key, entry, now)

    async def _resolve_and_store(self, query: Query, key: CacheKey) -> Answer:
        """The answer from below, stored."""
        generation = self.store.generation
        return self.store.store(key, await self.below.resolve(query), self.clock(), generation)

    async def _resolve_stale(self, query: Query, key: CacheKey, entry: CacheEntry, now: float) -> Answer:
        if not self.stale.client_timeout:
            self._start_refresh(query, key, entry, now)
        elif now >= entry.retry_at and (fresh := await self._wait_for_fresh(query, key, entry)) is not None:
            return fresh
        self.store.counts["stale"] += 1
        answer, left = entry.answer, int(self._stale_until(query, entry, now) - now)
        ede = Ede(EDE_STALE_NXDOMAIN if answer.rcode == NXDOMAIN else EDE_STALE_ANSWER)
        body = set_ttls(answer, min(self.stale.ttl, left))
        return evolve(answer, body=body, ttl=0, stored_at=None, edes=(*answer.edes, ede))

    async def _wait_for_fresh(self, query: Query, key: CacheKey, entry: CacheEntry) -> Answer | None:
        """The new answer if it comes in time; otherwise the refresh continues after this query."""
        waiter: Deferred[Answer | None] = Deferred()

        def finish(answer: Answer | None) -> None:
            if not waiter.called:
                waiter.callback(answer)

        timer = self.call_later(self.stale.client_timeout, lambda: finish(None))
        Deferred.fromCoroutine(self._try_refresh(query, key, entry)).addCallback(finish)
        try:
            return await waiter
        finally:
            if timer.active():
                timer.cancel()

    def _start_refresh(self, query: Query, key: CacheKey, entry: CacheEntry, now: float) -> None:
        """Refresh behind the answer, once for a key at a time."""
        if key in self._refreshing or now < entry.retry_at or len(self._refreshing) >= MAX_REFRESHES:
            return
        self.store.counts["refresh"] += 1
        self._refreshing.add(key)
        renewing = Deferred.fromCoroutine(self._try_refresh(query, key, entry))
        renewing.addCallback(lambda _: self._refreshing.discard(key))

    async def _try_refresh(self, query: Query, key: CacheKey, entry: CacheEntry) -> Answer | None:
        """The new answer, stored; None if there is none, and then *entry* stays. Raises nothing."""
        try:
            return await self._resolve_and_store(query, key)
        except Exception as error:
            if isinstance(error, OverloadedError | CancelledError):
                pass  # says nothing about the upstream: the next query tries again
            elif isinstance(error, ResolveError):
                entry.retry_at = self.clock() + FAILURE_RECHECK_SECONDS
            else:
                _log.failure("refresh of {qname!r} type {qtype}", qname=query.qname, qtype=query.qtype)
            drop_tracebacks(error)
        return None

    def _stale_until(self, query: Query, entry: CacheEntry, now: float) -> float:
        """Monotonic time up to which *entry* may be given: never longer than its signatures hold."""
        if now < entry.expires:
            return entry.expires
        if entry.stale_until is None:
            signed = find_signature_lifetime(query, entry.answer, self.wall())
            last = entry.expires + self.stale.max_stale_seconds
            entry.stale_until = last if signed is None else min(last, now + signed)
        return entry.stale_until


def find_signature_lifetime(query: Query, answer: Answer, wall: float) -> float | None:
    """Seconds from *wall* (Unix time) until the first RRSIG that *answer* has, or was validated by, expires.

    None without one, negative if it has expired.
    """
    if answer.proof is not None and answer.proof.expires_at is not None:
        return answer.proof.expires_at - wall
    if not query.dnssec_ok and query.qtype not in (RRSIG, ANY):
        return None
    message = bytes(HEADER_STRUCT.size) + query.question + answer.body
    left = [
        rdata_layout.subtract_serials(rdata_layout.read_expiration(message, record.rdata_at), int(wall))
        for record in records(message, HEADER_STRUCT.size + len(query.question), answer.counts())
        if record.rdtype == RRSIG
    ]
    return min(left, default=None)
