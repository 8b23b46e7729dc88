"""The validator's link: what it asks, what clients get of it, and how often it asks again."""

from __future__ import annotations

from collections import Counter

import dns.message
import dns.rdatatype
import pytest
from attrs import define, evolve, field
from dns.edns import EDECode
from twisted.internet.task import Clock

from graydns.dnssec.key_trust import NegativeTrustAnchors, TrustAnchors
from graydns.dnssec.signature import ValidatorSettings
from graydns.dnssec.zone_status import ZoneStatusCache
from graydns.model.answer import Answer, Ede
from graydns.model.client import Subnet
from graydns.model.dnssec_values import Security, ValidationStatus
from graydns.model.errors import OverloadedError, ResolveError, UpstreamError
from graydns.model.name import from_text
from graydns.model.query import Query
from graydns.resolve.cache.cache_keys import CacheKeyFactory
from graydns.resolve.cache.raw_cache import FailureCache
from graydns.resolve.links.error_boundary import make_error_answer
from graydns.resolve.links.validation import ValidatingLink, ValidationPolicy
from graydns.resolve.workers import MAX_QUEUED_JOBS, TurnLimiter, WorkerPool
from graydns.upstream.server_groups import ForwardTable
from graydns.wire.render import render_reply
from tests.coroutines import finished
from tests.dnssec.answering import ROOT, SHOP, TEST, Upstream, anchors, answer, rrset, signed, soa, world
from tests.dnssec.signing import NOW, Zone
from tests.upstream.queries import GROUP, make_query

WWW = "www.shop.test. A 192.0.2.1"
NODATA = "www.shop.test. NSEC zzz.shop.test. A RRSIG NSEC"


@define(eq=False)
class Below:
    """The raw cache and all below it. *queries*: as they came. *errors*: what some fail with, by name and type."""

    upstream: Upstream = field(factory=world)
    queries: list[Query] = field(factory=list)
    forgotten: list[Query] = field(factory=list)
    errors: dict[tuple[bytes, int], ResolveError] = field(factory=dict)

    async def resolve(self, query: Query) -> Answer:
        self.queries.append(query)
        if (error := self.errors.get((query.qname, query.qtype))) is not None:
            raise error
        return await self.upstream.fetch(query.qname, query.qtype)


@define(eq=False)
class Linked:
    """The link over *below*."""

    below: Below = field(factory=Below)
    trust: TrustAnchors = field(factory=lambda: anchors(ROOT))
    settings: ValidatorSettings = field(factory=ValidatorSettings)
    clock: Clock = field(factory=Clock)
    link: ValidatingLink = field(init=False)

    def __attrs_post_init__(self) -> None:
        zones = ZoneStatusCache()
        self.link = ValidatingLink(
            self.below,
            policy=ValidationPolicy(self.settings, self.trust, NegativeTrustAnchors, lambda: float(NOW)),
            zones=lambda query: zones,
            key=CacheKeyFactory(ForwardTable({b"\0": GROUP}).choose_group, lambda query: "default").make_cohort_key,
            failures=FailureCache(backoff_factor=2.0),
            forget=self.below.forgotten.append,
            worker_pool=WorkerPool(None),
            turn_limiter=TurnLimiter(self.clock, self.clock.seconds),
            key_queries=Counter(),
            clock=self.clock.seconds,
        )

    def ask(self, query: Query) -> Answer:
        return finished(self.link.resolve(query))


def asked(text: str, rdtype: str = "A", *, do: bool = False, cd: bool = False, ad: bool = False) -> Query:
    """A client's question."""
    query = make_query(text, int(dns.rdatatype.from_text(rdtype)), dnssec_ok=do)
    return query._replace(checking_disabled=cd, authentic_data=ad)


def shown(query: Query, told: Answer) -> dns.message.Message:
    """What the client gets."""
    return dns.message.from_wire(render_reply(query, told, now=0.0, limit=4096, recursion_available=True))


def types(message: dns.message.Message) -> list[str]:
    return [dns.rdatatype.to_text(each.rdtype) for each in (*message.answer, *message.authority)]


