"""Which endpoint a client is sent to first, and the records in that order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from dns.rdatatype import AAAA, TXT, A
from hypothesis import given
from hypothesis import strategies as st

from graydns.gray.endpoint_pool import SLOT_COUNT, EndpointPool, PoolMember, build_pool, encode_records
from tests.conftest import examples
from tests.gray.making import client, query, route, service, version

KEY = bytes(16)
CLIENTS = [number.to_bytes(4, "big") for number in range(4000)]


def _member(number: int, weight: int = 1, types: Sequence[int] = (A,)) -> PoolMember:
    records = {rdtype: (rdtype.to_bytes(2, "big") + number.to_bytes(2, "big"),) for rdtype in types}
    return PoolMember(f"e{number}", encode_records(records), weight, records)


def _pool(*members: PoolMember, answers: int | None = None) -> EndpointPool:
    return build_pool("api.shop.test", "stable", members, answers, KEY)


def _firsts(one: EndpointPool) -> list[str]:
    return [one.members[0 if one.is_fixed else one.select_first(key)].name for key in CLIENTS]


@examples(0.1)
@given(st.lists(st.integers(1, 20), min_size=2, max_size=5))
def test_shares_follow_weights(weights: list[int]) -> None:
    """Each endpoint is first for about its weight's share of clients."""
    made = _pool(*(_member(at, weight) for at, weight in enumerate(weights)))
    counted = Counter(_firsts(made))
    for at, weight in enumerate(weights):
        assert abs(counted[f"e{at}"] / len(CLIENTS) - weight / sum(weights)) < 0.05


@examples(0.1)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=6), st.data())
def test_removed_endpoint_moves_only_its_own_clients(weights: list[int], data: st.DataObject) -> None:
    """Clients of the other endpoints stay; seen backwards, an added endpoint takes clients for itself only."""
    members = [_member(at, weight) for at, weight in enumerate(weights)]
    gone = data.draw(st.sampled_from(members))
    rest = [member for member in members if member is not gone]
    for before, after in zip(_firsts(_pool(*members)), _firsts(_pool(*rest)), strict=True):
        assert before in (after, gone.name)


@examples(0.1)
@given(st.permutations(range(5)))
def test_order_of_list_plays_no_part(order: list[int]) -> None:
    """An endpoint keeps its clients wherever it is listed."""
    members = [_member(at, at + 1) for at in range(5)]
    assert _firsts(_pool(*members)) == _firsts(_pool(*(members[at] for at in order)))


def test_heavier_endpoint_only_gains() -> None:
    """More weight moves clients towards an endpoint and none between the others."""
    before = _firsts(_pool(*(_member(at, 2) for at in range(4))))
    after = _firsts(_pool(_member(0, 3), *(_member(at, 2) for at in range(1, 4))))
    assert {(one, other) for one, other in zip(before, after, strict=True) if one != other} == {
        ("e1", "e0"),
        ("e2", "e0"),
        ("e3", "e0"),
    }


def test_more_than_255_endpoints() -> None:
    """A version may have more endpoints than a byte can number."""
    made = _pool(*map(_member, range(300)))
    assert max(made.select_first(key) for key in CLIENTS[:700]) > 255
    assert [made.select_first(key) for key in CLIENTS[:50]] == [made.select_first(key) for key in CLIENTS[:50]]


def test_slots_are_all_of_the_table() -> None:
    """The highest bits of a hash number the slots."""
    assert SLOT_COUNT == 16_384
    assert SLOT_COUNT.bit_length() == 15


def test_weight_0_is_for_when_all_have_0() -> None:
    """An endpoint of weight 0 is left out while another has more; if all have 0 they count alike."""
    made = _pool(_member(0, 0), _member(1, 5), _member(2, 5))
    assert [member.name for member in made.members] == ["e1", "e2"]
    last = _pool(_member(0, 0), _member(1, 0))
    assert set(_firsts(last)) == {"e0", "e1"}
    assert len(last.records(0)[A]) == 2


@pytest.mark.parametrize(
    ("weights", "answers", "expected"),
    [((1, 1, 1), None, 3), ((1, 2, 1), None, 1), ((1, 2, 1), 2, 2), ((1, 1, 1), 9, 3)],
)
def test_answers(weights: tuple[int, ...], answers: int | None, expected: int) -> None:
    """An answer holds one endpoint if weights differ and all if not, unless the version says how many."""
    made = _pool(*(_member(at, weight) for at, weight in enumerate(weights)), answers=answers)
    assert len(made.records(0)[A]) == expected


def test_rest_follow_in_list_order() -> None:
    """After the first endpoint come those after it, then those before it."""
    made = _pool(*(_member(at) for at in range(4)))
    assert made.records(2)[A] == tuple(bytes((0, A, 0, at)) for at in (2, 3, 0, 1))


def test_type_that_first_endpoint_lacks() -> None:
    """The answer for such a type starts at the next endpoint that has it."""
    made = _pool(_member(0), _member(1), _member(2, types=(A, AAAA)), _member(3, types=(AAAA,)), answers=1)
    assert made.records(0) == {A: (bytes((0, A, 0, 0)),), AAAA: (bytes((0, AAAA, 0, 2)),)}
    assert made.records(3) == {A: (bytes((0, A, 0, 0)),), AAAA: (bytes((0, AAAA, 0, 3)),)}
    assert TXT not in made.records(0)


def test_cohorts_are_at_most_the_endpoints() -> None:
    """A version has one Decision for each first endpoint, and A and AAAA of a client are the same one."""
    router = route({"api.shop.test": service(versions={"stable": version(*(f"192.0.2.{at}" for at in range(5)))})})
    decisions = set()
    for number in range(200):
        asker = client(f"198.51.100.{number}")
        decision = router.decide(query("api.shop.test", asker))
        assert router.decide(query("api.shop.test", asker, "AAAA")) is decision
        assert decision.records[A][0] == bytes((192, 0, 2, int(decision.cohort.endpoint.rsplit(".")[-1])))
        decisions.add(decision)
    assert len(decisions) == len({decision.cohort for decision in decisions}) == 5


def test_of_thousands_there_are_as_many_as_a_message_has_room_for() -> None:
    """Over TCP nothing could be asked for again; the client's endpoint is first all the same."""
    made = _pool(*(_member(number) for number in range(10_000)))
    for first in (0, 9_999):
        rdatas = made.records(first)[A]
        assert rdatas[0] == made.members[first].records[A][0]
        assert 60_000 < len(rdatas) * (12 + 4) <= 61_440
    assert len(_pool(*(_member(number) for number in range(3_840))).records(5)[A]) == 3_840
