"""What the cache of cohorts answers, and when it asks again."""

from __future__ import annotations

import dns.message
import pytest
from attrs import evolve
from twisted.internet.defer import CancelledError

from graydns.model.answer import ANSWER, Answer, Ede
from graydns.model.errors import OverloadedError, UpstreamError
from graydns.resolve.cache.answer_cache import FAILURE_RECHECK_SECONDS, StalePolicy
from graydns.wire.answer_body import RRset, build_body
from graydns.wire.render import render_reply
from tests.resolve.chains import Chain, address_of, of_cohort
from tests.upstream.queries import make_query, show

WWW = make_query()


def ttls(chain: Chain) -> set[int]:
    """The TTLs that a client gets now with the last answer."""
    reply = render_reply(WWW, chain.answer(), now=chain.clock.seconds(), limit=1232, recursion_available=True)
    return {rrset.ttl for rrset in dns.message.from_wire(reply).answer}


def test_answer_is_given_until_its_ttl_is_over() -> None:
    """A fresh entry is given without asking below; its TTLs fall second by second."""
    chain = Chain(StalePolicy(max_stale_seconds=0))
    chain.learn(WWW, ttl=60)
    for seconds, ttl in ((1, 59), (58.5, 1)):
        chain.clock.advance(seconds)
        chain.get(WWW)
        assert ttls(chain) == {ttl}
    assert chain.asked() == 1
    chain.clock.advance(1)
    chain.ask(WWW)
    assert chain.asked() == 2


def test_negative_answers_are_kept_too() -> None:
    """NXDOMAIN and NODATA are remembered for their TTL."""
    chain = Chain(StalePolicy(max_stale_seconds=0))
    for rcode in (3, 0):
        query = make_query(f"gone{rcode}.test")
        chain.learn(query, ttl=30, rcode=rcode, body=b"", spans=())
        assert chain.get(query).rcode == rcode
        chain.clock.advance(31)
        chain.ask(query)
        assert chain.asked() == (2 if rcode else 4)


def test_answer_without_a_ttl_is_not_kept() -> None:
    """TTL 0 means that everybody asks anew."""
    chain = Chain()
    chain.learn(WWW, ttl=0)
    chain.ask(WWW)
    assert chain.asked() == 2


def test_cohorts_do_not_mix() -> None:
    """What one cohort was told another never gets."""
    chain = Chain()
    chain.learn(of_cohort(WWW, "a"), last=1)
    chain.learn(of_cohort(WWW, "b"), last=2)
    assert address_of(chain.get(of_cohort(WWW, "a"))) == 1
    assert address_of(chain.get(of_cohort(WWW, "b"))) == 2


def test_expired_answer_is_given_at_once_and_refreshed_behind() -> None:
    """Past its TTL an answer has the TTL for stale ones and EDE 3, and one question goes out behind it."""
    chain = Chain(StalePolicy(max_stale_seconds=100, ttl=30))
    chain.learn(WWW, ttl=60, last=1)
    chain.clock.advance(61)
    for _ in range(3):
        stale = chain.get(WWW)
        assert (ttls(chain), stale.edes, stale.ttl) == ({30}, (Ede(3),), 0)
    assert chain.asked() == 2
    chain.below.answer(last=2)
    assert address_of(chain.get(WWW)) == 2
    assert chain.answer().edes == ()


def test_stale_nxdomain_says_so() -> None:
    """A stale NXDOMAIN carries EDE 19."""
    chain = Chain()
    chain.learn(WWW, ttl=30, rcode=3, body=b"", spans=())
    chain.clock.advance(31)
    assert chain.get(WWW).edes == (Ede(19),)


def test_stale_ends() -> None:
    """After ``stale.for`` an answer is forgotten: failures are then failures."""
    chain = Chain(StalePolicy(max_stale_seconds=100))
    chain.learn(WWW, ttl=60)
    chain.clock.advance(160)
    chain.ask(WWW)
    chain.below.fail(UpstreamError("gone"))
    assert isinstance(chain.error(), UpstreamError)


