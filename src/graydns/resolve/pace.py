"""Pace: lets other queries through while many are judged."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

#: Seconds of work in one turn of the reactor, after which what is left of it waits for the next one.
MOST = 0.005


@define(eq=False)
class Pace:
    """Whoever has work to do asks first; each piece of it is short. *clock*: monotonic seconds."""

    _reactor: Any = field(repr=False)
    _clock: Callable[[], float] = field(repr=False)
    #: When the first piece of this turn began.
    _began: float | None = field(init=False, default=None)
    _waiting: deque[Deferred[None]] = field(init=False, factory=deque, repr=False)

    async def pause(self) -> None:
        """Wait for another turn, if there has been enough work in this one."""
        now = self._clock()
        if self._began is None:
            self._began = now
            self._reactor.callLater(0, self._go_on)
        elif self._waiting or now - self._began >= MOST:
            turn: Deferred[None] = Deferred()
            self._waiting.append(turn)
            await turn

    def _go_on(self) -> None:
        if not self._waiting:
            self._began = None
            return
        self._began = self._clock()
        self._reactor.callLater(0, self._go_on)
        while self._waiting and self._clock() - self._began < MOST:
            turn = self._waiting.popleft()
            if not turn.called:  # cancelled
                turn.callback(None)
