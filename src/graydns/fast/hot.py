"""The hot table: finished answers by question, for one tenant's askers.

A slot is an :class:`Entry` (the same for every client) or a :class:`Fork` (the name's Plan with an Entry per
Decision). Slots live in two generations:
new ones go to the young; when that holds half of the bytes it becomes the old one, and the old one goes. A hit in
the old generation moves the slot over. That keeps what is asked for within the bound at no cost per hit.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import final

from attrs import define, field

from graydns.fast.quota import Quota
from graydns.fast.tally import Group, Tally
from graydns.gray.plan import Plan
from graydns.model.answer import Answer, Security
from graydns.model.decision import Decision
from graydns.model.query import Query
from graydns.wire.body import aged

#: Octets that a slot costs beside the bytes it holds (objects, dictionary slots, key); measured, rounded up.
OVERHEAD = 420

#: Octets of a client subnet that a fork has seen: dictionary slot and key; measured, rounded up.
SEEN = 160

#: Indexes into ``Entry.heads``: which bits of the query decide the reply's header.
RD, OPT, AD, RA = 1, 2, 4, 8

#: More than any message: such an entry never fits the front's short way.
LONG = 1 << 20

_NEVER = float("inf")


@lru_cache(maxsize=4096)
def _heads(
    rcode: int, authoritative: bool, secure: bool, checking_disabled: bool, counts: tuple[int, int, int]
) -> tuple[bytes, ...]:
    """Header octets 2 to 11 for each combination of RD, OPT, AD and RA; shared by all entries alike."""
    answers, authorities, additionals = counts
    heads = []
    for index in range(16):
        first = 0x80 | (0x04 if authoritative else 0) | (0x01 if index & RD else 0)
        second = 0x80 if index & RA else 0
        second |= (0x20 if secure and index & AD else 0) | (0x10 if checking_disabled else 0) | rcode
        tail = (1, answers, authorities, additionals + (1 if index & OPT else 0))
        heads.append(bytes((first, second)) + b"".join(count.to_bytes(2, "big") for count in tail))
    return tuple(heads)


@final
class Entry:
    """An Answer in the form in which the front sends it.

    *heads*: header octets 2 to 11 by RD | OPT | AD | RA. *body*: what follows the question. *size*: octets of the
    reply without OPT; LONG for answers with EDE options, which only a full render writes. *reach4*, *reach6*: the ECS
    scope for each family, before SOURCE bounds it. *forwarded*: only for clients that may forward. *guarded*:
    forwarded, ageing or under a *quota*, so that it needs a look before it is sent. *expires*: monotonic seconds.
    *tally*: counts answers given from here and all entries alike, so that an entry which goes takes no count along.
    """

    __slots__ = (
        "_age",
        "answer",
        "body",
        "decision",
        "expires",
        "forwarded",
        "guarded",
        "heads",
        "quota",
        "reach4",
        "reach6",
        "size",
        "tally",
    )

    def __init__(
        self,
        query: Query,
        answer: Answer,
        decision: Decision,
        tally: Tally | None = None,
        quota: Quota | None = None,
    ) -> None:
        secure = answer.security is Security.SECURE
        self.answer = answer
        self.decision = decision
        self.body = answer.body
        self.heads = _heads(answer.rcode, answer.authoritative, secure, query.checking_disabled, answer.counts())
        self.size = LONG if answer.edes else 12 + len(query.question) + len(answer.body)
        self.forwarded = answer.forwarded
        # The last tenth of a lifetime belongs to the cache, which refreshes a name that is still asked for.
        self.expires = _NEVER if answer.stored is None else answer.stored + answer.ttl * 0.9
        self.quota = quota
        self.guarded = answer.forwarded or answer.stored is not None or quota is not None
        self.reach4 = decision.reach(4) if answer.scope is None else answer.scope
        self.reach6 = decision.reach(6) if answer.scope is None else answer.scope
        self.tally = tally or Tally(Group(*decision.cohort[:3]), answer.rcode)
        self._age = 0

    def age(self, now: float) -> None:
        """Bring the TTLs of a cached answer to *now* (monotonic seconds); rewritten at most once a second."""
        answer = self.answer
        if answer.stored is not None and (age := int(now - answer.stored)) != self._age:
            self._age = age
            self.body = aged(answer, age)


@final
class Fork:
    """A name whose answer depends on the client: its Plan, and an Entry per Decision.

    *seen*: the Entry by client subnet option, of clients of whom no more than that counts (*by_subnet*); it spares
    those who come again the decision. ``HotTable.remember`` bounds it.
    """

    __slots__ = ("by_subnet", "entries", "plan", "seen")

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.by_subnet = plan.by_subnet
        self.entries: dict[Decision, Entry] = {}
        self.seen: dict[bytes, Entry] = {}


Slot = Entry | Fork


@define(eq=False)
class HotTable:
    """Slots by (DO, CD) and question, bounded to *limit* octets.

    Its Plans and answers are of one Snapshot: whoever swaps that clears this, and keeps nothing made before.
    """

    limit: int
    young: tuple[dict[bytes, Slot], ...] = field(init=False, repr=False, factory=lambda: ({}, {}, {}, {}))
    _old: tuple[dict[bytes, Slot], ...] = field(init=False, repr=False, factory=lambda: ({}, {}, {}, {}))
    _young_size: int = field(init=False, default=0)
    _old_size: int = field(init=False, default=0)
    _seen: int = field(init=False, default=0)

    @property
    def size(self) -> int:
        """Octets held, by estimate."""
        return self._young_size + self._old_size

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
        if plan.single is not None:
            if self.get(flags, key) is None:
                self._insert(flags, key, entry, self._cost(key, entry))
            else:
                self.young[flags][key] = entry
            return
        slot = self.get(flags, key)
        if not isinstance(slot, Fork) or slot.plan is not plan:
            slot = Fork(plan)
            self._insert(flags, key, slot, self._cost(key, slot))
        if entry.decision in slot.entries:
            self._forget(slot)
        else:
            self._young_size += OVERHEAD + len(entry.body)
        slot.entries[entry.decision] = entry

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
        kept = (*self.young, *self._old)
        self.young, self._old = ({}, {}, {}, {}), ({}, {}, {}, {})
        self._young_size = self._old_size = self._seen = 0
        return _release(kept)

    def _insert(self, flags: int, key: bytes, slot: Slot, cost: int) -> None:
        if self._young_size + cost > self.limit // 2:
            self._seen = 0
            self._old, self._old_size = self.young, self._young_size
            self.young, self._young_size = ({}, {}, {}, {}), 0
        self.young[flags][key] = slot
        self._young_size += cost

    @staticmethod
    def _cost(key: bytes, slot: Slot) -> int:
        if isinstance(slot, Entry):
            return OVERHEAD + len(key) + len(slot.body)
        return OVERHEAD + len(key) + sum(OVERHEAD + len(entry.body) for entry in slot.entries.values())


def _release(kept: tuple[dict[bytes, Slot], ...]) -> Iterator[None]:
    for slots in kept:
        while slots:
            slots.popitem()
            yield
