"""The order and the times at which servers are asked, on a clock that the test moves."""

from __future__ import annotations

import pytest
from attrs import define, evolve, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from graydns.model.answer import Answer
from graydns.model.errors import UpstreamError
from graydns.model.transport import TCP
from graydns.upstream.exchange import ExchangeError
from graydns.upstream.server_groups import UpstreamServer
from graydns.upstream.upstream_client import UpstreamClient
from tests.upstream.queries import GROUP, DrivenExchange, Notes, make_query

FIRST, SECOND = UpstreamServer("192.0.2.53"), UpstreamServer("192.0.2.54")
ADDRESS = "www.shop.test. 60 IN A 192.0.2.1"


@define(eq=False)
class Asked:
    """A client whose two servers the test drives. *outcome*: what the last question came to."""

    clock: Clock = field(factory=Clock)
    first: DrivenExchange = field(factory=DrivenExchange)
    second: DrivenExchange = field(factory=DrivenExchange)
    notes: Notes = field(factory=Notes)
    outcome: list[Answer | Failure] = field(factory=list)
    client: UpstreamClient = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.client = UpstreamClient(self.clock, self.clock.seconds, self.notes)  # type: ignore[arg-type]
        self.client._exchanges.update({FIRST: self.first, SECOND: self.second})

    def ask(self, *servers: UpstreamServer) -> Deferred[None]:
        """Begin a question with a deadline of 0.9 seconds."""
        group = evolve(GROUP, servers=servers, deadline=0.9)
        return self.client.ask(make_query(), group).addBoth(self.outcome.append)

    def counts(self) -> tuple[int, int]:
        """How often each server was asked."""
        return len(self.first.asked), len(self.second.asked)

    def error(self) -> UpstreamError:
        """What the last question failed with; nothing of it is left."""
        error = self.failure()
        assert isinstance(error, UpstreamError)
        return error

    def failure(self) -> BaseException:
        """What the last question failed with; nothing of it is left."""
        failure = self.outcome[-1]
        assert isinstance(failure, Failure)
        assert failure.value is not None
        assert not self.client.pending
        return failure.value


def test_second_server_is_asked_after_a_third_of_the_deadline() -> None:
    """A silent first server gets company, and whoever answers first ends it all."""
    asked = Asked()
    asked.ask(FIRST, SECOND)
    asked.clock.advance(0.29)
    assert asked.counts() == (1, 0)
    asked.clock.advance(0.02)
    assert asked.counts() == (1, 1)
    asked.first.reply(ADDRESS)
    assert isinstance(asked.outcome[0], Answer)
    assert (asked.second.cancelled, asked.client.pending) == (1, 0)


def test_only_server_is_asked_again() -> None:
    """With one server the question goes out three times."""
    asked = Asked()
    asked.ask(FIRST)
    asked.clock.pump([0.31, 0.31])
    assert asked.counts() == (3, 0)
    asked.first.reply(ADDRESS, index=1)
    assert (len(asked.outcome), asked.first.cancelled) == (1, 2)


def test_stream_servers_are_not_asked_again() -> None:
    """Over TCP nothing gets lost, so a silent server is only waited for."""
    asked = Asked()
    asked.client._exchanges[stream := evolve(FIRST, transport=TCP)] = asked.first
    asked.ask(stream)
    asked.clock.pump([0.31, 0.31])
    assert asked.counts() == (1, 0)
    asked.clock.advance(0.31)
    assert asked.error().ede == 22


def test_failure_does_not_wait() -> None:
    """A server that fails hands over at once; when the last has failed the question has, before its deadline."""
    asked = Asked()
    asked.ask(FIRST, SECOND)
    asked.first.reply(rcode=2)
    assert asked.counts() == (1, 1)
    asked.second.fail(ExchangeError("no route"))
    assert (asked.error().ede, str(asked.error())) == (22, "upstream test: no route")
    assert asked.notes.details == ["SERVFAIL", "no route"]


def test_network_failure_everywhere_is_a_network_error() -> None:
    """Only if the network failed with every server is the error one of the network (EDE 23)."""
    asked = Asked()
    asked.ask(FIRST, SECOND)
    asked.first.fail(ExchangeError("no route"))
    asked.second.fail(ExchangeError("no route"))
    assert asked.error().ede == 23


def test_failed_server_goes_last_for_a_while() -> None:
    """Later questions begin with the server that worked, until the suspicion is over."""
    asked = Asked()
    asked.ask(FIRST, SECOND)
    asked.first.reply(rcode=2)
    asked.second.reply(ADDRESS)
    asked.ask(FIRST, SECOND)
    assert asked.counts() == (1, 2)
    asked.second.reply(ADDRESS)
    asked.clock.advance(11)
    asked.ask(FIRST, SECOND)
    assert asked.counts() == (2, 2)


def test_silent_servers_are_suspected() -> None:
    """All that were still silent at the deadline have failed."""
    asked = Asked()
    asked.ask(FIRST, SECOND)
    asked.clock.pump([0.31] * 3)
    assert (asked.error().ede, asked.notes.details) == (22, ["silence"] * 3)


def test_group_without_servers_fails() -> None:
    """A group whose list is empty has nobody to ask."""
    asked = Asked()
    asked.ask()
    assert asked.error().ede == 23


def test_cancelling_cancels_every_exchange() -> None:
    """Who stops waiting stops all attempts and the timer."""
    asked = Asked()
    asking = asked.ask(FIRST, SECOND)
    asked.clock.advance(0.31)
    asking.cancel()
    assert isinstance(asked.failure(), CancelledError)
    assert (asked.first.cancelled, asked.second.cancelled) == (1, 1)


def test_our_own_mistakes_are_not_swallowed() -> None:
    """An unexpected exception of an exchange reaches whoever asked, at once."""
    asked = Asked()
    asked.ask(FIRST, SECOND)
    asked.first.fail(ZeroDivisionError())
    assert isinstance(asked.failure(), ZeroDivisionError)


@pytest.mark.parametrize("rcode", [1, 16])
def test_forms_end(rcode: int) -> None:
    """After FORMERR or BADVERS the simplest form is tried; a server that refuses that, too, has failed."""
    asked = Asked()
    asked.ask(FIRST)
    asked.first.reply(rcode=rcode)
    asked.first.reply(rcode=1)
    assert (asked.counts(), str(asked.error())) == ((2, 0), "upstream test: FORMERR")
