"""The hot table: finished answers by question, for the clients of one tenant.

A slot is a HotEntry (the same for every client) or HotVariants (the name's Plan with a HotEntry per Decision). Slots
are in two generations: new ones enter the young one; when that has half of the bytes it becomes the old one, and the
old one is dropped. A hit in the old generation moves the slot to the young one. So what is queried stays, within the
limit, at no cost per hit.

In front of the young generation is a table of questions with their headers, octet for octet as they were received:
nearly all clients send the same octets, so most queries are found without being parsed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from attrs import define, field

from graydns.fast.hot_entry import AD_BIT, OPT_BIT, RD_BIT, HotEntry, HotQuestion, HotSlot, HotVariants
from graydns.fast.tail_shape import KNOWN_HEADERS, TailShape
from graydns.gray.plan import Plan

#: Octets of a slot beside its answer (objects, dictionary slots, key); measured, rounded up.
SLOT_OVERHEAD_BYTES = 420

#: Octets of a client subnet in HotVariants: dictionary slot and key; measured, rounded up.
SUBNET_OVERHEAD_BYTES = 160

#: Octets of a HotQuestion beside its texts; measured, rounded up.
QUESTION_OVERHEAD_BYTES = 320

#: Questions that are tied to a view of the catalog; at more, they are all removed.
MAX_TIED_QUESTIONS = 4096

#: Questions that are removed one by one from the table of questions; at more, the whole table is cleared.
MAX_QUESTIONS_REMOVED_SINGLY = 50


def _empty_generation() -> tuple[dict[bytes, HotSlot], ...]:
    return {}, {}, {}, {}


def _empty_questions() -> tuple[dict[bytes, HotQuestion], ...]:
    return tuple({} for _ in range(16))


@define(eq=False)
class HotTable:
    """Slots by (DO, CD) and question, bounded to *limit* octets.

    Its Plans and answers are of one snapshot: replacing that clears the table. *questions*: by
    ``TailShape.question_table`` and RA, then by octets 2 to the end of the question, what :meth:`match_question` found.
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
        """Set the limit; what is over it is dropped as new entries come."""
        self.limit = limit

    @property
    def size(self) -> int:
        """Octets used, by estimate."""
        return self._questions_size + self._young_size + self._old_size

    def match_question(self, wire: bytes, end: int, shape: TailShape, recursion: int) -> HotQuestion | None:
        """The HotQuestion for the question of *wire*, which ends before *end*; None without a slot.

        *recursion*: the RA bit of the sender. It is stored while there is room, unless the name has capitals, of which
        there are too many combinations.
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
        """The slot of *key*, from either generation."""
        return self.young[flags].get(key) or self.promote(flags, key)

    def store(self, flags: int, key: bytes, entry: HotEntry, plan: Plan) -> None:
        """Store *entry*, alone or in the HotVariants of its Plan."""
        slot = self.get(flags, key)
        if plan.constant_decision is not None:
            if slot is None:
                self._insert(flags, key, entry, self._cost(key, entry))
            elif isinstance(slot, HotEntry) and slot.needs_check and entry.needs_check:
                self._young_size += len(entry.body) - len(slot.body)
                slot.replace_with(entry)  # cached answers are renewed all the time
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
        """Remove the slot of *key* together with *view*, from which its answer was made."""
        keys = self._keys_by_view.setdefault(view, set())
        keys.add((flags, key))
        if len(keys) > MAX_TIED_QUESTIONS:
            self.forget_view(view)

    def forget_view(self, view: object) -> None:
        """Remove all answers that were made from *view*."""
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
        """All HotVariants, with name, type and class of their questions."""
        for slots in (*self.young, *self._old):
            for key, slot in tuple(slots.items()):
                if isinstance(slot, HotVariants):
                    yield key, slot

    def store_subnet(self, fork: HotVariants, subnet: bytes, entry: HotEntry) -> None:
        """Store that clients with this *subnet* option get *entry* of *fork*.

        All subnets of a generation together use at most as many octets as the table itself may; over that, the
        variants that get one more lose their others.
        """
        if self._subnet_count >= self.limit // SUBNET_OVERHEAD_BYTES:
            self._clear_subnets_of(fork)
        self._subnet_count += 1
        fork.entry_by_subnet[subnet] = entry

    def clear_subnets(self) -> None:
        """Drop the subnets of all variants."""
        for slots in (*self.young, *self._old):
            for slot in slots.values():
                if isinstance(slot, HotVariants):
                    self._clear_subnets_of(slot)

    def _clear_subnets_of(self, fork: HotVariants) -> None:
        self._subnet_count = max(0, self._subnet_count - len(fork.entry_by_subnet))
        fork.entry_by_subnet = {}

    def clear(self) -> Iterator[None]:
        """Empty the table at once; returns the steps that free its slots, one at a step."""
        dropped: list[dict[bytes, Any]] = [*self.questions, *self.young, *self._old]
        self.questions, self.young, self._old = _empty_questions(), _empty_generation(), _empty_generation()
        self._questions_size = self._young_size = self._old_size = self._subnet_count = 0
        self._keys_by_view = {}
        return _reclaim_steps(dropped)

    def _insert(self, flags: int, key: bytes, slot: HotSlot, cost: int) -> None:
        if self._questions_size + self._young_size + cost > self.limit // 2:
            self._subnet_count = 0
            self._old, self._old_size = self.young, self._young_size
            self.young, self._young_size = _empty_generation(), 0
            self.questions, self._questions_size = _empty_questions(), 0
        self.young[flags][key] = slot
        self._young_size += cost

    def _remove_question(self, question: bytes) -> None:
        """Remove *question* with every header from the table of questions."""
        for asked in self.questions:
            for header in KNOWN_HEADERS:
                if (found := asked.pop(header + question, None)) is not None:
                    self._questions_size -= QUESTION_OVERHEAD_BYTES + 12 + len(question) + len(found.reply_prefix)

    def _replace(self, flags: int, key: bytes, slot: HotSlot) -> None:
        """Put *slot* in place of another one, which no question may refer to any more."""
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


def _reclaim_steps(dropped: Iterable[dict[bytes, Any]]) -> Iterator[None]:
    for slots in dropped:
        while slots:
            slots.popitem()
            yield
