"""A token bucket: so many events a second, and a second's worth at once. Pure: time is an argument."""

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
