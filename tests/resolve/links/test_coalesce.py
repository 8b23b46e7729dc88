"""Equal questions in flight."""

from __future__ import annotations

import pytest
from attrs import define, evolve, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from graydns.model.answer import Answer
from graydns.model.client import Subnet
from graydns.model.errors import UpstreamError
from graydns.model.query import Query
from graydns.model.transport import TCP
from graydns.resolve.links.coalesce import QueryCoalescer
from tests.resolve.chains import ECS_GROUP, Chain, Driven, make_answer, of_cohort
from tests.upstream.queries import AAAA, GROUP, make_query


@define(eq=False)
class Flights:
    """A QueryCoalescer over an end that the test drives."""

    chain: Chain = field(factory=Chain)
    below: Driven = field(factory=Driven)
    link: QueryCoalescer = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.link = QueryCoalescer(self.below, key=self.chain.keys.make_cohort_key)

    def ask(self, query: Query) -> tuple[Deferred[Answer], list[Answer | Failure]]:
        """Begin to wait: the wait itself, and where its outcome goes."""
        outcome: list[Answer | Failure] = []
        waiting = Deferred.fromCoroutine(self.link.resolve(query))
        waiting.addBoth(outcome.append)
        return waiting, outcome


def test_equal_questions_are_asked_once() -> None:
    """Those who ask while a question is in flight get its one answer."""
    flights = Flights()
    outcomes = [flights.ask(make_query())[1] for _ in range(5)]
    assert len(flights.below.asked) == 1
    flights.below.answer()
    assert len({id(outcome[0]) for outcome in outcomes}) == 1
    flights.ask(make_query())
    assert len(flights.below.asked) == 2


def test_failure_is_shared() -> None:
    """All who wait get the failure, and the next question is a new one."""
    flights = Flights()
    outcomes = [flights.ask(make_query())[1] for _ in range(3)]
    flights.below.fail(UpstreamError("gone"))
    for outcome in outcomes:
        assert isinstance(outcome[0], Failure)
        assert isinstance(outcome[0].value, UpstreamError)
    flights.ask(make_query())
    assert len(flights.below.asked) == 2


def over_tcp() -> Query:
    """A query of a client that may leave."""
    query = make_query()
    return query._replace(client=query.client._replace(transport=TCP))


def test_who_leaves_takes_nobody_along() -> None:
    """Cancelling one wait, even the first, leaves the question and all others as they are."""
    flights = Flights()
    (first, left), (_, stayed) = flights.ask(over_tcp()), flights.ask(make_query())
    first.cancel()
    assert isinstance(left[0], Failure)
    assert isinstance(left[0].value, CancelledError)
    assert flights.below.cancelled == 0
    flights.below.answer()
    assert isinstance(stayed[0], Answer)


def test_last_to_leave_cancels_the_question() -> None:
    """When nobody waits any more the question is cancelled, and a new one begins a new flight."""
    flights = Flights()
    waits = [flights.ask(over_tcp())[0] for _ in range(2)]
    for wait in waits:
        wait.cancel()
    assert flights.below.cancelled == 1
    _, outcome = flights.ask(make_query())
    flights.below.answer()
    assert isinstance(outcome[0], Answer)
    assert len(flights.below.asked) == 2


def test_a_leader_over_udp_that_is_cancelled_leaves_no_flight_behind() -> None:
    """Only the end of the server cancels it; those who wait with it are told, and a new question is a new flight."""
    flights = Flights()
    (leader, _), (_, follower) = flights.ask(make_query()), flights.ask(over_tcp())
    leader.cancel()
    assert isinstance(follower[0], Failure)
    _, outcome = flights.ask(make_query())
    flights.below.answer()
    assert isinstance(outcome[0], Answer)


def test_being_told_may_make_another_leave() -> None:
    """Somebody who cancels another wait on getting the answer breaks nothing."""
    flights = Flights()
    first, _ = flights.ask(make_query())
    second, _ = flights.ask(make_query())
    first.addBoth(lambda _: second.cancel())
    second.addBoth(lambda _: first.cancel())
    flights.below.answer()
    assert flights.below.cancelled == 0


def test_answer_at_once() -> None:
    """A resolver below that need not wait answers in the same turn."""

    class AtOnce:
        async def resolve(self, query: Query) -> Answer:
            return make_answer(query)

    link = QueryCoalescer(AtOnce(), key=Chain().keys.make_cohort_key)
    outcome: list[Answer] = []
    for _ in range(2):
        Deferred.fromCoroutine(link.resolve(make_query())).addCallback(outcome.append)
    assert len(outcome) == 2


SUBNETS = Subnet(b"\xc0\0\2\0", 24), Subnet(b"\xc0\0\3\0", 24)


@pytest.mark.parametrize(
    ("one", "other", "group"),
    [
        (make_query(), make_query(rdtype=AAAA), GROUP),
        (make_query(), make_query("other.test"), GROUP),
        (make_query(), make_query(dnssec_ok=True), GROUP),
        (make_query(), make_query()._replace(checking_disabled=True), GROUP),
        (make_query(), make_query()._replace(qclass=3), GROUP),
        (make_query(), make_query(tenant="t"), GROUP),
        (of_cohort(make_query(), "a"), of_cohort(make_query(), "b"), GROUP),
        (make_query(subnet=SUBNETS[0]), make_query(subnet=SUBNETS[1]), ECS_GROUP),
        (make_query(subnet=SUBNETS[0]), make_query(), ECS_GROUP),
        (make_query(tags=(("a", "b"),)), make_query(), evolve(GROUP, tags=True)),
    ],
)
def test_what_differs_is_not_shared(one: Query, other: Query, group: object) -> None:
    """Type, name, DO, CD, class, tenant, cohort, and the subnet and tags where they are told, keep questions apart."""
    flights = Flights(Chain(group=group))  # type: ignore[arg-type]
    flights.ask(one)
    flights.ask(other)
    assert len(flights.below.asked) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (make_query(), make_query()._replace(id=8, authentic_data=True, recursion_desired=False)),
        (make_query(), make_query(subnet=SUBNETS[0])),
        (make_query(tags=(("a", "b"),)), make_query()),
    ],
)
def test_what_makes_no_difference_is_shared(one: Query, other: Query) -> None:
    """ID, AD, RD, and the subnet and tags where they are not told, do not."""
    flights = Flights()
    flights.ask(one)
    flights.ask(other)
    assert len(flights.below.asked) == 1
