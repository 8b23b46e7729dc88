"""RawCache: what upstreams said, whoever asked; also where the validator gets its material."""

from __future__ import annotations

from collections.abc import Callable

from attrs import field, frozen

from graydns.model.answer import Answer
from graydns.model.errors import UpstreamError
from graydns.model.query import Query
from graydns.resolve.failures import Failures
from graydns.resolve.key import Key
from graydns.resolve.link import Resolver
from graydns.resolve.store import Entry, Store

#: The last part of a TTL, in which the entry is asked for anew: so the refresh that the cache above begins in the same
#: part of its own entry gets through, and no flag needs to tell it from other queries.
LAST_PART = 0.1


@frozen
class RawCache:
    """Answer from *store* while an entry is fresh, else ask *below* and keep what it says, failures for a moment too.

    *clock*: monotonic seconds.
    """

    below: Resolver
    key: Callable[[Query], Key] = field(kw_only=True, repr=False)
    store: Store = field(kw_only=True, repr=False)
    failures: Failures = field(kw_only=True, repr=False)
    clock: Callable[[], float] = field(kw_only=True, repr=False)

    async def resolve(self, query: Query) -> Answer:
        """The answer. Raises UpstreamError, for a moment also without asking again."""
        key, now = self.key(query), self.clock()
        entry = self.store.find(key)
        if entry is not None and now < entry.expires - LAST_PART * entry.answer.ttl:
            self.store.counts["raw hit"] += 1
            return entry.answer
        self.store.counts["raw miss"] += 1
        failure = self.failures.find(key, now)
        if failure is None:
            try:
                return self.store.keep(key, await self.below.resolve(query), self.clock())
            except UpstreamError as error:
                self.failures.add(key, error, self.clock())
                failure = error
        else:
            self.store.counts["raw failure hit"] += 1
        if entry is not None and self._holds(entry):
            return entry.answer
        raise failure

    def _holds(self, entry: Entry) -> bool:
        return self.clock() < entry.expires and self.store.current(entry.answer.origin)
