"""Gate: how soon a wrong password may be followed by another try. Pure; time is an argument, in seconds."""

from __future__ import annotations

from collections import OrderedDict

from attrs import define, field, frozen


@frozen
class BackoffPolicy:
    """*free* wrong tries cost nothing; each one more doubles the wait from 1 s up to *most*; one is forgiven every
    *forgive* seconds.
    """

    free_attempts: int
    max_wait: float
    forgive_interval: float = 60.0


@define
class LoginFailures:
    """Wrong tries, the *last* when; *settled*: until when they have been forgiven."""

    failures: int = 0
    last_failure: float = 0.0
    forgiven_until: float = 0.0

    def forgive(self, patience: BackoffPolicy, now: float) -> None:
        """Forgive what is due."""
        if forgiven := int(max(now - self.forgiven_until, 0.0) / patience.forgive_interval):
            self.failures = max(self.failures - forgiven, 0)
            self.forgiven_until += forgiven * patience.forgive_interval

    def record_failure(self, now: float) -> None:
        """One more."""
        self.forgiven_until = self.forgiven_until if self.failures else now
        self.failures += 1
        self.last_failure = now

    def compute_wait(self, patience: BackoffPolicy, now: float) -> float:
        """Seconds until the next try counts."""
        if self.failures < patience.free_attempts:
            return 0.0
        # The exponent is bounded because a float is.
        delay = min(2.0 ** min(self.failures - patience.free_attempts, 64), patience.max_wait)
        return max(self.last_failure + delay - now, 0.0)


@define(eq=False)
class LoginThrottle:
    """Counts tries by source and in all. A try counts as wrong from its start, so that many at once are many.

    *remembered*: sources; past that the one that was wrong longest ago is forgotten, the count of all stands.
    """

    per_source: BackoffPolicy = BackoffPolicy(free_attempts=3, max_wait=300.0)
    overall: BackoffPolicy = BackoffPolicy(free_attempts=20, max_wait=10.0, forgive_interval=6.0)
    max_sources: int = 1024
    _failures_by_source: OrderedDict[str, LoginFailures] = field(init=False, factory=OrderedDict)
    _overall_failures: LoginFailures = field(init=False, factory=LoginFailures)

    def __len__(self) -> int:
        return len(self._failures_by_source)

    def begin_attempt(self, source: str, now: float) -> float:
        """Begin a try: 0.0, or the seconds to wait, in which case it did not begin."""
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
        """The try was right after all: the source starts anew."""
        self._failures_by_source.pop(source, None)
        self._overall_failures.failures = max(self._overall_failures.failures - 1, 0)
