"""A token bucket: so many events a second, and a second's worth at once. Pure: time is an argument.

TenantQuota is that of a tenant with isolation level ``compute``, which also limits queries in the pipeline.
"""

from __future__ import annotations

from attrs import define, field


@define(eq=False)
class TokenBucket:
    """*rate*: events a second, which is also the burst; None = any number. It starts full."""

    rate: float | None = None
    _tokens: float = field(init=False, default=0.0)
    _refilled_at: float = field(init=False, default=float("-inf"))

    def try_consume(self, now: float) -> bool:
        """Whether one more event may happen at *now* (monotonic seconds); it counts if so."""
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

    def has_token(self, now: float) -> bool:
        """Whether :meth:`try_consume` would be true at *now*."""
        return self.rate is None or min(float(self.rate), self._tokens + (now - self._refilled_at) * self.rate) >= 1.0


@define(eq=False)
class TenantQuota(TokenBucket):
    """Queries per second (*rate*, None = any number) and in the pipeline (*max_in_flight*, None = any number).

    It outlives reloads. *refused*: queries over the limit.
    """

    max_in_flight: int | None = None
    refused: int = field(init=False, default=0)
    _in_flight: int = field(init=False, default=0)

    def configure(self, rate: int | None, max_in_flight: int | None) -> None:
        """Set the limits; what has been used of them is kept."""
        self.rate, self.max_in_flight = rate, max_in_flight

    def try_acquire(self) -> bool:
        """Whether one more query may enter the pipeline; it counts until :meth:`release`."""
        if self.max_in_flight is not None and self._in_flight >= self.max_in_flight:
            return False
        self._in_flight += 1
        return True

    def release(self) -> None:
        """A query has left the pipeline."""
        self._in_flight -= 1
