"""Pace: lets other queries through while many are judged."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

#: Seconds of one judgement after the other after which the reactor has a turn.
MOST = 0.005

#: Seconds between two of them after which they are not one after the other.
GAP = 0.003


@define(eq=False)
class Pace:
    """Whoever has work to do asks first; the work itself is short. *clock*: monotonic seconds."""

    _reactor: Any = field(repr=False)
    _clock: Callable[[], float] = field(repr=False)
    _began: float = field(init=False, default=0.0)
    _last: float = field(init=False, default=0.0)
    _waiting: deque[Deferred[None]] = field(init=False, factory=deque, repr=False)

    async def pause(self) -> None:
        """Wait for a turn, if there has been work for so long that others had none."""
        now = self._clock()
        if now - self._last > GAP:
            self._began = now
        self._last = now
        if not self._waiting and now - self._began < MOST:
            return
        if not self._waiting:
            self._reactor.callLater(0, self._go_on)
        turn: Deferred[None] = Deferred()
        self._waiting.append(turn)
        await turn

    def _go_on(self) -> None:
        self._began = self._last = self._clock()
        while self._waiting and self._clock() - self._began < MOST:
            turn = self._waiting.popleft()
            if not turn.called:  # cancelled
                turn.callback(None)
        self._last = self._clock()
        if self._waiting:
            self._reactor.callLater(0, self._go_on)
