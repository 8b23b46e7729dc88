"""The hot table: finished answers by question, for one tenant's askers.

A slot is an Entry (the same for every client) or a Fork (the name's Plan with an Entry per
Decision). Slots live in two generations:
new ones go to the young; when that holds half of the bytes it becomes the old one, and the old one goes. A hit in
the old generation moves the slot over. That keeps what is asked for within the bound at no cost per hit.

In front of the young generation stand questions with the header as they were asked, which nearly all clients do with
the same octets: those are found without looking at what they say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from attrs import define, field

from graydns.fast.entry import AD, OPT, RD, Asked, Entry, Fork, Slot
from graydns.fast.shape import HEADERS, Shape
from graydns.gray.plan import Plan

#: Octets that a slot costs beside the bytes it holds (objects, dictionary slots, key); measured, rounded up.
OVERHEAD = 420

#: Octets of a client subnet that a fork has seen: dictionary slot and key; measured, rounded up.
SEEN = 160

#: Octets that an Asked costs beside the bytes it holds; measured, rounded up.
ASKED = 320


#: Questions that are forgotten together with the view of a catalog; past that, all of them are.
MOST_TIED = 4096

#: Questions that are looked for one by one when they are to be forgotten; past that, all that was asked is.
MOST_UNASKED = 50


def _empty() -> tuple[dict[bytes, Slot], ...]:
    return {}, {}, {}, {}


def _unasked() -> tuple[dict[bytes, Asked], ...]:
    return tuple({} for _ in range(16))


@define(eq=False)
class HotTable:
    """Slots by (DO, CD) and question, bounded to *limit* octets.

    Its Plans and answers are of one Snapshot: whoever swaps that clears this, and keeps nothing made before.
    *asked*: by ``Shape.kind`` and RA, then by octets 2 to the end of the question, what :meth:`recognise` found.
    """

    limit: int
    asked: tuple[dict[bytes, Asked], ...] = field(init=False, repr=False, factory=_unasked)
    young: tuple[dict[bytes, Slot], ...] = field(init=False, repr=False, factory=_empty)
    _old: tuple[dict[bytes, Slot], ...] = field(init=False, repr=False, factory=_empty)
    _views: dict[object, set[tuple[int, bytes]]] = field(init=False, repr=False, factory=dict)
    _asked_size: int = field(init=False, default=0)
    _young_size: int = field(init=False, default=0)
    _old_size: int = field(init=False, default=0)
    _seen: int = field(init=False, default=0)

    @property
    def size(self) -> int:
        """Octets held, by estimate."""
        return self._asked_size + self._young_size + self._old_size

    def recognise(self, wire: bytes, end: int, shape: Shape, recursion: int) -> Asked | None:
        """What the question of *wire*, which ends before *end*, leads a sender to; None without a slot.

        *recursion*: his RA bit. It is remembered while there is room, unless the name has capitals: those can be put in
        too many ways.
        """
        bits = HEADERS.get(wire[2:12])
        if bits is None or shape.opt != bits & OPT:
            return None
        question = wire[12:end]
        key = question[:-4].lower() + question[-4:]
        slot = self.get(shape.flags | bits >> 3, key)
        if slot is None:
            return None
        asked = Asked(slot, question, bits & (RD | OPT | AD) | recursion)
        cost = ASKED + end + len(asked.start)
        if key == question and self._asked_size + self._young_size + cost <= self.limit // 2:
            self._asked_size += cost
            self.asked[shape.kind | recursion][wire[2:end]] = asked
        return asked

    def promote(self, flags: int, key: bytes) -> Slot | None:
        """The slot of the old generation, moved to the young one; None without one."""
        slot = self._old[flags].pop(key, None)
        if slot is not None:
            cost = self._cost(key, slot)
            self._old_size -= cost
            if isinstance(slot, Fork):
                slot.seen = {}
            self._insert(flags, key, slot, cost)
        return slot

    def get(self, flags: int, key: bytes) -> Slot | None:
        """The slot of *key*, from whichever generation."""
        return self.young[flags].get(key) or self.promote(flags, key)

    def keep(self, flags: int, key: bytes, entry: Entry, plan: Plan) -> None:
        """Remember *entry*, alone or under its Plan's Fork."""
        slot = self.get(flags, key)
        if plan.single is not None:
            if slot is None:
                self._insert(flags, key, entry, self._cost(key, entry))
            elif isinstance(slot, Entry) and slot.guarded and entry.guarded:
                self._young_size += len(entry.body) - len(slot.body)
                slot.become(entry)  # cached answers come anew all the time
            else:
                self._replace(flags, key, entry)
            return
        if not isinstance(slot, Fork) or slot.plan is not plan:
            fork = Fork(plan)
            if slot is None:
                self._insert(flags, key, fork, self._cost(key, fork))
            else:
                self._replace(flags, key, fork)
            slot = fork
        if entry.decision in slot.entries:
            self._forget(slot)
        else:
            self._young_size += OVERHEAD + len(entry.body)
        slot.entries[entry.decision] = entry

    def tie(self, flags: int, key: bytes, view: object) -> None:
        """Forget what is kept for *key* when *view*, of which it was made, is forgotten."""
        keys = self._views.setdefault(view, set())
        keys.add((flags, key))
        if len(keys) > MOST_TIED:
            self.forget_view(view)

    def forget_view(self, view: object) -> None:
        """Forget all that was made of *view*."""
        keys = self._views.pop(view, set())
        for flags, key in keys:
            if (slot := self.young[flags].pop(key, None)) is not None:
                self._young_size -= self._cost(key, slot)
            elif (slot := self._old[flags].pop(key, None)) is not None:
                self._old_size -= self._cost(key, slot)
        if len(keys) > MOST_UNASKED:
            self.asked, self._asked_size = _unasked(), 0
            return
        for _, key in keys:
            self._unask(key)

    def forks(self) -> Iterator[tuple[bytes, Fork]]:
        """The Forks, with name, type and class of their questions."""
        for slots in (*self.young, *self._old):
            for key, slot in tuple(slots.items()):
                if isinstance(slot, Fork):
                    yield key, slot

    def remember(self, fork: Fork, subnet: bytes, entry: Entry) -> None:
        """Remember that *fork* answers clients with this *subnet* option by *entry*.

        The forks of a generation together remember so many as take the octets that the table itself may; past that, the
        fork that wants to remember one more forgets its others.
        """
        if self._seen >= self.limit // SEEN:
            self._forget(fork)
        self._seen += 1
        fork.seen[subnet] = entry

    def forget(self) -> None:
        """Forget who was seen, of all forks."""
        for slots in (*self.young, *self._old):
            for slot in slots.values():
                if isinstance(slot, Fork):
                    self._forget(slot)

    def _forget(self, fork: Fork) -> None:
        self._seen = max(0, self._seen - len(fork.seen))
        fork.seen = {}

    def clear(self) -> Iterator[None]:
        """Forget everything, at once; gives what then lets go of it, a slot at a step."""
        kept: list[dict[bytes, Any]] = [*self.asked, *self.young, *self._old]
        self.asked, self.young, self._old = _unasked(), _empty(), _empty()
        self._asked_size = self._young_size = self._old_size = self._seen = 0
        self._views = {}
        return _release(kept)

    def _insert(self, flags: int, key: bytes, slot: Slot, cost: int) -> None:
        if self._asked_size + self._young_size + cost > self.limit // 2:
            self._seen = 0
            self._old, self._old_size = self.young, self._young_size
            self.young, self._young_size = _empty(), 0
            self.asked, self._asked_size = _unasked(), 0
        self.young[flags][key] = slot
        self._young_size += cost

    def _unask(self, question: bytes) -> None:
        """Forget where *question* led, with whatever header it was asked."""
        for asked in self.asked:
            for header in HEADERS:
                if (found := asked.pop(header + question, None)) is not None:
                    self._asked_size -= ASKED + 12 + len(question) + len(found.start)

    def _replace(self, flags: int, key: bytes, slot: Slot) -> None:
        """Put *slot* where another one was, to which nothing may lead any more."""
        self._young_size += self._cost(key, slot) - self._cost(key, self.young[flags][key])
        self.young[flags][key] = slot
        self._unask(key)

    @staticmethod
    def _cost(key: bytes, slot: Slot) -> int:
        if isinstance(slot, Entry):
            return OVERHEAD + len(key) + len(slot.body)
        return OVERHEAD + len(key) + sum(OVERHEAD + len(entry.body) for entry in slot.entries.values())


def _release(kept: Iterable[dict[bytes, Any]]) -> Iterator[None]:
    for slots in kept:
        while slots:
            slots.popitem()
            yield
