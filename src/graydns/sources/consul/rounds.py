"""Rounds: asking for many services and nodes, several at once, no more often than it is of use.

What is known to have changed is asked for at once. What only may have is as well, but after a round that found nothing
changed the next one of that kind waits twice as long: services that come and go elsewhere cost ever less, and the first
registration after a quiet time is seen as soon as any.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

from graydns.runtime.timing import Clock
from graydns.sources.consul.kept import Kept, Key

#: Seconds at least between two rounds through what has changed. A long round is followed by as long a rest.
ROUND = 0.25

#: Requests of a round that are under way at once.
ABREAST = 16

#: Seconds at most between two rounds through what may have changed, and the part of *stale_after* that it is at most.
LONGEST, LONGEST_PART = 8.0, 0.2


@define(eq=False)
class Rounds:
    """*members*: who may have to be asked for. *ask*: asks for one; whether Consul can be reached. *run*: starts work
    that ends by itself. *stale_after*: seconds until what is not asked for is stale."""

    clock: Clock = field(repr=False)
    members: Mapping[Key, Kept] = field(repr=False)
    ask: Callable[[Kept], Coroutine[Deferred[Any], Any, bool]] = field(repr=False)
    run: Callable[[Coroutine[Deferred[Any], Any, None]], None] = field(repr=False)
    stale_after: float
    _timer: Any = field(init=False, default=None, repr=False)
    _due: float = field(init=False, default=0.0, repr=False)
    _abreast: int = field(init=False, default=0, repr=False)
    _rests_until: float = field(init=False, default=0.0, repr=False)
    #: Of rounds through what may have changed: until when there is none, and how long that rest is.
    _guesses_at: float = field(init=False, default=0.0, repr=False)
    _pace: float = field(init=False, default=ROUND, repr=False)
    _guessing: bool = field(init=False, default=False, repr=False)
    _lucky: bool = field(init=False, default=False, repr=False)

    def see_to(self) -> None:
        """Begin a round soon if anything has to be asked."""
        if self._abreast:
            return
        now = self.clock.seconds()
        if any(self._changed()):
            due = max(now, self._rests_until)
        elif any(self._unsure()):
            due = max(now, self._rests_until, self._guesses_at)
        else:
            return
        if self._timer is not None:
            if self._due <= due:
                return
            self._timer.cancel()
        self._due, self._timer = due, self.clock.callLater(due - now, self._begin)

    def stop(self) -> None:
        """Begin no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _changed(self) -> Iterator[Kept]:
        return (kept for kept in self.members.values() if not kept.settled and not kept.asking)

    def _unsure(self) -> Iterator[Kept]:
        return (kept for kept in self.members.values() if kept.unsure and kept.settled and not kept.asking)

    def _begin(self) -> None:
        self._timer, self._abreast, now = None, ABREAST, self.clock.seconds()
        asked = list(self._changed())
        self._guessing, self._lucky = now >= self._guesses_at, False
        if self._guessing:
            if now >= self._guesses_at + self._pace:
                self._pace = ROUND  # it was quiet meanwhile
            guesses = sorted(self._unsure(), key=lambda kept: not kept.asked)  # first those that clients ask for
            self._guessing = bool(guesses)
            asked += guesses
        left = iter(asked)
        for _ in range(ABREAST):
            self.run(self._go_through(left, now))

    async def _go_through(self, left: Iterator[Kept], began: float) -> None:
        """Ask for what is *left*; if Consul cannot be reached, another second may do better."""
        reached = True
        try:
            while reached and (kept := next(left, None)) is not None:
                if kept.settled and not kept.unsure:
                    continue
                guessed, before = kept.settled, kept.view
                reached = await self.ask(kept)
                self._lucky = self._lucky or (guessed and kept.view is not before)
        finally:
            self._abreast -= 1
            if not self._abreast:
                self._rest(began)
        if reached:
            self.see_to()

    def _rest(self, began: float) -> None:
        now = self.clock.seconds()
        self._rests_until = now + max(ROUND, now - began)
        if self._guessing:
            longest = min(LONGEST, LONGEST_PART * self.stale_after)
            self._pace = ROUND if self._lucky else max(ROUND, min(longest, 2 * self._pace))
            self._guesses_at = now + max(self._pace, now - began)
