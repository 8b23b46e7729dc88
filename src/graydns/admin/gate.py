"""Gate: how soon a wrong password may be followed by another try. Pure; time is an argument, in seconds."""

from __future__ import annotations

from collections import OrderedDict

from attrs import define, field, frozen


@frozen
class Patience:
    """*free* wrong tries cost nothing; each one more doubles the wait from 1 s up to *most*; one is forgiven every
    *forgive* seconds.
    """

    free: int
    most: float
    forgive: float = 60.0


@define
class Count:
    """Wrong tries, the *last* when; *settled*: until when they have been forgiven."""

    wrong: int = 0
    last: float = 0.0
    settled: float = 0.0

    def settle(self, patience: Patience, now: float) -> None:
        """Forgive what is due."""
        if forgiven := int(max(now - self.settled, 0.0) / patience.forgive):
            self.wrong = max(self.wrong - forgiven, 0)
            self.settled += forgiven * patience.forgive

    def add(self, now: float) -> None:
        """One more."""
        self.settled = self.settled if self.wrong else now
        self.wrong += 1
        self.last = now

    def wait(self, patience: Patience, now: float) -> float:
        """Seconds until the next try counts."""
        if self.wrong < patience.free:
            return 0.0
        # The exponent is bounded because a float is.
        delay = min(2.0 ** min(self.wrong - patience.free, 64), patience.most)
        return max(self.last + delay - now, 0.0)


@define(eq=False)
class Gate:
    """Counts tries by source and in all. A try counts as wrong from its start, so that many at once are many.

    *remembered*: sources; past that the one that was wrong longest ago is forgotten, the count of all stands.
    """

    source: Patience = Patience(free=3, most=300.0)
    total: Patience = Patience(free=20, most=10.0, forgive=6.0)
    remembered: int = 1024
    _sources: OrderedDict[str, Count] = field(init=False, factory=OrderedDict)
    _all: Count = field(init=False, factory=Count)

    def __len__(self) -> int:
        return len(self._sources)

    def enter(self, source: str, now: float) -> float:
        """Begin a try: 0.0, or the seconds to wait, in which case it did not begin."""
        count = self._sources.get(source, Count())
        count.settle(self.source, now)
        self._all.settle(self.total, now)
        wait = max(count.wait(self.source, now), self._all.wait(self.total, now))
        if wait:
            return wait
        for each in (count, self._all):
            each.add(now)
        self._sources[source] = count
        self._sources.move_to_end(source)
        if len(self._sources) > self.remembered:
            self._sources.popitem(last=False)
        return 0.0

    def right(self, source: str) -> None:
        """The try was right after all: the source starts anew."""
        self._sources.pop(source, None)
        self._all.wrong = max(self._all.wrong - 1, 0)
