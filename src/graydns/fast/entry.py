"""What the hot table holds: an answer for everybody, or a fork with an answer for each kind of client.

An Entry is an Answer in the form in which the front sends it; a Fork leads a client to one. Asked is a question as some
client put it, with the Entry or Fork that it led to.
"""

from __future__ import annotations

from functools import lru_cache
from typing import final

from graydns.fast.quota import Quota
from graydns.fast.tally import Group, Tally
from graydns.gray.plan import Plan
from graydns.model.answer import Answer
from graydns.model.decision import Decision
from graydns.model.proof import Security
from graydns.model.query import Query
from graydns.wire.body import aged

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

    def become(self, other: Entry) -> None:
        """Be what *other* is, for all who know the way here."""
        for name in self.__slots__:
            setattr(self, name, getattr(other, name))

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


@final
class Asked:
    """What a question led to, for those who ask it with the same octets: *entry*, or *fork* and then *entry* is None.

    *index*: into ``Entry.heads``. *start*: the reply from behind its id up to its OPT record, where that can be said
    once and for all; else empty.
    """

    __slots__ = ("entry", "fork", "index", "start")

    def __init__(self, slot: Slot, question: bytes, index: int) -> None:
        self.index = index
        self.start = b""
        self.entry: Entry | None = None
        self.fork: Fork | None = None
        if type(slot) is Entry:
            self.entry = slot
            if not slot.guarded and slot.size < LONG:
                self.start = slot.heads[index] + question + slot.body
        elif type(slot) is Fork:
            self.fork = slot
