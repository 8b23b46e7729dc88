"""Many who need the same of a zone at the same time: it is asked for, and verified, once."""

from __future__ import annotations

from collections import Counter

import pytest
from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from graydns.dnssec.key_trust import NegativeTrustAnchors
from graydns.dnssec.signature import ValidatorSettings
from graydns.dnssec.work_budget import ValidationLimits
from graydns.dnssec.zone_keys import ZoneKey
from graydns.dnssec.zone_status import ValidationStep, ZoneStatusCache
from graydns.model.answer import Answer
from graydns.model.dnssec_values import Security
from graydns.model.errors import ResolveError, UpstreamError
from graydns.model.name import to_text
from graydns.model.query import Query
from graydns.resolve.cache.cache_keys import CacheKeyFactory
from graydns.resolve.cache.raw_cache import FailureCache
from graydns.resolve.links.validation import ValidatingLink, ValidationPolicy
from graydns.resolve.workers import TurnLimiter, WorkerPool
from graydns.upstream.server_groups import ForwardTable
from tests.dnssec.answering import OTHER, ROOT, SHOP, Upstream, anchors, signed, world
from tests.dnssec.signing import NOW
from tests.upstream.queries import GROUP, make_query

A, DS, DNSKEY = 1, 43, 48


@define(eq=False)
class Slow:
    """An upstream that answers when it is let. *asked*: how often for each name and type; *cancelled*: of those."""

    upstream: Upstream = field(factory=world)
    asked: Counter[tuple[str, int]] = field(factory=Counter)
    cancelled: list[tuple[str, int]] = field(factory=list)
    waiting: list[tuple[Query, Deferred[None]]] = field(factory=list)

    async def resolve(self, query: Query) -> Answer:
        question = to_text(query.qname), query.qtype
        self.asked[question] += 1
        let: Deferred[None] = Deferred(lambda _: self.cancelled.append(question))
        self.waiting.append((query, let))
        await let
        return await self.upstream.fetch(query.qname, query.qtype)

    def answer(self) -> None:
        """All that wait now."""
        waiting, self.waiting = self.waiting, []
        for _, let in waiting:
            if not let.called:
                let.callback(None)

    def answer_last(self) -> None:
        """The last one that waits."""
        self.waiting.pop()[1].callback(None)

    def fail(self) -> None:
        """All that wait now."""
        waiting, self.waiting = self.waiting, []
        for _, let in waiting:
            let.errback(UpstreamError("gone"))


@define(eq=False)
class Crowd:
    """Those who ask the link at the same time. *told*: what each got."""

    below: Slow = field(factory=Slow)
    limits: ValidationLimits = field(factory=ValidationLimits)
    link: ValidatingLink = field(init=False)
    told: dict[str, Answer | Failure] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        zones = ZoneStatusCache()
        self.link = ValidatingLink(
            self.below,
            policy=ValidationPolicy(
                ValidatorSettings(limits=self.limits), anchors(ROOT), NegativeTrustAnchors, lambda: float(NOW)
            ),
            zones=lambda query: zones,
            key=CacheKeyFactory(ForwardTable({b"\0": GROUP}).choose_group, lambda query: "default").make_cohort_key,
            failures=FailureCache(),
            forget=lambda query: None,
            worker_pool=WorkerPool(None),
            turn_limiter=TurnLimiter(Clock(), lambda: 0.0),
            key_queries=Counter(),
            clock=lambda: 0.0,
        )

    def ask(self, name: str) -> Deferred[None]:
        """Begin to ask for an address."""
        asking = Deferred.fromCoroutine(self.link.resolve(make_query(name)))
        return asking.addBoth(lambda told: self.told.update({name: told}))

    def answer_all(self) -> None:
        """Until nothing is asked any more."""
        while self.below.waiting:
            self.below.answer()

    def security(self, name: str) -> Security | type[BaseException] | None:
        """What the answer for *name* is worth; the kind of error where there is none."""
        told = self.told[name]
        return told.security if isinstance(told, Answer) else told.type


def names(count: int) -> list[str]:
    return [f"n{number}.shop.test" for number in range(count)]


