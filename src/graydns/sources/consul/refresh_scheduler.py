"""Rounds: asking for many services and nodes, several at once, no more often than it is of use.

What is known to have changed is asked for at once. What only may have is as well, but after a round that found nothing
changed the next one of that kind waits twice as long: services that come and go elsewhere cost ever less, and the first
registration after a quiet time is seen as soon as any.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

from graydns.runtime.timing import Clock
from graydns.sources.consul.catalog_file import CatalogEntry, CatalogKey

#: Seconds at least between two rounds through what has changed. A long round is followed by as long a rest.
MIN_ROUND_INTERVAL_SECONDS = 0.25

#: Requests of a round that are under way at once.
MAX_CONCURRENT_QUERIES = 16

#: Seconds at most between two rounds through what may have changed, and the part of *stale_after* that it is at most.
MAX_ROUND_INTERVAL_SECONDS, MAX_ROUND_INTERVAL_RATIO = 8.0, 0.2


@define(eq=False)
class RefreshScheduler:
    """Queries entries without a watch of their own, in rounds.

    *members*: entries that may have to be queried. *query*: queries one; returns whether Consul could be reached.
    *run*: starts work that ends by itself. *stale_after*: seconds after which an entry that was not queried is stale.
    """

    clock: Clock = field(repr=False)
    members: Mapping[CatalogKey, CatalogEntry] = field(repr=False)
    query: Callable[[CatalogEntry], Coroutine[Deferred[Any], Any, bool]] = field(repr=False)
    run: Callable[[Coroutine[Deferred[Any], Any, None]], None] = field(repr=False)
    stale_after: float
    _timer: Any = field(init=False, default=None, repr=False)
    _due: float = field(init=False, default=0.0, repr=False)
    _active_workers: int = field(init=False, default=0, repr=False)
    _next_round_at: float = field(init=False, default=0.0, repr=False)
    #: Of rounds through what may have changed: until when there is none, and how long that rest is.
    _next_probe_at: float = field(init=False, default=0.0, repr=False)
    _probe_interval: float = field(init=False, default=MIN_ROUND_INTERVAL_SECONDS, repr=False)
    _is_probing: bool = field(init=False, default=False, repr=False)
    _probe_found_change: bool = field(init=False, default=False, repr=False)

    def schedule(self) -> None:
        """Begin a round soon if anything has to be asked."""
        if self._active_workers:
            return
        now = self.clock.seconds()
        if any(self._changed_entries()):
            due = max(now, self._next_round_at)
        elif any(self._probe_candidates()):
            due = max(now, self._next_round_at, self._next_probe_at)
        else:
            return
        if self._timer is not None:
            if self._due <= due:
                return
            self._timer.cancel()
        self._due, self._timer = due, self.clock.callLater(due - now, self._start_round)

    def stop(self) -> None:
        """Begin no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _changed_entries(self) -> Iterator[CatalogEntry]:
        return (kept for kept in self.members.values() if not kept.is_current and not kept.is_polling)

    def _probe_candidates(self) -> Iterator[CatalogEntry]:
        return (
            kept for kept in self.members.values() if kept.may_have_changed and kept.is_current and not kept.is_polling
        )

    def _start_round(self) -> None:
        self._timer, self._active_workers, now = None, MAX_CONCURRENT_QUERIES, self.clock.seconds()
        asked = list(self._changed_entries())
        self._is_probing, self._probe_found_change = now >= self._next_probe_at, False
        if self._is_probing:
            if now >= self._next_probe_at + self._probe_interval:
                self._probe_interval = MIN_ROUND_INTERVAL_SECONDS  # it was quiet meanwhile
            # first those that clients ask for
            guesses = sorted(self._probe_candidates(), key=lambda kept: not kept.recently_used)
            self._is_probing = bool(guesses)
            asked += guesses
        left = iter(asked)
        for _ in range(MAX_CONCURRENT_QUERIES):
            self.run(self._query_remaining(left, now))

    async def _query_remaining(self, left: Iterator[CatalogEntry], began: float) -> None:
        """Ask for what is *left*; if Consul cannot be reached, another second may do better."""
        reached = True
        try:
            while reached and (kept := next(left, None)) is not None:
                if kept.is_current and not kept.may_have_changed:
                    continue
                guessed, before = kept.is_current, kept.view
                reached = await self.query(kept)
                self._probe_found_change = self._probe_found_change or (guessed and kept.view is not before)
        finally:
            self._active_workers -= 1
            if not self._active_workers:
                self._end_round(began)
        if reached:
            self.schedule()

    def _end_round(self, began: float) -> None:
        now = self.clock.seconds()
        self._next_round_at = now + max(MIN_ROUND_INTERVAL_SECONDS, now - began)
        if self._is_probing:
            longest = min(MAX_ROUND_INTERVAL_SECONDS, MAX_ROUND_INTERVAL_RATIO * self.stale_after)
            self._probe_interval = (
                MIN_ROUND_INTERVAL_SECONDS
                if self._probe_found_change
                else max(MIN_ROUND_INTERVAL_SECONDS, min(longest, 2 * self._probe_interval))
            )
            self._next_probe_at = now + max(self._probe_interval, now - began)