def test_failed_refresh_keeps_the_answer_and_waits() -> None:
    """The old answer stays, and the next refresh is begun only after the recheck time."""
    chain = Chain()
    chain.learn(WWW)
    chain.clock.advance(61)
    chain.get(WWW)
    chain.below.fail(UpstreamError("gone"))
    chain.clock.advance(FAILURE_RECHECK_SECONDS - 0.1)
    chain.get(WWW)
    assert chain.asked() == 2
    chain.clock.advance(0.2)
    chain.get(WWW)
    assert chain.asked() == 3


@pytest.mark.parametrize("rcode", [0, 3])
@pytest.mark.parametrize("ttl", [0, 30])
def test_refresh_that_finds_nothing_replaces_the_answer(rcode: int, ttl: int) -> None:
    """A name that has gone is gone: stale data is for failures only."""
    chain = Chain()
    chain.learn(WWW)
    chain.clock.advance(61)
    chain.get(WWW)
    chain.below.answer(ttl=ttl, rcode=rcode, body=b"", spans=())
    chain.ask(WWW)
    if ttl:
        assert (chain.answer().rcode, chain.answer().body, chain.asked()) == (rcode, b"", 2)
    else:
        assert chain.asked() == 3


def test_client_may_wait_for_a_fresh_answer_first() -> None:
    """With ``client_timeout`` the fresh answer is given if it comes in time."""
    chain = Chain(StalePolicy(client_timeout=1.8))
    chain.learn(WWW, last=1)
    chain.clock.advance(61)
    chain.ask(WWW)
    chain.clock.advance(1.7)
    chain.below.answer(last=2)
    assert (address_of(chain.answer()), chain.clock.getDelayedCalls()) == (2, [])


def test_client_gets_stale_when_the_wait_is_over() -> None:
    """After ``client_timeout`` the stale answer goes out, and the question goes on behind it."""
    chain = Chain(StalePolicy(client_timeout=1.8))
    chain.learn(WWW, last=1)
    chain.clock.advance(61)
    chain.ask(WWW)
    chain.clock.advance(1.9)
    assert (address_of(chain.answer()), chain.answer().edes) == (1, (Ede(3),))
    chain.below.answer(last=2)
    assert address_of(chain.get(WWW)) == 2


def test_waiting_ends_with_a_failure() -> None:
    """With ``client_timeout`` a failure below gives the stale answer at once, and no wait until the recheck time."""
    chain = Chain(StalePolicy(client_timeout=1.8))
    chain.learn(WWW)
    chain.clock.advance(61)
    chain.ask(WWW)
    chain.below.fail(UpstreamError("gone"))
    assert chain.answer().edes == (Ede(3),)
    assert chain.get(WWW).edes == (Ede(3),)
    assert (chain.asked(), chain.clock.getDelayedCalls()) == (2, [])


def test_client_that_leaves_while_it_waits() -> None:
    """Cancelling such a wait ends its timer; the refresh goes on."""
    chain = Chain(StalePolicy(client_timeout=1.8))
    chain.learn(WWW, last=1)
    chain.clock.advance(61)
    chain.ask(WWW).cancel()
    assert isinstance(chain.error(), CancelledError)
    assert (chain.clock.getDelayedCalls(), chain.below.cancelled) == ([], 0)
    chain.below.answer(last=2)
    assert address_of(chain.get(WWW)) == 2


def test_stale_never_outlives_a_signature() -> None:
    """With DO, stale ends when the first RRSIG of the answer expires, and its TTL does not reach past that."""
    query = make_query(dnssec_ok=True)
    chain = Chain(StalePolicy(max_stale_seconds=10_000, ttl=30))
    expiration = int(chain.wall) + 100
    rrsig = b"\0\1\x0d\2\0\0\0\x3c" + expiration.to_bytes(4, "big") + bytes(6) + b"\0" + b"signature"
    rrsets = [RRset(ANSWER, query.qname, 1, 1, 60, (b"\xc0\0\2\1",)), RRset(ANSWER, query.qname, 46, 1, 60, (rrsig,))]
    body, spans = build_body(query.qname, rrsets)
    chain.learn(query, body=body, spans=spans)
    chain.clock.advance(80)
    assert {line.split()[2] for line in show(query, chain.get(query))} == {"20"}
    chain.below.fail(UpstreamError("gone"))
    chain.clock.advance(21)
    chain.ask(query)
    assert chain.asked() == 3