class TestWhatIsAsked:
    """Signed and unvalidated data, whatever the client wants; of the chain nothing that tells of the client."""

    def test_the_question_goes_down_with_do_and_cd(self) -> None:
        linked = Linked()
        linked.below.upstream.says("www.shop.test.", "A", signed(SHOP, WWW))
        linked.ask(asked("www.shop.test"))
        assert all(query.dnssec_ok and query.checking_disabled for query in linked.below.queries)
        assert linked.below.queries[0].qname == from_text("www.shop.test.")

    def test_the_chain_is_asked_for_without_the_client(self) -> None:
        linked = Linked()
        linked.below.upstream.says("www.shop.test.", "A", signed(SHOP, WWW))
        query = make_query(subnet=Subnet(b"\xc0\0\2\0", 24), tags=(("client", "qa"),), tenant="t")
        linked.ask(query)
        first, *chain = linked.below.queries
        assert (first.client.subnet, first.client.tags) == (query.client.subnet, query.client.tags)
        assert len(chain) == 5
        assert {(each.client.subnet, each.client.tags, each.client.tenant) for each in chain} == {(None, (), "t")}

    def test_who_sets_cd_gets_what_is_below(self) -> None:
        """Nothing is judged, so nothing more is asked, and AD is not set."""
        linked = Linked()
        linked.below.upstream.says("www.shop.test.", "A", [rrset(WWW)])
        query = asked("www.shop.test", cd=True, do=True)
        told = linked.ask(query)
        assert linked.below.queries == [query]
        assert told.proof is None
        assert not shown(query, told).flags & 0x20


class TestWhatClientsGet:
    """AD for those who know it, signatures for those who want them."""

    @pytest.mark.parametrize(
        ("do", "ad", "flag", "records"),
        [(False, False, False, ["A"]), (False, True, True, ["A"]), (True, False, True, ["A", "RRSIG"])],
    )
    def test_secure(self, *, do: bool, ad: bool, flag: bool, records: list[str]) -> None:
        linked = Linked()
        linked.below.upstream.says("www.shop.test.", "A", signed(SHOP, WWW))
        query = asked("www.shop.test", do=do, ad=ad)
        message = shown(query, linked.ask(query))
        assert bool(message.flags & 0x20) is flag
        assert types(message) == records

    @pytest.mark.parametrize(("do", "records"), [(False, ["SOA"]), (True, ["SOA", "RRSIG", "NSEC", "RRSIG"])])
    def test_secure_absence(self, *, do: bool, records: list[str]) -> None:
        linked = Linked()
        linked.below.upstream.says("www.shop.test.", "MX", (), signed(SHOP, soa(SHOP), NODATA))
        query = asked("www.shop.test", "MX", do=do)
        assert types(shown(query, linked.ask(query))) == records

    def test_signatures_between_records_are_left_out(self) -> None:
        """Then the answer is built anew, and says the same."""
        linked = Linked()
        chain = [*signed(SHOP, "alias.shop.test. CNAME www.shop.test."), *signed(SHOP, WWW)]
        linked.below.upstream.says("alias.shop.test.", "A", chain)
        for do, records in ((False, ["CNAME", "A"]), (True, ["CNAME", "RRSIG", "A", "RRSIG"])):
            query = asked("alias.shop.test", do=do)
            message = shown(query, linked.ask(query))
            assert types(message) == records
            assert message.answer[0].to_text() == "alias.shop.test. 300 IN CNAME www.shop.test."

    def test_types_that_are_asked_for_are_given(self) -> None:
        """An NSEC is data to those who ask for it, with DO or without."""
        linked = Linked()
        linked.below.upstream.says("www.shop.test.", "NSEC", signed(SHOP, NODATA))
        query = asked("www.shop.test", "NSEC")
        assert types(shown(query, linked.ask(query))) == ["NSEC"]

    def test_what_nobody_vouches_for_is_left_out_of_a_secure_answer(self) -> None:
        linked = Linked()
        extra = [rrset("evil.shop.test. NSEC zzz.shop.test. A"), SHOP.signed(rrset("x.shop.test. NSEC a.shop.test. A"))]
        linked.below.upstream.says("www.shop.test.", "A", signed(SHOP, WWW), extra)
        query = asked("www.shop.test", do=True)
        message = shown(query, linked.ask(query))
        assert types(message) == ["A", "RRSIG"]

    def test_records_that_are_scattered_are_one_rrset(self) -> None:
        """Asked for by ANY they may come in any order: the signed TTL holds for each, and no stray signature stays."""
        linked, one, two = Linked(), rrset("www.shop.test. A 192.0.2.1"), rrset("www.shop.test. A 192.0.2.2")
        two.ttl = 86400
        both = rrset("www.shop.test. A 192.0.2.1 / 192.0.2.2")
        stray = Zone("shop.test.", number=66).signed(rrset("www.shop.test. TXT x"))
        told = answer("www.shop.test.", [one, SHOP.signed(both), *signed(SHOP, "www.shop.test. MX 1 a."), two, stray])
        linked.below.upstream.answers[from_text("www.shop.test."), 255] = told
        query = asked("www.shop.test", "ANY", do=True)
        message = shown(query, linked.ask(query))
        assert message.flags & 0x20
        assert {each.ttl for each in message.answer} == {300}
        assert sorted(types(message)) == ["A", "MX", "RRSIG", "RRSIG"]

    def test_insecure(self) -> None:
        linked = Linked()
        linked.below.upstream.says("www.plain.test.", "A", [rrset("www.plain.test. A 192.0.2.1")])
        query = asked("www.plain.test", do=True)
        told = linked.ask(query)
        assert told.security is Security.INSECURE
        assert not shown(query, told).flags & 0x20

    def test_insecure_for_a_reason(self) -> None:
        """A zone signed with what we do not know says so by EDE 1."""
        linked = Linked()
        linked.below.upstream.says("shop.test.", "DS", signed(TEST, "shop.test. DS 1 200 2 " + "00" * 32))
        linked.below.upstream.says("www.shop.test.", "A", signed(SHOP, WWW))
        told = linked.ask(asked("www.shop.test"))
        assert [ede.code for ede in told.edes] == [EDECode.UNSUPPORTED_DNSKEY_ALGORITHM]

    def test_ttls_are_those_that_hold(self) -> None:
        """An upstream that raises a TTL is cut back to the one that was signed."""
        linked, record = Linked(), rrset(WWW)
        raised = rrset(WWW)
        raised.ttl = 86400
        told = answer("www.shop.test.", [raised, SHOP.signed(record, expiration=NOW + 60)])
        linked.below.upstream.answers[from_text("www.shop.test."), 1] = evolve(told, ttl=86400)
        for do in (False, True):
            query = asked("www.shop.test", do=do)
            got = linked.ask(query)
            assert got.ttl == 60
            assert {each.ttl for each in shown(query, got).answer} == {60}

    def test_an_answer_that_was_kept_for_a_while_lasts_as_long_as_its_signatures(self) -> None:
        """Not shorter: what is left of them counts from now, TTLs from when the answer came."""
        linked, record = Linked(), rrset(WWW)
        told = answer("www.shop.test.", [record, SHOP.signed(record, expiration=NOW + 60)])
        linked.below.upstream.answers[from_text("www.shop.test."), 1] = told
        linked.clock.advance(200)
        got = linked.ask(asked("www.shop.test"))
        assert (got.stored_at, got.ttl) == (0.0, 260)

    def test_bogus(self) -> None:
        """SERVFAIL, with an EDE that says what is wrong, and nothing else."""
        linked = Linked()
        linked.below.upstream.says("www.shop.test.", "A", [rrset(WWW), SHOP.signed(rrset(WWW), expiration=NOW - 1)])
        with pytest.raises(ResolveError) as caught:
            linked.ask(asked("www.shop.test"))
        told = make_error_answer(caught.value)
        assert (told.rcode, told.security) == (2, Security.BOGUS)
        (ede,) = told.edes
        assert isinstance(ede, Ede)
        assert ede.code == EDECode.SIGNATURE_EXPIRED
        assert "www.shop.test A" in ede.text
        assert "expired at" in ede.text
        assert told.proof is not None
        assert told.proof.signer is not None

    def test_a_chain_that_cannot_be_asked_for_is_indeterminate(self) -> None:
        linked = Linked()
        linked.below.upstream.says("www.shop.test.", "A", signed(SHOP, WWW))
        del linked.below.upstream.answers[from_text("test."), 48]
        with pytest.raises(UpstreamError) as caught:
            linked.ask(asked("www.shop.test"))
        assert "test DNSKEY" in caught.value.text
        assert make_error_answer(caught.value).security is Security.INDETERMINATE


