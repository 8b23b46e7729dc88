"""RawCache: answers of upstreams, for all clients; the validator gets its records here.

Failures: what could not be resolved lately, so that what is dead or bogus is not tried by every query (RFC 9520).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from attrs import define, evolve, field, frozen

from graydns.model.answer import Answer
from graydns.model.errors import ResolveError, UpstreamError
from graydns.model.query import Query
from graydns.resolve.cache.cache_keys import CacheKey
from graydns.resolve.cache.store import AnswerStore, CacheEntry
from graydns.resolve.link import Resolver

#: The last part of a TTL, in which the entry is queried again: so the refresh that the cache above begins in the same
#: part of its own entry gets through, and no flag needs to tell it from other queries.
PREFETCH_TTL_FRACTION = 0.1


@frozen
class RawCache:
    """Answer from *store* while an entry is fresh, else ask *below* and keep what it says, failures for a moment too.

    *clock*: monotonic seconds.
    """

    below: Resolver
    key: Callable[[Query], CacheKey] = field(kw_only=True, repr=False)
    store: AnswerStore = field(kw_only=True, repr=False)
    failure_cache: FailureCache = field(kw_only=True, repr=False)
    clock: Callable[[], float] = field(kw_only=True, repr=False)

    async def resolve(self, query: Query) -> Answer:
        """The answer. Raises UpstreamError, for a moment also without asking again."""
        key, now = self.key(query), self.clock()
        entry = self.store.find(key)
        if entry is not None and now < entry.expires - PREFETCH_TTL_FRACTION * entry.answer.ttl:
            self.store.counts["raw hit"] += 1
            return entry.answer
        self.store.counts["raw miss"] += 1
        failure = self.failure_cache.find(key, now)
        if failure is None:
            try:
                return self.store.store(key, await self.below.resolve(query), self.clock())
            except UpstreamError as error:
                self.failure_cache.add(key, error, self.clock())
                failure = error
        else:
            self.store.counts["raw failure hit"] += 1
        if entry is not None and self._is_valid(entry):
            return entry.answer
        raise failure

    def _is_valid(self, entry: CacheEntry) -> bool:
        return self.clock() < entry.expires and self.store.is_current_origin(entry.answer.origin)


#: Seconds for which a failure is remembered; RFC 9520 section 3.2 has 1 second at least and 5 minutes at most.
MIN_FAILURE_TTL_SECONDS, MAX_FAILURE_TTL_SECONDS = 5.0, 300.0

#: Failures remembered at once.
MAX_FAILURES = 4096


class _CachedFailure(NamedTuple):
    error: ResolveError
    since: float
    until: float
    wait: float


@define(eq=False)
class FailureCache:
    """Failures by the key of their question, each until a monotonic time; outlives reloads.

    *backoff_factor*: by how much longer the next failure of the same question is remembered, if it comes soon after.
    """

    backoff_factor: float = 1.0
    _failures: OrderedDict[CacheKey, _CachedFailure] = field(init=False, factory=OrderedDict, repr=False)

    @property
    def size(self) -> int:
        """How many are remembered, those that may be tried again included."""
        return len(self._failures)

    def add(self, key: CacheKey, error: ResolveError, now: float) -> None:
        """Remember *error*, without the frames that its traceback holds."""
        before = self._failures.get(key)
        wait = MIN_FAILURE_TTL_SECONDS
        if before is not None and now < before.until + before.wait:
            wait = min(before.wait * self.backoff_factor, MAX_FAILURE_TTL_SECONDS)
        self._failures[key] = _CachedFailure(evolve(error), now, now + wait, wait)
        self._failures.move_to_end(key)
        if len(self._failures) > MAX_FAILURES:
            self._failures.popitem(last=False)

    def find(self, key: CacheKey, now: float) -> ResolveError | None:
        """A fresh copy of what *key* failed with, and since when, None if it may be tried."""
        known = self._failures.get(key) if self._failures else None
        if known is None or now >= known.until:
            return None
        return evolve(known.error, since=known.since)

    def flush(self, name: bytes | None = None, partition: str | None = None) -> None:
        """Forget those of *name* (wire form) and *partition*, None = any."""
        for key in [key for key in self._failures if name in (None, key.qname) and partition in (None, key.partition)]:
            del self._failures[key]
