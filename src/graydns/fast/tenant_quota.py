"""The quota of a tenant with isolation level ``compute``: how much of the machine its queries may use."""

from __future__ import annotations

from attrs import define, field

from graydns.runtime.token_bucket import TokenBucket


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
