"""What tests of links share: an end of a chain that the test drives, and links on a clock that it moves."""

from __future__ import annotations

from functools import partial
from typing import Any

from attrs import define, evolve, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from graydns.model.answer import ANSWER, Answer
from graydns.model.decision import Cohort, Decision
from graydns.model.query import Query
from graydns.resolve.cache.answer_cache import AnswerCache, StalePolicy
from graydns.resolve.cache.cache_keys import CacheKeyFactory
from graydns.resolve.cache.raw_cache import FailureCache, RawCache
from graydns.resolve.cache.store import AnswerStore
from graydns.resolve.link import Link, stack_links
from graydns.resolve.links.coalesce import QueryCoalescer
from graydns.upstream.server_groups import ForwardTable, UpstreamGroup
from graydns.wire.answer_body import RRset, build_body
from tests.upstream.queries import GROUP

ECS_GROUP = evolve(GROUP, name="ecs", ecs=True)


def make_answer(query: Query, ttl: int = 60, last: int = 1, **fields: Any) -> Answer:
    """An answer of one address, 192.0.2.*last*."""
    body, spans = build_body(query.qname, [RRset(ANSWER, query.qname, 1, 1, ttl, (bytes((192, 0, 2, last)),))])
    whole = Answer(body=body, spans=spans, ttl=ttl, origin=GROUP, forwarded=True)
    return evolve(whole, **fields)


def address_of(answer: Answer) -> int:
    """The last octet of the last record."""
    return answer.body[-1]


def of_cohort(query: Query, outcome: str) -> Query:
    """*query* with the verdict of some rule."""
    return query._replace(decision=Decision(Cohort("default", "", outcome)))


@define(eq=False)
class Driven:
    """The end of a chain: queries wait until the test answers them."""

    asked: list[tuple[Query, Deferred[Answer]]] = field(factory=list)
    cancelled: int = 0

    async def resolve(self, query: Query) -> Answer:
        """As ``Resolver``."""
        waiting: Deferred[Answer] = Deferred(self._cancel)
        self.asked.append((query, waiting))
        return await waiting

    def answer(self, ttl: int = 60, last: int = 1, **fields: Any) -> None:
        """Answer the last query."""
        query, waiting = self.asked[-1]
        waiting.callback(make_answer(query, ttl, last, **fields))

    def fail(self, error: Exception) -> None:
        """Fail the last query."""
        self.asked[-1][1].errback(error)

    def _cancel(self, _: Deferred[Answer]) -> None:
        self.cancelled += 1


@define(eq=False)
class Chain:
    """Cache → RawCache (→ Coalesce) → Driven, over one AnswerStore. *got*: outcomes, in the order in which they
    came."""

    stale: StalePolicy = field(factory=StalePolicy)
    group: UpstreamGroup = GROUP
    raw: bool = False
    size: int = 1 << 20
    clock: Clock = field(factory=Clock)
    below: Driven = field(factory=Driven)
    got: list[Answer | Failure] = field(factory=list)
    gone: set[object] = field(factory=set)
    wall: float = 1_800_000_000.0
    store: AnswerStore = field(init=False)
    keys: CacheKeyFactory = field(init=False)
    cache: AnswerCache = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.store = AnswerStore(lambda partition: self.size, lambda origin: origin not in self.gone)
        self.keys = CacheKeyFactory(ForwardTable({b"\0": self.group}).choose_group, lambda query: query.client.tenant)
        seconds = self.clock.seconds
        cache = partial(
            AnswerCache,
            key=self.keys.make_cohort_key,
            store=self.store,
            stale=self.stale,
            clock=seconds,
            wall=lambda: self.wall + seconds(),
            call_later=self.clock.callLater,
        )
        raw: list[Link] = [
            partial(
                RawCache, key=self.keys.make_raw_key, store=self.store, failure_cache=FailureCache(), clock=seconds
            ),
            partial(QueryCoalescer, key=self.keys.make_raw_key),
        ]
        top = stack_links(cache, *raw, last=self.below) if self.raw else stack_links(cache, last=self.below)
        assert isinstance(top, AnswerCache)
        self.cache = top

    def ask(self, query: Query) -> Deferred[None]:
        """Ask the chain."""
        return Deferred.fromCoroutine(self.cache.resolve(query)).addBoth(self.got.append)

    def get(self, query: Query) -> Answer:
        """What the chain says at once."""
        before = len(self.got)
        self.ask(query)
        assert len(self.got) == before + 1
        return self.answer()

    def answer(self) -> Answer:
        """The last outcome, an answer."""
        answer = self.got[-1]
        assert isinstance(answer, Answer)
        return answer

    def error(self) -> BaseException:
        """The last outcome, a failure."""
        failure = self.got[-1]
        assert isinstance(failure, Failure)
        assert failure.value is not None
        return failure.value

    def learn(self, query: Query, ttl: int = 60, last: int = 1, **fields: Any) -> Answer:
        """Ask, and answer below: what came out."""
        self.ask(query)
        self.below.answer(ttl, last, **fields)
        return self.answer()

    def asked(self) -> int:
        """How often the end was asked."""
        return len(self.below.asked)
