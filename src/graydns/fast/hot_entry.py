"""What the hot table contains: one answer for all clients, or the variants of a name with an answer per decision.

A HotEntry is an Answer in the form in which the frontend sends it; HotVariants choose one for a client. A HotQuestion
is a question as a client sent it, with the HotEntry or HotVariants found for it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import final

from graydns.fast.answer_log import AnswerCounter, CounterGroup
from graydns.gray.plan import Plan
from graydns.model.answer import Answer
from graydns.model.decision import Decision
from graydns.model.dnssec_values import Security
from graydns.model.query import Query
from graydns.runtime.token_bucket import TenantQuota
from graydns.wire.answer_body import age_body

#: Index bits of ``HotEntry.headers``: what of the query decides the reply's header.
RD_BIT, OPT_BIT, AD_BIT, RA_BIT = 1, 2, 4, 8

#: More than any message: an entry of this size is always rendered by ReplySettings.
UNSENDABLE_SIZE_BYTES = 1 << 20

_NEVER = float("inf")


@lru_cache(maxsize=4096)
def _make_headers(
    rcode: int, authoritative: bool, secure: bool, checking_disabled: bool, counts: tuple[int, int, int]
) -> tuple[bytes, ...]:
    """Header octets 2 to 11 for each combination of RD, OPT, AD and RA; shared by all entries alike."""
    answers, authorities, additionals = counts
    heads = []
    for index in range(16):
        first = 0x80 | (0x04 if authoritative else 0) | (0x01 if index & RD_BIT else 0)
        second = 0x80 if index & RA_BIT else 0
        second |= (0x20 if secure and index & AD_BIT else 0) | (0x10 if checking_disabled else 0) | rcode
        tail = (1, answers, authorities, additionals + (1 if index & OPT_BIT else 0))
        heads.append(bytes((first, second)) + b"".join(count.to_bytes(2, "big") for count in tail))
    return tuple(heads)


@final
class HotEntry:
    """An Answer in the form in which the frontend sends it.

    *headers*: header octets 2 to 11 by RD | OPT | AD | RA. *body*: what follows the question. *size*: octets of the
    reply without OPT; UNSENDABLE_SIZE_BYTES for answers with EDE options, which only a full render writes.
    *ecs_scope_v4*, *ecs_scope_v6*: the ECS scope of each family, before SOURCE limits it. *forwarded*: only for clients
    that may forward. *needs_check*: forwarded, ageing or under a *quota*. *expires*: monotonic seconds. *counter*:
    shared by all entries of the same group and rcode, so that evicting one loses no count.
    """

    __slots__ = (
        "_age",
        "answer",
        "body",
        "counter",
        "decision",
        "ecs_scope_v4",
        "ecs_scope_v6",
        "expires",
        "forwarded",
        "headers",
        "needs_check",
        "quota",
        "size",
    )

    def __init__(
        self,
        query: Query,
        answer: Answer,
        decision: Decision,
        tally: AnswerCounter | None = None,
        quota: TenantQuota | None = None,
    ) -> None:
        secure = answer.security is Security.SECURE
        self.answer = answer
        self.decision = decision
        self.body = answer.body
        self.headers = _make_headers(
            answer.rcode, answer.authoritative, secure, query.checking_disabled, answer.counts()
        )
        self.size = UNSENDABLE_SIZE_BYTES if answer.edes else 12 + len(query.question) + len(answer.body)
        self.forwarded = answer.forwarded
        # In the last tenth of the TTL queries go to the cache, which refreshes names that are still queried.
        self.expires = _NEVER if answer.stored_at is None else answer.stored_at + answer.ttl * 0.9
        self.quota = quota
        self.needs_check = answer.forwarded or answer.stored_at is not None or quota is not None
        self.ecs_scope_v4 = decision.max_ecs_scope(4) if answer.ecs_scope is None else answer.ecs_scope
        self.ecs_scope_v6 = decision.max_ecs_scope(6) if answer.ecs_scope is None else answer.ecs_scope
        self.counter = tally or AnswerCounter(CounterGroup(*decision.cohort[:3]), answer.rcode)
        self._age = 0

    def replace_with(self, other: HotEntry) -> None:
        """Take over everything of *other*: HotQuestions go on referring to this object."""
        for name in self.__slots__:
            setattr(self, name, getattr(other, name))

    def age_ttls(self, now: float) -> None:
        """Bring the TTLs of a cached answer to *now* (monotonic seconds); rewritten at most once a second."""
        answer = self.answer
        if answer.stored_at is not None and (age := int(now - answer.stored_at)) != self._age:
            self._age = age
            self.body = age_body(answer, age)


@final
class HotVariants:
    """A name whose answer depends on the client: its Plan, and a HotEntry per Decision.

    *by_subnet*: whether the client subnet alone decides. *entry_by_subnet*: then, the HotEntry by client subnet option,
    which saves the decision for returning subnets. ``HotTable.store_subnet`` bounds it.
    """

    __slots__ = ("by_subnet", "entries", "entry_by_subnet", "plan")

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.by_subnet = plan.reads_subnet_only
        self.entries: dict[Decision, HotEntry] = {}
        self.entry_by_subnet: dict[bytes, HotEntry] = {}


HotSlot = HotEntry | HotVariants


@final
class HotQuestion:
    """What was found for a question with exactly these octets: *entry*, or *variants* and then *entry* is None.

    *header_index*: into ``HotEntry.headers``. *reply_prefix*: the reply from after its id up to its OPT record, where
    that never changes; else empty.
    """

    __slots__ = ("entry", "header_index", "reply_prefix", "variants")

    def __init__(self, slot: HotSlot, question: bytes, index: int) -> None:
        self.header_index = index
        self.reply_prefix = b""
        self.entry: HotEntry | None = None
        self.variants: HotVariants | None = None
        if type(slot) is HotEntry:
            self.entry = slot
            if not slot.needs_check and slot.size < UNSENDABLE_SIZE_BYTES:
                self.reply_prefix = slot.headers[index] + question + slot.body
        elif type(slot) is HotVariants:
            self.variants = slot
