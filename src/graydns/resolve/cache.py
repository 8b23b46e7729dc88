"""Cache: what clients of a cohort were told, given again while it is fresh and, if need be, a while longer.

::

    stored            0.9 · TTL             TTL                        TTL + stale.for
      ├─ given as it is ─┼─ given; asked anew ─┼─ given as stale (RFC 8767) ─┤
                         │  if often wanted    │  and asked anew behind it
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve, field, frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from graydns.model.answer import Answer, Ede
from graydns.model.errors import Overloaded, ResolveError
from graydns.model.query import Query
from graydns.model.rcode import NXDOMAIN
from graydns.resolve.key import Key
from graydns.resolve.link import Resolver
from graydns.resolve.rawcache import LAST_PART
from graydns.resolve.signatures import signed_for
from graydns.resolve.store import Entry, Store
from graydns.timing import Timer
from graydns.wire.body import with_ttl

#: Times that an answer must have been given for its refresh to be worth while before it expires.
WANTED = 3

#: Seconds for which a failed refresh is not tried again (RFC 8767 section 5 calls it the failure recheck timer).
RECHECK = 5.0

#: Refreshes behind answers at once; more wait for a later query.
MOST_REFRESHES = 1000

#: Info codes of RFC 8914.
STALE_ANSWER, STALE_NXDOMAIN = 3, 19

_log = Logger()


@frozen
class Stale:
    """*lasting*: seconds past its TTL for which an answer may be given, 0 = never. *ttl*: seconds, the TTL it then has.
    *client_timeout*: seconds for which a fresh one is waited for first, 0 = not at all."""

    lasting: float = 86400.0
    ttl: int = 30
    client_timeout: float = 0.0


@frozen
class Cache:
    """Answer from *store*, else ask *below* and keep what it says.

    *clock*: monotonic seconds, *wall*: Unix seconds, *later*: ``IReactorTime.callLater``.
    """

    below: Resolver
    key: Callable[[Query], Key] = field(kw_only=True, repr=False)
    store: Store = field(kw_only=True, repr=False)
    stale: Stale = field(kw_only=True, repr=False)
    clock: Callable[[], float] = field(kw_only=True, repr=False)
    wall: Callable[[], float] = field(kw_only=True, repr=False)
    later: Callable[[float, Callable[[], object]], Timer] = field(kw_only=True, repr=False)
    _refreshing: set[Key] = field(init=False, factory=set, repr=False)

    async def resolve(self, query: Query) -> Answer:
        """The answer. Raises ResolveError only where there is none that could be given as stale."""
        key, now = self.key(query), self.clock()
        entry = self.store.find(key)
        if entry is None or now >= max(entry.expires, self._stale_until(query, entry, now)):
            self.store.counts["miss"] += 1
            return await self._fresh(query, key)
        left = entry.expires - now
        if left > 0:
            self.store.counts["hit"] += 1
            entry.hits += 1
            if entry.hits >= WANTED and left <= LAST_PART * entry.answer.ttl:
                self._refresh(query, key, entry, now)
            return entry.answer
        return await self._resolve_stale(query, key, entry, now)

    async def _fresh(self, query: Query, key: Key) -> Answer:
        """What is below, kept."""
        era = self.store.era
        return self.store.keep(key, await self.below.resolve(query), self.clock(), era)

    async def _resolve_stale(self, query: Query, key: Key, entry: Entry, now: float) -> Answer:
        if not self.stale.client_timeout:
            self._refresh(query, key, entry, now)
        elif now >= entry.retry_at and (fresh := await self._wait_for_fresh(query, key, entry)) is not None:
            return fresh
        self.store.counts["stale"] += 1
        answer, left = entry.answer, int(self._stale_until(query, entry, now) - now)
        ede = Ede(STALE_NXDOMAIN if answer.rcode == NXDOMAIN else STALE_ANSWER)
        body = with_ttl(answer, min(self.stale.ttl, left))
        return evolve(answer, body=body, ttl=0, stored=None, edes=(*answer.edes, ede))

    async def _wait_for_fresh(self, query: Query, key: Key, entry: Entry) -> Answer | None:
        """The new answer if it comes in time; if not, it is still waited for, behind this query."""
        told: Deferred[Answer | None] = Deferred()

        def tell(answer: Answer | None) -> None:
            if not told.called:
                told.callback(answer)

        timer = self.later(self.stale.client_timeout, lambda: tell(None))
        Deferred.fromCoroutine(self._renew(query, key, entry)).addCallback(tell)
        try:
            return await told
        finally:
            if timer.active():
                timer.cancel()

    def _refresh(self, query: Query, key: Key, entry: Entry, now: float) -> None:
        """Ask anew behind the answer, once for a key at a time."""
        if key in self._refreshing or now < entry.retry_at or len(self._refreshing) >= MOST_REFRESHES:
            return
        self.store.counts["refresh"] += 1
        self._refreshing.add(key)
        renewing = Deferred.fromCoroutine(self._renew(query, key, entry))
        renewing.addCallback(lambda _: self._refreshing.discard(key))

    async def _renew(self, query: Query, key: Key, entry: Entry) -> Answer | None:
        """The new answer, kept; None if there is none, and then *entry* stays. Raises nothing."""
        try:
            return await self._fresh(query, key)
        except (Overloaded, CancelledError):
            pass  # no more than that this was no moment for it
        except ResolveError:
            entry.retry_at = self.clock() + RECHECK
        except Exception:
            _log.failure("refresh of {qname!r} type {qtype}", qname=query.qname, qtype=query.qtype)
        return None

    def _stale_until(self, query: Query, entry: Entry, now: float) -> float:
        """Monotonic time up to which *entry* may be given: never longer than its signatures hold."""
        if now < entry.expires:
            return entry.expires
        if entry.stale_until is None:
            signed = signed_for(query, entry.answer, self.wall())
            last = entry.expires + self.stale.lasting
            entry.stale_until = last if signed is None else min(last, now + signed)
        return entry.stale_until
