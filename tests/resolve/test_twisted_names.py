"""graydns and twisted.names as parts of one another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import define, evolve
from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.interfaces import IResolver
from twisted.internet.task import Clock
from twisted.names import authority, client, dns, error, resolve
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from graydns.model.answer import Answer
from graydns.model.errors import ResolveError, UpstreamError
from graydns.model.query import Query
from graydns.resolve.link import Resolver
from graydns.resolve.links.coalesce import QueryCoalescer
from graydns.resolve.links.forwarder import Forwarder
from graydns.resolve.twisted_names import IResolverUpstream, PipelineResolver, RecordLists, ReplyCodeError
from graydns.upstream.server_groups import UpstreamGroup
from tests.coroutines import on_reactor
from tests.resolve.chains import Driven, make_answer
from tests.upstream.queries import AAAA, GROUP, MX, make_query, show, write_reply
from tests.upstream.scripted import reactor, scripted

ZONE = b"""\
$ORIGIN shop.test.
$TTL 60
shop.test. 60 IN SOA ns.shop.test. root.shop.test. 1 3600 600 86400 30
shop.test. 60 IN NS ns.shop.test.
shop.test. 60 IN MX 10 mail.shop.test.
mail.shop.test. 60 IN A 192.0.2.25
www.shop.test. 60 IN A 192.0.2.1
www.shop.test. 60 IN A 192.0.2.2
alias.shop.test. 60 IN CNAME www.shop.test.
"""


@pytest.fixture
def zone(tmp_path: Path) -> authority.BindAuthority:
    """An authority of Twisted's own for shop.test."""
    (tmp_path / "zone").write_bytes(ZONE)
    return authority.BindAuthority(str(tmp_path / "zone"))


def as_upstream(resolver: Any, group: UpstreamGroup = GROUP) -> Forwarder:
    """The end of a chain that asks *resolver* in the place of *group*'s servers."""
    return Forwarder(client=IResolverUpstream(resolver, reactor, lambda: 0.0), choose_group=lambda query: group)


@on_reactor
async def test_authority_of_twisted_ends_a_chain(zone: authority.BindAuthority) -> None:
    """Addresses, aliases and other records of a BindAuthority come out as an Answer."""
    end = as_upstream(zone)
    query = make_query()
    answer = await end.resolve(query)
    assert sorted(show(query, answer)) == [f"answer www.shop.test. 60 IN A 192.0.2.{last}" for last in (1, 2)]
    assert (answer.ttl, answer.authoritative, answer.forwarded, answer.origin) == (60, True, True, GROUP)
    alias = make_query("alias.shop.test")
    assert show(alias, await end.resolve(alias))[0] == "answer alias.shop.test. 60 IN CNAME www.shop.test."
    mail = make_query("shop.test", MX)
    assert show(mail, await end.resolve(mail)) == ["answer shop.test. 60 IN MX 10 mail.shop.test."]


@on_reactor
async def test_negatives_of_an_authority(zone: authority.BindAuthority) -> None:
    """No such type: NODATA with the SOA's negative TTL. No such name: NXDOMAIN. Another's name: REFUSED."""
    end = as_upstream(zone)
    empty = await end.resolve(make_query(rdtype=AAAA))
    assert (empty.rcode, empty.ttl, empty.counts()) == (0, 30, (0, 1, 0))
    gone = await end.resolve(make_query("gone.shop.test"))
    assert (gone.rcode, gone.ttl) == (3, 0)
    with pytest.raises(ResolveError) as caught:
        await end.resolve(make_query("www.other.test"))
    assert caught.value.rcode == 5


@on_reactor
async def test_client_of_twisted_ends_a_chain() -> None:
    """A twisted.names client asks its server for us."""
    address = "www.shop.test. 60 IN A 192.0.2.1"
    async with scripted(lambda query: [write_reply(query, [address])]) as server:
        names: Any = client.Resolver(None, [("127.0.0.1", server.port)], (1,), reactor)
        assert show(make_query(), await as_upstream(names).resolve(make_query())) == [f"answer {address}"]


@define
class Failing:
    """An IResolver that knows one way to fail."""

    failure: Exception

    def query(self, query: dns.Query, timeout: Sequence[int] | None = None) -> Deferred[RecordLists]:
        return defer.fail(self.failure)


@pytest.mark.parametrize(
    ("fail", "rcode", "ede"),
    [
        (defer.TimeoutError, 2, 22),
        (error.DNSServerError, 2, 22),
        (Refused, 2, 23),
        (error.DNSQueryRefusedError, 5, 20),
        (NotImplementedError, 4, 0),
    ],
)
@on_reactor
async def test_failures_of_twisted_become_ours(fail: type[Exception], rcode: int, ede: int) -> None:
    """Each kind of failure has its rcode and its EDE."""
    with pytest.raises(ResolveError) as caught:
        await as_upstream(Failing(fail())).resolve(make_query())
    assert (caught.value.rcode, caught.value.ede) == (rcode, ede)


@on_reactor
async def test_name_error_of_twisted_is_an_answer() -> None:
    """DNSNameError is NXDOMAIN, which is no failure."""
    assert (await as_upstream(Failing(error.DNSNameError())).resolve(make_query())).rcode == 3


