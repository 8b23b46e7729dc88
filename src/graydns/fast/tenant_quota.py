"""Quota: how much of the machine a tenant with isolation level ``compute`` may take."""

from __future__ import annotations

from attrs import define, field


@define(eq=False)
class TenantQuota:
    """A tenant's queries per second (*rate*, None = any) and in the pipeline (*most*, None = any); outlives reloads.

    A second's worth may come at once. *refused*: queries that were too many.
    """

    rate: int | None = None
    max_in_flight: int | None = None
    refused: int = field(init=False, default=0)
    _tokens: float = field(init=False, default=0.0)
    _refilled_at: float = field(init=False, default=float("-inf"))
    _in_flight: int = field(init=False, default=0)

    def configure(self, rate: int | None, max_in_flight: int | None) -> None:
        """Set the limits; what has been used of them is kept."""
        self.rate, self.max_in_flight = rate, max_in_flight

    def try_consume(self, now: float) -> bool:
        """Whether one more query may be answered at *now* (monotonic seconds); it counts if so."""
        rate = self.rate
        if rate is None:
            return True
        left = min(float(rate), self._tokens + (now - self._refilled_at) * rate)
        self._refilled_at = now
        if left < 1.0:
            self._tokens = left
            return False
        self._tokens = left - 1.0
        return True

    def try_acquire(self) -> bool:
        """Whether one more may go through the pipeline; it counts, until :meth:`leave`, if so."""
        if self.max_in_flight is not None and self._in_flight >= self.max_in_flight:
            return False
        self._in_flight += 1
        return True

    def release(self) -> None:
        """One has gone through."""
        self._in_flight -= 1
