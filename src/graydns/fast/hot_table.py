"""The hot table: finished answers by question, for one tenant's askers.

A slot is a HotEntry (the same for every client) or a HotVariants (the name's Plan with a HotEntry per
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

from graydns.fast.hot_entry import AD_BIT, OPT_BIT, RD_BIT, HotEntry, HotQuestion, HotSlot, HotVariants
from graydns.fast.tail_shape import KNOWN_HEADERS, TailShape
from graydns.gray.plan import Plan

#: Octets that a slot costs beside the bytes it holds (objects, dictionary slots, key); measured, rounded up.
SLOT_OVERHEAD_BYTES = 420

#: Octets of a client subnet that a fork has seen: dictionary slot and key; measured, rounded up.
SUBNET_OVERHEAD_BYTES = 160

#: Octets that a HotQuestion costs beside the bytes it holds; measured, rounded up.
QUESTION_OVERHEAD_BYTES = 320


#: Questions that are forgotten together with the view of a catalog; past that, all of them are.
MAX_TIED_QUESTIONS = 4096

#: Questions that are looked for one by one when they are to be forgotten; past that, all that was asked is.
MAX_QUESTIONS_REMOVED_SINGLY = 50


def _empty_generation() -> tuple[dict[bytes, HotSlot], ...]:
    return {}, {}, {}, {}


def _empty_questions() -> tuple[dict[bytes, HotQuestion], ...]:
    return tuple({} for _ in range(16))


@define(eq=False)
class HotTable:
    """Slots by (DO, CD) and question, bounded to *limit* octets.

    Its Plans and answers are of one Snapshot: whoever swaps that clears this, and keeps nothing made before.
    *asked*: by ``TailShape.kind`` and RA, then by octets 2 to the end of the question, what :meth:`recognise` found.
    """

    limit: int
    questions: tuple[dict[bytes, HotQuestion], ...] = field(init=False, repr=False, factory=_empty_questions)
    young: tuple[dict[bytes, HotSlot], ...] = field(init=False, repr=False, factory=_empty_generation)
    _old: tuple[dict[bytes, HotSlot], ...] = field(init=False, repr=False, factory=_empty_generation)
    _keys_by_view: dict[object, set[tuple[int, bytes]]] = field(init=False, repr=False, factory=dict)
    _questions_size: int = field(init=False, default=0)
    _young_size: int = field(init=False, default=0)
    _old_size: int = field(init=False, default=0)
    _subnet_count: int = field(init=False, default=0)

    def resize(self, limit: int) -> None:
        """Bound the table to *limit* octets; what is there beyond them leaves as new entries come."""
        self.limit = limit

    @property
    def size(self) -> int:
        """Octets held, by estimate."""
        return self._questions_size + self._young_size + self._old_size

    def match_question(self, wire: bytes, end: int, shape: TailShape, recursion: int) -> HotQuestion | None:
        """What the question of *wire*, which ends before *end*, leads a sender to; None without a slot.

        *recursion*: his RA bit. It is remembered while there is room, unless the name has capitals: those can be put in
        too many ways.
        """
        bits = KNOWN_HEADERS.get(wire[2:12])
        if bits is None or shape.opt != bits & OPT_BIT:
            return None
        question = wire[12:end]
        key = question[:-4].lower() + question[-4:]
        slot = self.get(shape.flags | bits >> 3, key)
        if slot is None:
            return None
        asked = HotQuestion(slot, question, bits & (RD_BIT | OPT_BIT | AD_BIT) | recursion)
        cost = QUESTION_OVERHEAD_BYTES + end + len(asked.reply_prefix)
        if key == question and self._questions_size + self._young_size + cost <= self.limit // 2:
            self._questions_size += cost
            self.questions[shape.question_table | recursion][wire[2:end]] = asked
        return asked

    def promote(self, flags: int, key: bytes) -> HotSlot | None:
        """The slot of the old generation, moved to the young one; None without one."""
        slot = self._old[flags].pop(key, None)
        if slot is not None:
            cost = self._cost(key, slot)
            self._old_size -= cost
            if isinstance(slot, HotVariants):
                slot.entry_by_subnet = {}
            self._insert(flags, key, slot, cost)
        return slot

    def get(self, flags: int, key: bytes) -> HotSlot | None:
        """The slot of *key*, from whichever generation."""
        return self.young[flags].get(key) or self.promote(flags, key)

    def store(self, flags: int, key: bytes, entry: HotEntry, plan: Plan) -> None:
        """Remember *entry*, alone or under its Plan's Fork."""
        slot = self.get(flags, key)
        if plan.constant_decision is not None:
            if slot is None:
                self._insert(flags, key, entry, self._cost(key, entry))
            elif isinstance(slot, HotEntry) and slot.needs_check and entry.needs_check:
                self._young_size += len(entry.body) - len(slot.body)
                slot.replace_with(entry)  # cached answers come anew all the time
            else:
                self._replace(flags, key, entry)
            return
        if not isinstance(slot, HotVariants) or slot.plan is not plan:
            fork = HotVariants(plan)
            if slot is None:
                self._insert(flags, key, fork, self._cost(key, fork))
            else:
                self._replace(flags, key, fork)
            slot = fork
        if entry.decision in slot.entries:
            self._clear_subnets_of(slot)
        else:
            self._young_size += SLOT_OVERHEAD_BYTES + len(entry.body)
        slot.entries[entry.decision] = entry

    def tie_to_view(self, flags: int, key: bytes, view: object) -> None:
        """Forget what is kept for *key* when *view*, of which it was made, is forgotten."""
        keys = self._keys_by_view.setdefault(view, set())
        keys.add((flags, key))
        if len(keys) > MAX_TIED_QUESTIONS:
            self.forget_view(view)

    def forget_view(self, view: object) -> None:
        """Forget all that was made of *view*."""
        keys = self._keys_by_view.pop(view, set())
        for flags, key in keys:
            if (slot := self.young[flags].pop(key, None)) is not None:
                self._young_size -= self._cost(key, slot)
            elif (slot := self._old[flags].pop(key, None)) is not None:
                self._old_size -= self._cost(key, slot)
        if len(keys) > MAX_QUESTIONS_REMOVED_SINGLY:
            self.questions, self._questions_size = _empty_questions(), 0
            return
        for _, key in keys:
            self._remove_question(key)

    def variants(self) -> Iterator[tuple[bytes, HotVariants]]:
        """The HotVariantss, with name, type and class of their questions."""
        for slots in (*self.young, *self._old):
            for key, slot in tuple(slots.items()):
                if isinstance(slot, HotVariants):
                    yield key, slot

    def store_subnet(self, fork: HotVariants, subnet: bytes, entry: HotEntry) -> None:
        """Remember that *fork* answers clients with this *subnet* option by *entry*.

        The forks of a generation together remember so many as take the octets that the table itself may; past that, the
        fork that wants to remember one more forgets its others.
        """
        if self._subnet_count >= self.limit // SUBNET_OVERHEAD_BYTES:
            self._clear_subnets_of(fork)
        self._subnet_count += 1
        fork.entry_by_subnet[subnet] = entry

    def clear_subnets(self) -> None:
        """Forget who was seen, of all forks."""
        for slots in (*self.young, *self._old):
            for slot in slots.values():
                if isinstance(slot, HotVariants):
                    self._clear_subnets_of(slot)

    def _clear_subnets_of(self, fork: HotVariants) -> None:
        self._subnet_count = max(0, self._subnet_count - len(fork.entry_by_subnet))
        fork.entry_by_subnet = {}

    def clear(self) -> Iterator[None]:
        """Forget everything, at once; gives what then lets go of it, a slot at a step."""
        kept: list[dict[bytes, Any]] = [*self.questions, *self.young, *self._old]
        self.questions, self.young, self._old = _empty_questions(), _empty_generation(), _empty_generation()
        self._questions_size = self._young_size = self._old_size = self._subnet_count = 0
        self._keys_by_view = {}
        return _reclaim_steps(kept)

    def _insert(self, flags: int, key: bytes, slot: HotSlot, cost: int) -> None:
        if self._questions_size + self._young_size + cost > self.limit // 2:
            self._subnet_count = 0
            self._old, self._old_size = self.young, self._young_size
            self.young, self._young_size = _empty_generation(), 0
            self.questions, self._questions_size = _empty_questions(), 0
        self.young[flags][key] = slot
        self._young_size += cost

    def _remove_question(self, question: bytes) -> None:
        """Forget where *question* led, with whatever header it was asked."""
        for asked in self.questions:
            for header in KNOWN_HEADERS:
                if (found := asked.pop(header + question, None)) is not None:
                    self._questions_size -= QUESTION_OVERHEAD_BYTES + 12 + len(question) + len(found.reply_prefix)

    def _replace(self, flags: int, key: bytes, slot: HotSlot) -> None:
        """Put *slot* where another one was, to which nothing may lead any more."""
        self._young_size += self._cost(key, slot) - self._cost(key, self.young[flags][key])
        self.young[flags][key] = slot
        self._remove_question(key)

    @staticmethod
    def _cost(key: bytes, slot: HotSlot) -> int:
        if isinstance(slot, HotEntry):
            return SLOT_OVERHEAD_BYTES + len(key) + len(slot.body)
        return (
            SLOT_OVERHEAD_BYTES
            + len(key)
            + sum(SLOT_OVERHEAD_BYTES + len(entry.body) for entry in slot.entries.values())
        )


def _reclaim_steps(kept: Iterable[dict[bytes, Any]]) -> Iterator[None]:
    for slots in kept:
        while slots:
            slots.popitem()
            yield
