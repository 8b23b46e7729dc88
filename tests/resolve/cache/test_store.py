"""How much is remembered, for whom, and for which networks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graydns.model.client import Subnet
from graydns.model.decision import Cohort
from graydns.resolve.cache.cache_keys import (
    MAX_SUBNETS_PER_QUESTION,
    NO_CLIENT_SUBNET,
    CacheKey,
    truncate_subnet,
)
from graydns.resolve.cache.store import AnswerStore
from tests.resolve.chains import ECS_GROUP, Chain, address_of, make_answer, of_cohort
from tests.upstream.queries import make_query


def limited(size: int) -> Chain:
    """A chain whose partitions hold *size* octets each."""
    return Chain(size=size)


def test_partitions_are_bounded_each() -> None:
    """One tenant's answers push out its own oldest ones and nobody else's."""
    chain = limited(20_000)
    other = make_query("mine.test", tenant="other")
    chain.learn(other)
    for number in range(100):
        chain.learn(make_query(f"n{number}.test"))
    stats = chain.store.stats()
    assert stats["default"].octets <= 20_000 < stats["default"].octets + 1000
    assert 10 < stats["default"].entries < 100
    assert (stats["other"].entries, chain.store.counts["evicted"]) == (1, 100 - stats["default"].entries)
    chain.get(other)


def test_least_recently_used_goes_first() -> None:
    """An answer that is asked for stays while older ones go."""
    chain = limited(20_000)
    for number in range(100):
        chain.learn(make_query(f"n{number}.test"))
        chain.get(make_query("n0.test"))
    asked = chain.asked()
    chain.ask(make_query("n1.test"))
    assert chain.asked() == asked + 1


def test_replacing_an_answer_takes_its_room() -> None:
    """The same question again and again does not fill the partition."""
    chain = Chain()
    key = chain.keys.make_raw_key(make_query())
    for _ in range(10):
        chain.store.store(key, make_answer(make_query()), 0.0)
    first = chain.store.stats()["default"]
    assert first.entries == 1
    chain.store.flush()
    assert chain.store.stats()["default"].octets == 0
    assert first.octets < 1200


def test_one_huge_answer_is_not_worth_all_others() -> None:
    """An answer of more than an eighth of its partition is given, but not kept."""
    chain = limited(20_000)
    chain.learn(make_query("small.test"))
    chain.learn(make_query(), body=bytes(5000))
    assert chain.store.stats()["default"].entries == 1


def test_no_room_at_all() -> None:
    """A partition of size 0 keeps nothing."""
    chain = limited(0)
    chain.learn(make_query())
    assert chain.store.stats()["default"].entries == 0


@pytest.mark.parametrize(
    ("name", "cohort", "left"),
    [
        (None, None, 0),
        (make_query("a.test").qname, None, 2),
        (None, Cohort("default", "", "x"), 2),
        (make_query("a.test").qname, Cohort("default", "", "x"), 3),
    ],
)
def test_flush_forgets_what_it_names(name: bytes | None, cohort: Cohort | None, left: int) -> None:
    """By name, by cohort, by both, or everything; the number that went is told."""
    chain = Chain()
    for host in ("a.test", "b.test"):
        for outcome in ("x", "y"):
            chain.learn(of_cohort(make_query(host), outcome))
    assert chain.store.flush(name, cohort) == 4 - left
    assert chain.store.stats()["default"].entries == left


def test_flush_of_a_cohort_takes_what_upstreams_said() -> None:
    """Else the flushed answer would be back with the next query."""
    chain = Chain(raw=True)
    chain.learn(of_cohort(make_query(), "x"))
    chain.learn(of_cohort(make_query("b.test"), "y"))
    assert chain.store.flush(cohort=Cohort("default", "", "x")) == 3
    chain.ask(of_cohort(make_query(), "x"))
    assert chain.asked() == 3


def ecs(prefix: int, *octets: int) -> Subnet:
    """The IPv4 network of *octets*."""
    return truncate_subnet(Subnet(bytes(octets).ljust(4, b"\0"), 32), prefix)


def keep(store: AnswerStore, chain: Chain, subnet: Subnet | None, scope: int, last: int) -> None:
    """Keep an answer to a query with *subnet*, of *scope*."""
    query = make_query(subnet=subnet)
    store.store(chain.keys.make_raw_key(query), make_answer(query, last=last, ecs_scope=scope), 0.0)


def find(store: AnswerStore, chain: Chain, subnet: Subnet | None) -> int | None:
    """Which answer a query with *subnet* gets."""
    entry = store.find(chain.keys.make_raw_key(make_query(subnet=subnet)))
    return None if entry is None else address_of(entry.answer)


def test_answer_is_for_the_network_of_its_scope() -> None:
    """It is found from inside that network only; the longest network that holds the client wins."""
    chain = Chain(group=ECS_GROUP)
    store = chain.store
    keep(store, chain, ecs(24, 192, 0, 2), 16, 1)
    keep(store, chain, ecs(24, 192, 0, 2), 24, 2)
    assert find(store, chain, ecs(24, 192, 0, 2)) == 2
    assert find(store, chain, ecs(32, 192, 0, 2, 77)) == 2
    assert find(store, chain, ecs(24, 192, 0, 99)) == 1
    assert find(store, chain, ecs(16, 192, 0)) == 1
    assert find(store, chain, ecs(8, 192)) is None
    assert find(store, chain, ecs(24, 198, 51, 100)) is None
    assert find(store, chain, None) is None


def test_scope_beyond_source_counts_as_source() -> None:
    """Nothing is known beyond what was told (RFC 7871 section 7.3.1)."""
    chain = Chain(group=ECS_GROUP)
    keep(chain.store, chain, ecs(20, 192, 0, 16), 24, 1)
    assert find(chain.store, chain, ecs(20, 192, 0, 16)) == 1
    assert find(chain.store, chain, ecs(24, 192, 0, 17)) == 1


def test_scope_zero_is_for_everyone() -> None:
    """An answer that the upstream calls good for all is found by all, also by those who tell nothing."""
    chain = Chain(group=ECS_GROUP)
    keep(chain.store, chain, ecs(24, 192, 0, 2), 0, 1)
    for subnet in (ecs(24, 198, 51, 100), Subnet(bytes(16), 56), ecs(0), None):
        assert find(chain.store, chain, subnet) == 1


def test_answer_to_nobody_is_for_nobody() -> None:
    """What was said without a subnet, or to SOURCE 0, is not for those who tell theirs (RFC 7871 section 7.3.1)."""
    chain = Chain(group=ECS_GROUP)
    keep(chain.store, chain, None, 0, 1)
    assert find(chain.store, chain, None) == 1
    assert find(chain.store, chain, ecs(0)) == 1
    assert find(chain.store, chain, ecs(24, 192, 0, 2)) is None
    keep(chain.store, chain, ecs(24, 192, 0, 2), 0, 2)
    assert find(chain.store, chain, None) == 1


def test_families_do_not_mix() -> None:
    """An IPv6 network never holds an IPv4 one, equal bits or not."""
    chain = Chain(group=ECS_GROUP)
    keep(chain.store, chain, ecs(24, 0x20, 1, 0x0D), 24, 4)
    keep(chain.store, chain, Subnet(b"\x20\1\x0d" + bytes(13), 24), 24, 6)
    assert find(chain.store, chain, ecs(24, 0x20, 1, 0x0D)) == 4
    assert find(chain.store, chain, Subnet(b"\x20\1\x0d\xb8" + bytes(12), 32)) == 6


def test_networks_of_a_question_are_bounded() -> None:
    """Past one hundred networks for a question the oldest goes."""
    chain = Chain(group=ECS_GROUP)
    for number in range(MAX_SUBNETS_PER_QUESTION + 50):
        keep(chain.store, chain, ecs(24, 192, 0, number), 24, number)
    assert chain.store.stats()["default"].entries == MAX_SUBNETS_PER_QUESTION
    assert find(chain.store, chain, ecs(24, 192, 0, 49)) is None
    assert find(chain.store, chain, ecs(24, 192, 0, 50)) == 50


def test_networks_go_with_their_entries() -> None:
    """Eviction and flush leave no index behind."""
    chain = Chain(group=ECS_GROUP, size=20_000)
    for number in range(200):
        query = make_query(f"n{number}.test", subnet=ecs(24, 192, 0, 2))
        chain.store.store(chain.keys.make_raw_key(query), make_answer(query, ecs_scope=24), 0.0)
    assert len(chain.store._subnet_indexes) == chain.store.stats()["default"].entries
    chain.store.flush()
    assert not chain.store._subnet_indexes


@given(
    st.lists(st.tuples(st.binary(min_size=4, max_size=4), st.integers(1, 32)), max_size=20),
    st.binary(min_size=4, max_size=4),
)
def test_longest_match_is_the_longest(known: list[tuple[bytes, int]], address: bytes) -> None:
    """Lookup agrees with looking at every network that was kept."""
    chain = Chain(group=ECS_GROUP)
    base = chain.keys.make_raw_key(make_query())
    networks = {truncate_subnet(Subnet(octets, 32), prefix) for octets, prefix in known}
    for each in networks:
        chain.store.store(_key(base, each), make_answer(make_query(), ecs_scope=each.prefix, why=repr(each)), 0.0)
    client = Subnet(address, 32)
    holding = [each for each in networks if truncate_subnet(client, each.prefix) == each]
    entry = chain.store.find(_key(base, client))
    expected = repr(max(holding, key=lambda each: each.prefix)) if holding else None
    assert (None if entry is None else entry.answer.why) == expected


def _key(base: CacheKey, subnet: Subnet) -> CacheKey:
    assert base.subnet == NO_CLIENT_SUBNET
    return base._replace(subnet=subnet)
