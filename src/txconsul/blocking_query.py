"""What a watch asks for next: Consul's rules for blocking queries, and what was measured beyond them. No I/O.

How often a watch may ask. No clock: time, in seconds, is an argument.
"""

from __future__ import annotations

from collections.abc import Hashable
from hashlib import blake2b

from attrs import define, field

from txconsul.reply import ConsulReply


@define
class BlockingQueryIndex:
    """The *index* to go on from; None = ask without one, which is answered at once.

    An index that is ahead of Consul's is not noticed there: the query sleeps out its whole wait, whatever changes. So
    whenever there may be another Consul than before, or another state in it, the next query has none: after any error,
    when the index went backwards, and when a held query came back early with the index that it was sent with (the
    agent is being stopped, or a snapshot was restored).
    """

    index: int | None = field(default=None, init=False)
    _data_digest: Hashable = field(default=None, init=False)

    def update(self, reply: ConsulReply, index: int, early: bool) -> bool:
        """Whether *reply*, with *index*, has other data than the last one; *early*: it came before the wait was up."""
        before = self.index
        lost = before is not None and (index < before or (index == before and early))
        self.index = None if lost else max(1, index)
        told = (reply.status, reply.filtered, blake2b(reply.body, digest_size=16).digest())
        changed, self._data_digest = told != self._data_digest, told
        return changed

    def reset(self) -> None:
        """An error: nothing is known of who answers next. The data that was told stays told."""
        self.index = None


@define
class QueryTokenBucket:
    """Tokens for queries: *burst* at most, and another one each *interval* seconds."""

    burst: int
    interval: float
    _empty_until: float = field(default=float("-inf"), init=False)

    def take(self, now: float) -> float:
        """Take a token; seconds until it is there."""
        full_at = max(self._empty_until, now) + self.interval
        self._empty_until = full_at
        return max(0.0, full_at - now - self.burst * self.interval)


@define
class QueryBackoff:
    """Pauses after errors: twice as long each time, from *first* to *longest*, up to half of it left out by lot."""

    min_seconds: float
    max_seconds: float
    _errors: int = field(default=0, init=False)

    def next_pause(self, lot: float) -> float:
        """Seconds to wait after another error; *lot* is from 0 to 1."""
        whole = min(self.max_seconds, self.min_seconds * 2.0 ** min(self._errors, 32))
        self._errors += 1
        return whole * (1 + lot) / 2

    def reset(self) -> None:
        """It went well."""
        self._errors = 0
