"""LoginThrottle: the delay after wrong passwords. Times are arguments, in seconds."""

from __future__ import annotations

from collections import OrderedDict

from attrs import define, field, frozen


@frozen
class BackoffPolicy:
    """The first *free_attempts* failures cause no delay; each one more doubles it, from 1 s up to *max_wait* seconds.

    One failure is forgotten every *forgive_interval* seconds.
    """

    free_attempts: int
    max_wait: float
    forgive_interval: float = 60.0


@define
class LoginFailures:
    """Failures that are not forgotten yet. *forgiven_until*: the time up to which :meth:`forgive` has counted."""

    failures: int = 0
    last_failure: float = 0.0
    forgiven_until: float = 0.0

    def forgive(self, policy: BackoffPolicy, now: float) -> None:
        """Forget the failures whose time has come."""
        if forgiven := int(max(now - self.forgiven_until, 0.0) / policy.forgive_interval):
            self.failures = max(self.failures - forgiven, 0)
            self.forgiven_until += forgiven * policy.forgive_interval

    def record_failure(self, now: float) -> None:
        """Count one more failure."""
        self.forgiven_until = self.forgiven_until if self.failures else now
        self.failures += 1
        self.last_failure = now

    def compute_wait(self, policy: BackoffPolicy, now: float) -> float:
        """Seconds until the next attempt is allowed."""
        if self.failures < policy.free_attempts:
            return 0.0
        # A float overflows at 2 ** 1024.
        delay = min(2.0 ** min(self.failures - policy.free_attempts, 64), policy.max_wait)
        return max(self.last_failure + delay - now, 0.0)


@define(eq=False)
class LoginThrottle:
    """Counts failed logins for each source and overall. An attempt counts as failed until it succeeds, so that attempts
    at the same time are all counted.

    *max_sources*: sources that are counted; past that the one that failed longest ago is dropped. The overall count
    still contains its failures.
    """

    per_source: BackoffPolicy = BackoffPolicy(free_attempts=3, max_wait=300.0)
    overall: BackoffPolicy = BackoffPolicy(free_attempts=20, max_wait=10.0, forgive_interval=6.0)
    max_sources: int = 1024
    _failures_by_source: OrderedDict[str, LoginFailures] = field(init=False, factory=OrderedDict)
    _overall_failures: LoginFailures = field(init=False, factory=LoginFailures)

    def __len__(self) -> int:
        return len(self._failures_by_source)

    def begin_attempt(self, source: str, now: float) -> float:
        """Count an attempt and return 0.0; or return the seconds to wait, and the attempt must not be made."""
        count = self._failures_by_source.get(source, LoginFailures())
        count.forgive(self.per_source, now)
        self._overall_failures.forgive(self.overall, now)
        wait = max(count.compute_wait(self.per_source, now), self._overall_failures.compute_wait(self.overall, now))
        if wait:
            return wait
        for each in (count, self._overall_failures):
            each.record_failure(now)
        self._failures_by_source[source] = count
        self._failures_by_source.move_to_end(source)
        if len(self._failures_by_source) > self.max_sources:
            self._failures_by_source.popitem(last=False)
        return 0.0

    def record_success(self, source: str) -> None:
        """Forget the failures of *source*, and the failure counted for this attempt overall."""
        self._failures_by_source.pop(source, None)
        self._overall_failures.failures = max(self._overall_failures.failures - 1, 0)