@on_reactor
async def test_label_with_a_dot_cannot_be_asked() -> None:
    """twisted.names joins labels with dots, so such a name would become another one."""
    query = make_query()._replace(qname=b"\3a.b\4test\0", question=b"\3a.b\4test\0\0\1\0\1")
    with pytest.raises(ResolveError):
        await as_upstream(Failing(ZeroDivisionError())).resolve(query)


class Ours:
    """The end of a chain of ours: one address for every name but gone.test."""

    async def resolve(self, query: Query) -> Answer:
        """As ``Resolver``."""
        if query.qname == b"\4gone\4test\0":
            return Answer(rcode=3)
        if query.qname == b"\4dead\4test\0":
            raise UpstreamError("nobody there")
        return make_answer(query)


def as_names(chain: Resolver) -> Any:
    """*chain* for Twisted."""
    return PipelineResolver(lambda: chain, reactor=Clock(), clock=lambda: 0.0)


def test_chain_is_an_iresolver() -> None:
    """It has every method that Twisted may call."""
    assert verifyObject(IResolver, as_names(Ours()))


@on_reactor
async def test_twisted_looks_up_through_us() -> None:
    """lookupAddress gives Twisted's own records, and getHostByName an address."""
    names = as_names(Ours())
    answers, authorities, additional = await names.lookupAddress("www.shop.test")
    assert [(str(each.name), each.type, each.ttl, each.payload.dottedQuad()) for each in answers] == [
        ("www.shop.test", dns.A, 60, "192.0.2.1")
    ]
    assert (authorities, additional) == ([], [])
    assert await names.getHostByName("www.shop.test") == "192.0.2.1"


@pytest.mark.parametrize(("name", "kind"), [("gone.test", error.DNSNameError), ("dead.test", ReplyCodeError)])
@on_reactor
async def test_failures_are_those_of_twisted(name: str, kind: type[Exception]) -> None:
    """NXDOMAIN is a name error; SERVFAIL is no DomainError, for which stock servers reply NXDOMAIN."""
    with pytest.raises(kind):
        await as_names(Ours()).lookupAddress(name)


@on_reactor
async def test_types_unknown_to_twisted_are_asked() -> None:
    """A query of any type reaches our chain with that type."""
    driven = Driven()
    as_names(driven).query(dns.Query(b"www.shop.test", 65, dns.IN))
    assert driven.asked[0][0].qtype == 65


@on_reactor
async def test_impossible_name_is_an_error_of_form() -> None:
    """A name that no message can hold fails as such."""
    with pytest.raises(error.DNSFormatError):
        await as_names(Ours()).lookupAddress(b".".join([b"x" * 60] * 6))


def test_timeout_cancels_the_question() -> None:
    """The seconds that Twisted gives are kept."""
    clock, driven = Clock(), Driven()
    names: Any = PipelineResolver(lambda: driven, reactor=clock, clock=lambda: 0.0)
    outcome: list[object] = []
    names.lookupAddress("www.shop.test", timeout=(1, 2)).addBoth(outcome.append)
    clock.advance(3.1)
    assert isinstance(outcome[0], Failure)
    assert isinstance(outcome[0].value, defer.TimeoutError)
    assert (driven.cancelled, clock.getDelayedCalls()) == (1, [])


@on_reactor
async def test_our_chain_stands_in_a_chain_of_twisted(zone: authority.BindAuthority) -> None:
    """A ResolverChain of Twisted falls through its authority to us, and ours can end in that authority."""
    chain: Any = resolve.ResolverChain([zone, as_names(Ours())])
    answers, _, _ = await chain.lookupAddress("www.other.test")
    assert answers[0].payload.dottedQuad() == "192.0.2.1"
    answers, _, _ = await as_names(as_upstream(zone)).lookupAuthority("shop.test")
    assert answers[0].payload.serial == 1


@on_reactor
async def test_limits_of_the_group_hold_for_a_resolver(zone: authority.BindAuthority) -> None:
    """TTLs are at most ``max_ttl`` and ``negative_ttl``; after the deadline the answer is SERVFAIL."""
    capped = as_upstream(zone, evolve(GROUP, max_ttl=20, negative_ttl=5))
    answer = await capped.resolve(make_query())
    assert answer.ttl == 20
    assert {line.split()[2] for line in show(make_query(), answer)} == {"20"}
    assert (await capped.resolve(make_query(rdtype=AAAA))).ttl == 5

    class Hanging:
        def query(self, query: dns.Query, timeout: Sequence[int] | None = None) -> Deferred[RecordLists]:
            return Deferred()

    with pytest.raises(UpstreamError):
        await as_upstream(Hanging(), evolve(GROUP, deadline=0.01)).resolve(make_query())


def test_a_lookup_that_times_out_leaves_those_who_joined(tmp_path: Path) -> None:
    """Two programs look up the same name; the timeout of the first does not cancel the second."""
    clock, driven = Clock(), Driven()
    coalescer = QueryCoalescer(driven, key=lambda query: query.qname)
    names: Any = PipelineResolver(lambda: coalescer, reactor=clock, clock=lambda: 0.0)
    outcomes: list[Any] = []
    names.lookupAddress("www.shop.test", timeout=(1,)).addErrback(lambda _: None)
    names.lookupAddress("www.shop.test", timeout=(9,)).addBoth(outcomes.append)
    clock.advance(2)
    driven.answer()
    assert len(driven.asked) == 1
    assert outcomes[0][0][0].payload.dottedQuad() == "192.0.2.1"