def test_hot_answers_are_refreshed_before_they_expire() -> None:
    """An answer often given that is asked for in its last tenth is asked for anew behind it; a rare one is not."""
    chain = Chain(raw=True)
    rare = make_query("rare.test")
    chain.learn(rare)
    chain.learn(WWW, last=1)
    for _ in range(5):
        chain.get(WWW)
    chain.clock.advance(54.1)
    chain.get(rare)
    assert chain.asked() == 2
    assert address_of(chain.get(WWW)) == 1
    chain.get(WWW)
    assert chain.asked() == 3
    chain.below.answer(last=2)
    assert address_of(chain.get(WWW)) == 2
    chain.clock.advance(50)
    assert address_of(chain.get(WWW)) == 2
    assert chain.asked() == 3


def test_overload_is_no_failure_of_the_upstream() -> None:
    """A refresh that found the server busy is tried again with the next query, and a miss then says so."""
    chain = Chain()
    chain.learn(WWW)
    chain.clock.advance(61)
    for expected in (2, 3):
        chain.get(WWW)
        assert chain.asked() == expected
        chain.below.fail(OverloadedError("busy"))
    chain.ask(make_query("other.test"))
    chain.below.fail(OverloadedError("busy"))
    assert isinstance(chain.error(), OverloadedError)


def test_bug_in_a_refresh_does_not_reach_the_client() -> None:
    """An unexpected exception behind an answer is logged, and the next query tries again."""
    chain = Chain()
    chain.learn(WWW)
    chain.clock.advance(61)
    chain.get(WWW)
    chain.below.fail(ZeroDivisionError())
    assert chain.get(WWW).edes == (Ede(3),)
    assert chain.asked() == 3


def test_answer_of_a_former_origin_is_neither_kept_nor_given() -> None:
    """What a swap has made outdated is refused on the way in and on the way out, also as stale."""
    chain = Chain()
    chain.learn(WWW, last=1)
    origin = chain.answer().origin
    chain.ask(make_query("late.test"))
    chain.gone.add(origin)
    chain.below.answer()
    for query in (WWW, make_query("late.test")):
        chain.ask(query)
        assert chain.below.asked[-1][0].qname == query.qname
    assert chain.asked() == 4


def test_refresh_of_a_former_origin_does_not_come_back() -> None:
    """A refresh that was begun before a swap leaves nothing behind after it."""
    chain = Chain()
    chain.learn(WWW)
    chain.clock.advance(61)
    chain.get(WWW)
    chain.gone.add(chain.answer().origin)
    chain.below.answer(last=2)
    chain.ask(WWW)
    assert chain.asked() == 3


@pytest.mark.parametrize("refresh", [False, True])
def test_answer_that_was_asked_for_before_something_was_forgotten_is_not_kept(*, refresh: bool) -> None:
    """What is forgotten because it is believed no more does not come back; who waits for it gets it."""
    chain = Chain()
    if refresh:
        chain.learn(WWW, ttl=60, last=1)
        chain.clock.advance(61)
    chain.ask(WWW)
    chain.store.flush()
    chain.below.answer(last=2)
    assert [address_of(each) for each in chain.got if isinstance(each, Answer)][-1] == (1 if refresh else 2)
    asked = chain.asked()
    chain.ask(WWW)
    assert chain.asked() == asked + 1
    chain.below.answer(last=3)
    assert address_of(chain.get(WWW)) == 3


def test_stored_time_of_the_answer_counts() -> None:
    """An answer that comes with its own age, from the raw cache, expires when it does there."""
    chain = Chain(StalePolicy(max_stale_seconds=0))
    chain.clock.advance(100)
    chain.ask(WWW)
    chain.below.answer(ttl=60, stored_at=70.0)
    chain.clock.advance(31)
    chain.ask(WWW)
    assert chain.asked() == 2
    assert evolve(chain.answer(), stored_at=None).ttl == 60
