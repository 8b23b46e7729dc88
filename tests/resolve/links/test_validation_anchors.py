"""What operators say of trust while the validator is at work."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field
from twisted.internet.task import Clock

from graydns.config.dnssec_settings import DnssecSettings, NegativeTrustAnchor
from graydns.dnssec.key_trust import NegativeTrustAnchors
from graydns.dnssec.signature import ValidatorSettings
from graydns.model.answer import Answer
from graydns.model.client import Client
from graydns.model.dnssec_values import Security
from graydns.model.errors import ResolveError
from graydns.model.name import from_text
from graydns.model.query import Query
from graydns.resolve.cache.cache_keys import CacheKeyFactory
from graydns.resolve.links.error_boundary import make_error_answer
from graydns.resolve.links.validation import ValidatingLink, ValidationPolicy
from graydns.resolve.validation_state import ValidationState
from graydns.resolve.workers import TurnLimiter
from graydns.upstream.server_groups import ForwardTable
from tests.coroutines import finished
from tests.dnssec.answering import ROOT, SHOP, Upstream, anchors, rrset, signed, world
from tests.dnssec.signing import NOW
from tests.upstream.queries import GROUP

NAME, ZONE = from_text("www.shop.test"), from_text("shop.test")
QUERY = Query(1, b"", NAME + b"\0\1\0\1", NAME, 1, 1, Client(bytes(4)), recursion_desired=True)


@define(eq=False)
class Site:
    """A validator over *upstream*, and *happens* when that is asked for something of the zone shop.test itself."""

    upstream: Upstream
    happens: Callable[[], None] = lambda: None
    validation: ValidationState = field(init=False, factory=lambda: ValidationState(None))
    link: ValidatingLink = field(init=False)

    def __attrs_post_init__(self) -> None:
        keys = CacheKeyFactory(ForwardTable({b"\0": GROUP}).choose_group, lambda query: "default")
        self.link = ValidatingLink(
            self,
            policy=ValidationPolicy(
                ValidatorSettings(),
                anchors(ROOT),
                lambda: NegativeTrustAnchors(self.validation.negative_anchors),
                lambda: NOW,
            ),
            zones=lambda query: self.validation.zones("default", ""),
            key=keys.make_cohort_key,
            failures=self.validation.bogus_answers,
            forget=lambda query: None,
            worker_pool=self.validation.worker_pool,
            turn_limiter=TurnLimiter(Clock(), lambda: 0.0),
            key_queries=self.validation.key_queries,
            clock=lambda: 0.0,
        )

    async def resolve(self, query: Query) -> Answer:
        """As the link below."""
        if query.qname == ZONE:
            self.happens()
        return await self.upstream.fetch(query.qname, query.qtype)

    def security(self) -> Security:
        """What the answer to QUERY is worth."""
        try:
            return finished(self.link.resolve(QUERY)).security
        except ResolveError as error:
            return make_error_answer(error).security

    def distrust(self, *names: bytes) -> None:
        """What ``Server.distrust`` does here."""
        self.validation.negative_anchors = frozenset(names)
        self.validation.flush(ZONE)


def forged() -> Upstream:
    """What it says of www.shop.test is signed by nobody."""
    upstream = world()
    upstream.says("www.shop.test", "A", [rrset("www.shop.test. A 192.0.2.66")])
    return upstream


def test_a_negative_trust_anchor_counts_for_who_is_on_the_way() -> None:
    """Set while the keys of the zone are waited for, it is what the answer is judged by, and no failure remains."""
    site = Site(forged())
    assert site.security() is Security.BOGUS
    site.distrust()
    site.happens = lambda: site.distrust(ZONE)
    assert site.security() is Security.INSECURE
    assert site.validation.bogus_answers.size == 0


def test_taken_back_it_excuses_nobody() -> None:
    """Removed, it has left nothing that lets what is forged pass."""
    site = Site(forged())
    site.distrust(ZONE)
    assert site.security() is Security.INSECURE
    site.distrust()
    assert site.security() is Security.BOGUS


def test_a_configured_one_ends_by_the_time_that_it_is() -> None:
    """Whatever time signatures are looked at by."""
    past, future = 1_577_836_800, 4_102_444_800  # 2020 and 2100
    ended, lasting = NegativeTrustAnchor(ZONE, until=past), NegativeTrustAnchor(NAME, until=future)
    for looked in (past - 1, future + 1, None):
        dnssec = DnssecSettings(validate=True, validation_time=looked, negative_trust_anchors=(ended, lasting))
        assert ValidationState(None).make_policy(dnssec).negative_anchors() == NegativeTrustAnchors(frozenset({NAME}))


def test_questions_for_keys_are_counted() -> None:
    """By type, and not the client's own."""
    upstream = world()
    upstream.says("www.shop.test", "A", signed(SHOP, "www.shop.test. A 192.0.2.80"))
    site = Site(upstream)
    assert site.security() is Security.SECURE
    assert site.validation.key_queries == {43: 2, 48: 3}
