"""Quota: how much of the machine a tenant with isolation level ``compute`` may take."""

from __future__ import annotations

from attrs import define, field


@define(eq=False)
class Quota:
    """A tenant's queries per second (*rate*, None = any) and in the pipeline (*most*, None = any); outlives reloads.

    A second's worth may come at once. *refused*: queries that were too many.
    """

    rate: int | None = None
    most: int | None = None
    refused: int = field(init=False, default=0)
    _left: float = field(init=False, default=0.0)
    _at: float = field(init=False, default=float("-inf"))
    _running: int = field(init=False, default=0)

    def take(self, now: float) -> bool:
        """Whether one more query may be answered at *now* (monotonic seconds); it counts if so."""
        rate = self.rate
        if rate is None:
            return True
        left = min(float(rate), self._left + (now - self._at) * rate)
        self._at = now
        if left < 1.0:
            self._left = left
            return False
        self._left = left - 1.0
        return True

    def enter(self) -> bool:
        """Whether one more may go through the pipeline; it counts, until :meth:`leave`, if so."""
        if self.most is not None and self._running >= self.most:
            return False
        self._running += 1
        return True

    def leave(self) -> None:
        """One has gone through."""
        self._running -= 1