#: What may come from below instead of an answer.
FAILURES = [
    UpstreamError("up: no reply in 2 s"),
    UpstreamError("up: no server may be asked", ede=23),
    OverloadedError("too many questions wait for up"),
    ResolveError("no upstream is configured for this name", rcode=5, ede=20),
]


class TestWhatComesToNothing:
    """What cannot be judged for want of an answer is seen by those who observe: it has a ValidationStatus."""

    @pytest.mark.parametrize("error", FAILURES)
    @pytest.mark.parametrize("place", [("www.shop.test.", 1), ("shop.test.", 43), ("test.", 48)])
    def test_an_error_from_below_is_indeterminate(self, place: tuple[str, int], error: ResolveError) -> None:
        """Whether it is in place of the answer or of a part of its chain; rcode and EDE stay."""
        linked = Linked()
        linked.below.upstream.says("www.shop.test.", "A", signed(SHOP, WWW))
        linked.below.errors[from_text(place[0]), place[1]] = error
        with pytest.raises(type(error)) as caught:
            linked.ask(asked("www.shop.test"))
        told = make_error_answer(caught.value)
        assert (told.rcode, told.edes) == (error.rcode, (Ede(error.ede, caught.value.text),))
        assert told.proof == ValidationStatus(Security.INDETERMINATE, reason=caught.value.text, ede=error.ede)
        assert error.text in caught.value.text
        assert error.proof is None

    def test_threads_that_have_no_room_leave_it_indeterminate(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Work that is too much for a turn of the reactor is not done, and says so."""
        monkeypatch.setattr("graydns.dnssec.chain_of_trust.MAX_INLINE_SECONDS", 0.0)
        linked = Linked()
        linked.below.upstream.says("www.shop.test.", "A", signed(SHOP, WWW))
        linked.link.worker_pool.pending = MAX_QUEUED_JOBS
        with pytest.raises(OverloadedError) as caught:
            linked.ask(asked("www.shop.test"))
        assert caught.value.proof == ValidationStatus(
            Security.INDETERMINATE, reason="too many signatures wait to be checked", ede=0
        )

    def test_with_cd_it_is_as_it_is(self) -> None:
        """Nothing was to be judged."""
        linked = Linked()
        linked.below.errors[from_text("www.shop.test."), 1] = FAILURES[0]
        with pytest.raises(UpstreamError) as caught:
            linked.ask(asked("www.shop.test", cd=True))
        assert caught.value.proof is None


class TestSinceWhen:
    """Who observes can tell what came for a query from what was there before it."""

    def test_an_answer_is_there_since_it_came(self) -> None:
        linked = Linked()
        place = from_text("www.shop.test."), 1
        linked.below.upstream.says("www.shop.test.", "A", signed(SHOP, WWW))
        linked.below.upstream.answers[place] = evolve(linked.below.upstream.answers[place], stored_at=7.0)
        linked.clock.advance(50)
        told = linked.ask(asked("www.shop.test"))
        assert told.proof is not None
        assert told.proof.since == 7.0

    def test_a_bogus_one_that_is_remembered_too(self) -> None:
        linked = Linked()
        linked.below.upstream.says("www.shop.test.", "A", [rrset(WWW)])
        for seconds in (0.0, 4.0):
            linked.clock.advance(seconds)
            with pytest.raises(ResolveError) as caught:
                linked.ask(asked("www.shop.test"))
            assert caught.value.proof is not None
            assert caught.value.proof.since == 0.0

    def test_a_failure_that_is_remembered_is_there_since_it_failed(self) -> None:
        """One of the chain says nothing of the answer."""
        for place, since in (("www.shop.test.", 1), 7.0), (("shop.test.", 43), None):
            linked = Linked()
            linked.below.upstream.says("www.shop.test.", "A", signed(SHOP, WWW))
            linked.below.errors[from_text(place[0]), place[1]] = UpstreamError("silent", since=7.0)
            with pytest.raises(UpstreamError) as caught:
                linked.ask(asked("www.shop.test"))
            assert caught.value.proof is not None
            assert caught.value.proof.since == since


def test_a_bogus_answer_is_not_asked_for_by_every_query() -> None:
    """For 5 seconds, then for 10, …; and when it is, it comes from the upstream, not from a cache."""
    linked = Linked()
    linked.below.upstream.says("www.shop.test.", "A", [rrset(WWW)])
    query = asked("www.shop.test")
    counts = []
    for seconds in (0.0, 4.9, 0.2, 9.7, 0.4):
        linked.clock.advance(seconds)
        with pytest.raises(ResolveError):
            linked.ask(query)
        counts.append(sum(each.qname == query.qname and each.qtype == 1 for each in linked.below.queries))
    assert counts == [1, 1, 2, 2, 3]
    assert [(each.qname, each.dnssec_ok) for each in linked.below.forgotten] == [(query.qname, True)] * 3


def test_other_clients_of_a_bogus_answer_are_told_at_once() -> None:
    """With DO or without, the question is one that failed; with CD it did not."""
    linked = Linked()
    linked.below.upstream.says("www.shop.test.", "A", [rrset(WWW)])
    with pytest.raises(ResolveError):
        linked.ask(asked("www.shop.test"))
    linked.ask(asked("www.shop.test", cd=True))


def test_a_mended_zone_is_secure_again() -> None:
    linked = Linked()
    linked.below.upstream.says("www.shop.test.", "A", [rrset(WWW)])
    with pytest.raises(ResolveError):
        linked.ask(asked("www.shop.test"))
    linked.below.upstream.says("www.shop.test.", "A", signed(SHOP, WWW))
    linked.clock.advance(5.0)
    assert linked.ask(asked("www.shop.test")).security is Security.SECURE
