"""Failures: what could not be resolved lately, so that a dead upstream is not asked by every query (RFC 9520)."""

from __future__ import annotations

from collections import OrderedDict

from attrs import define, evolve, field

from graydns.model.errors import UpstreamError
from graydns.resolve.key import Key

#: Seconds for which a failure is remembered; RFC 9520 section 3.2 has 1 second at least and 5 minutes at most.
REMEMBERED_FOR = 5.0

#: Failures remembered at once.
MOST = 4096


@define(eq=False)
class Failures:
    """Failures by the raw key of their question, each until a monotonic time; outlives reloads."""

    _known: OrderedDict[Key, tuple[UpstreamError, float]] = field(init=False, factory=OrderedDict, repr=False)

    def add(self, key: Key, error: UpstreamError, now: float) -> None:
        """Remember *error*, without the frames that its traceback holds."""
        self._known[key] = evolve(error), now + REMEMBERED_FOR
        self._known.move_to_end(key)
        if len(self._known) > MOST:
            self._known.popitem(last=False)

    def find(self, key: Key, now: float) -> UpstreamError | None:
        """A fresh copy of what *key* failed with, None if it may be tried."""
        known = self._known.get(key) if self._known else None
        if known is None:
            return None
        error, until = known
        if now < until:
            return evolve(error)
        del self._known[key]
        return None

    def flush(self, name: bytes | None = None, partition: str | None = None) -> None:
        """Forget those of *name* (wire form) and *partition*, None = any."""
        for key in [key for key in self._known if name in (None, key.qname) and partition in (None, key.partition)]:
            del self._known[key]
