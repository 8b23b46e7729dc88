"""Seeking: names that Consul's lists do not have are asked for once, so many in a second, and forgotten again.

::

    denied(key) ── asked a moment ago, or too many were ──► there is no such thing
                └─ None ──► seek ──► one question ──► found: it is kept from now on
                                                  └─► nothing: remembered for a while

A list may be a moment behind, and a token may be shown less of it than of the service itself; but clients can make up
names without end, so none of them gets a watch, and what is remembered of them is little.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

from graydns.model.catalog import View
from graydns.runtime.slices import sleep
from graydns.runtime.timing import Clock
from graydns.sources.consul.kept import Kept, Key, is_there

#: Questions for names that no list has: so many a second, and at once.
RATE, BURST = 50.0, 50.0

#: Names that are remembered not to exist, and for how many seconds.
REMEMBERED, MEMORY = 1000, 10.0

#: Seconds between two attempts at a name that somebody waits for.
AGAIN = 0.1


@define(eq=False)
class Seeking:
    """*lists*: whether a list has it, None = that is not known. *ask*: asks once for what is sought; its view says what
    was told, None = nothing was. *found*: takes what is there, or what is in a list. *run*: starts work."""

    clock: Clock = field(repr=False)
    lists: Callable[[Key], bool | None] = field(repr=False)
    ask: Callable[[Kept], Coroutine[Deferred[Any], Any, bool]] = field(repr=False)
    found: Callable[[Kept], None] = field(repr=False)
    run: Callable[[Coroutine[Deferred[Any], Any, None]], None] = field(repr=False)
    sought: dict[Key, Kept] = field(init=False, factory=dict, repr=False)
    _denied: OrderedDict[Key, tuple[float, View]] = field(init=False, factory=OrderedDict, repr=False)
    _allowed: float = field(init=False, default=BURST, repr=False)
    _counted: float = field(init=False, default=0.0, repr=False)

    def denied(self, key: Key) -> View | None:
        """What says that there is no such thing; None = it has to be sought, as far as is known."""
        if self.lists(key):
            return None
        at, view = self._denied.get(key, (float("-inf"), None))
        if view is not None and self.clock.seconds() - at <= MEMORY:
            return view
        if not self._may_ask() and self.lists(key) is False:
            return Kept(key).nothing
        return None

    def seek(self, key: Key, told: Deferred[None]) -> Kept:
        """Look for it, as long as somebody waits; *told* is fired when that is done."""
        if (kept := self.sought.get(key)) is not None:
            kept.waiting.append(told)
            return kept
        kept = self.sought[key] = Kept(key, waiting=[told])
        self.run(self._seek(kept))
        return kept

    def deny(self, kept: Kept) -> None:
        """Remember that there is no such thing."""
        self._denied[kept.key] = self.clock.seconds(), kept.nothing
        self._denied.move_to_end(kept.key)
        if len(self._denied) > REMEMBERED:
            self._denied.popitem(last=False)

    async def _seek(self, kept: Kept) -> None:
        try:
            while kept.waiting and kept.view is None:
                if self.lists(kept.key):
                    break
                if self._may_ask():
                    self._allowed -= 1
                    await self.ask(kept)
                elif self.lists(kept.key) is False:
                    break
                if kept.view is None:
                    await sleep(self.clock, AGAIN)
        finally:
            self.sought.pop(kept.key, None)
        if is_there(kept.view) if kept.view is not None else self.lists(kept.key):
            self.found(kept)
            return
        if kept.view is not None:
            self.deny(kept)
        kept.tell()

    def _may_ask(self) -> bool:
        now = self.clock.seconds()
        self._allowed = min(BURST, self._allowed + (now - self._counted) * RATE)
        self._counted = now
        return self._allowed >= 1