@pytest.fixture
def crowd() -> Crowd:
    """Before a zone whose names all have addresses."""
    return with_names(Crowd(), 200)


def with_names(made: Crowd, count: int) -> Crowd:
    for name in names(count):
        made.below.upstream.says(f"{name}.", "A", signed(SHOP, f"{name}. A 192.0.2.1"))
    made.below.upstream.says("www.other.test.", "A", signed(OTHER, "www.other.test. A 192.0.2.3"))
    chain = [*signed(SHOP, "out.shop.test. CNAME www.other.test."), *signed(OTHER, "www.other.test. A 192.0.2.3")]
    made.below.upstream.says("out.shop.test.", "A", chain)
    return made


def test_a_new_zone_is_walked_to_once(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 first questions for names of one zone: its chain of five signatures is verified once, beside their own."""
    verified = Counter[int]()

    def verifies(key: ZoneKey, signature: bytes, data: bytes) -> bool:
        verified[data[1]] += 1  # the type covered
        return genuine(key, signature, data)

    genuine = ZoneKey.verifies
    monkeypatch.setattr(ZoneKey, "verifies", verifies)
    for name in names(200):
        crowd.ask(name)
    crowd.answer_all()
    assert {crowd.security(name) for name in names(200)} == {Security.SECURE}
    assert {crowd.below.asked[zone, DNSKEY] for zone in (".", "test", "shop.test")} == {1}
    assert {crowd.below.asked[zone, DS] for zone in ("test", "shop.test")} == {1}
    assert verified == {A: 200, DS: 2, DNSKEY: 3}
    assert not crowd.link.flights


def test_a_failure_is_shared_and_not_remembered(crowd: Crowd) -> None:
    for name in names(3):
        crowd.ask(name)
    crowd.below.answer()
    crowd.below.fail()
    assert {crowd.security(name) for name in names(3)} == {UpstreamError}
    crowd.ask("n3.shop.test")
    crowd.answer_all()
    assert crowd.security("n3.shop.test") is Security.SECURE


def test_who_leaves_takes_nothing_from_the_others(crowd: Crowd) -> None:
    """Not even the first one, who began to ask."""
    first, second, _ = [crowd.ask(name) for name in names(3)]
    crowd.below.answer()
    first.cancel()
    second.cancel()
    crowd.answer_all()
    assert [crowd.security(name) for name in names(3)] == [CancelledError, CancelledError, Security.SECURE]
    assert crowd.below.cancelled == []


def test_the_last_one_to_leave_ends_it(crowd: Crowd) -> None:
    asking = [crowd.ask(name) for name in names(3)]
    crowd.below.answer()
    for each in asking:
        each.cancel()
    assert crowd.below.cancelled == [(".", DNSKEY)]
    assert not crowd.link.flights


def test_nobody_pays_for_the_budget_of_another() -> None:
    """One whose chain of aliases costs too much finds that out on the way; who waits with him goes on alone."""
    crowd = with_names(Crowd(limits=ValidationLimits(queries=6)), 0)
    crowd.ask("out.shop.test")
    while crowd.below.asked["other.test", DS] == 0:
        crowd.below.answer()
    crowd.ask("www.other.test")
    crowd.below.answer_last()
    assert crowd.below.asked["other.test", DS] == 1
    crowd.answer_all()
    assert crowd.security("out.shop.test") is ResolveError
    assert crowd.security("www.other.test") is Security.SECURE


def test_what_is_found_out_for_people_is_found_out_by_themselves(crowd: Crowd) -> None:
    """Every step is noted for each of them."""
    query, zones = make_query("n0.shop.test"), ZoneStatusCache()
    answer = crowd.below.upstream.answers[query.qname, A]
    noted: list[list[ValidationStep]] = [[], []]
    for steps in noted:
        Deferred.fromCoroutine(
            crowd.link.validate_answer(query, answer, zones, crowd.link.policy.negative_anchors(), steps)
        )
    crowd.answer_all()
    assert crowd.below.asked[".", DNSKEY] == 2
    assert len(noted[0]) == len(noted[1]) > 5
