"""Failures: what could not be resolved lately, so that what is dead or bogus is not tried by every query (RFC 9520)."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from attrs import define, evolve, field

from graydns.model.errors import ResolveError
from graydns.resolve.key import Key

#: Seconds for which a failure is remembered; RFC 9520 section 3.2 has 1 second at least and 5 minutes at most.
REMEMBERED_FOR, AT_MOST = 5.0, 300.0

#: Failures remembered at once.
MOST = 4096


class _Failure(NamedTuple):
    error: ResolveError
    since: float
    until: float
    wait: float


@define(eq=False)
class Failures:
    """Failures by the key of their question, each until a monotonic time; outlives reloads.

    *growth*: by how much longer the next failure of the same question is remembered, if it comes soon after.
    """

    growth: float = 1.0
    _known: OrderedDict[Key, _Failure] = field(init=False, factory=OrderedDict, repr=False)

    @property
    def size(self) -> int:
        """How many are remembered, those that may be tried again included."""
        return len(self._known)

    def add(self, key: Key, error: ResolveError, now: float) -> None:
        """Remember *error*, without the frames that its traceback holds."""
        before = self._known.get(key)
        wait = REMEMBERED_FOR
        if before is not None and now < before.until + before.wait:
            wait = min(before.wait * self.growth, AT_MOST)
        self._known[key] = _Failure(evolve(error), now, now + wait, wait)
        self._known.move_to_end(key)
        if len(self._known) > MOST:
            self._known.popitem(last=False)

    def find(self, key: Key, now: float) -> ResolveError | None:
        """A fresh copy of what *key* failed with, and since when, None if it may be tried."""
        known = self._known.get(key) if self._known else None
        if known is None or now >= known.until:
            return None
        return evolve(known.error, since=known.since)

    def flush(self, name: bytes | None = None, partition: str | None = None) -> None:
        """Forget those of *name* (wire form) and *partition*, None = any."""
        for key in [key for key in self._known if name in (None, key.qname) and partition in (None, key.partition)]:
            del self._known[key]
