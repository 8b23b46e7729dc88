"""Turns: calls of all clients, one for each turn of the reactor, so that queries are answered between any two."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from attrs import define, field


@define(eq=False)
class Turns:
    """A queue; who puts something in bounds it."""

    reactor: Any = field(repr=False)
    _waiting: deque[Callable[[], object]] = field(init=False, factory=deque)

    def put(self, call: Callable[[], object]) -> None:
        """Let *call*, which raises nothing, have a turn."""
        self._waiting.append(call)
        if len(self._waiting) == 1:
            self.reactor.callLater(0, self._run)

    def _run(self) -> None:
        self._waiting[0]()
        self._waiting.popleft()
        if self._waiting:
            self.reactor.callLater(0, self._run)
