"""How often a watch may ask. No clock: time, in seconds, is an argument."""

from __future__ import annotations

from attrs import define, field


@define
class Bucket:
    """Tokens for queries: *burst* at most, and another one each *interval* seconds."""

    burst: int
    interval: float
    _full_at: float = field(default=float("-inf"), init=False)

    def take(self, now: float) -> float:
        """Take a token; seconds until it is there."""
        full_at = max(self._full_at, now) + self.interval
        self._full_at = full_at
        return max(0.0, full_at - now - self.burst * self.interval)


@define
class Backoff:
    """Pauses after errors: twice as long each time, from *first* to *longest*, up to half of it left out by lot."""

    first: float
    longest: float
    _errors: int = field(default=0, init=False)

    def pause(self, lot: float) -> float:
        """Seconds to wait after another error; *lot* is from 0 to 1."""
        whole = min(self.longest, self.first * 2.0 ** min(self._errors, 32))
        self._errors += 1
        return whole * (1 + lot) / 2

    def reset(self) -> None:
        """It went well."""
        self._errors = 0
