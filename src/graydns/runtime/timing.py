"""Time as a reactor keeps it, and Deadlines: many things that may last equally long, watched with one timer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from twisted.logger import Logger

ItemT = TypeVar("ItemT")


class DelayedCall(Protocol):
    """A call that has been scheduled (IDelayedCall)."""

    def active(self) -> bool:
        """Whether the call is still to come."""

    def cancel(self) -> None:
        """Do not make the call."""


class Clock(Protocol):
    """IReactorTime."""

    def seconds(self) -> float:
        """The time now."""

    def callLater(self, delay: float, function: Callable[[], object], /) -> DelayedCall:
        """Call *function* in *delay* seconds."""


class Deadlines(Generic[ItemT]):
    """Items that may last *seconds* each; one that does is dropped and handed to *expire*.

    Since all last equally long, the order in which they were started is the order in which they end: starting one
    again costs two dictionary operations and touches no timer.
    """

    _log = Logger()

    def __init__(self, clock: Clock, seconds: float, expire: Callable[[ItemT], None]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._expire = expire
        # Not a dict: taking the first key again and again is linear there.
        self._ends: OrderedDict[ItemT, float] = OrderedDict()
        self._timer: DelayedCall | None = None

    def __len__(self) -> int:
        return len(self._ends)

    def start(self, item: ItemT) -> None:
        """Let *item* last *seconds* from now, whether or not it was started before."""
        self._ends[item] = self._clock.seconds() + self._seconds
        self._ends.move_to_end(item)
        if self._timer is None:
            self._timer = self._clock.callLater(self._seconds, self._expire_due)

    def stop(self, item: ItemT) -> None:
        """Watch *item* no longer, if it is watched."""
        self._ends.pop(item, None)

    def oldest(self) -> ItemT | None:
        """The item whose time is up first."""
        return next(iter(self._ends), None)

    def close(self) -> None:
        """Watch nothing any more."""
        self._ends.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire_due(self) -> None:
        self._timer = None
        due = []
        now = self._clock.seconds()
        for item, end in self._ends.items():
            if end > now:
                self._timer = self._clock.callLater(end - now, self._expire_due)
                break
            due.append(item)
        for item in due:
            if self._ends.pop(item, None) is not None:
                try:
                    self._expire(item)
                except Exception:
                    self._log.failure("{item} could not be ended in time", item=item)  # the others still can
