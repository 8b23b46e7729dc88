"""A watched name shows the stages that its queries pass; the others do not notice."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from attrs import evolve
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from graydns.model.errors import ControlError
from graydns.model.query import Query
from graydns.model.transport import UDP
from graydns.observe.trace_recorder import (
    MAX_TRACED_NAMES,
    MAX_TRACES_PER_NAME,
    MAX_TRACES_PER_SECOND,
    TRACE_DURATION_SECONDS,
    TraceRecorder,
)
from graydns.runtime.token_bucket import TenantQuota
from graydns.server import DnsServer
from tests.coroutines import on_reactor
from tests.observe.watching import ask, demo, wire


@pytest.fixture
def server(tmp_path: Path) -> DnsServer:
    """The demo's."""
    return demo(tmp_path)


@pytest.fixture
def traces(server: DnsServer) -> TraceRecorder:
    """What watches names."""
    return TraceRecorder(server.front, server.front.clock, lambda: 1_700_000_000.0)


def test_a_watched_name_shows_stages_and_verdict(server: DnsServer, traces: TraceRecorder) -> None:
    """Hot or not, a query of a watched name is kept with what it passed, who asked and what was decided."""
    ask(server, wire("api.shop.test", subnet="10.1.2.0/24"))
    traces.watch("API.shop.test.", True)
    reply = ask(server, wire("api.shop.test", subnet="10.1.2.0/24"))
    (kept,) = traces.last("api.shop.test")
    assert [stage["stage"] for stage in kept["stages"]] == ["Decide", "Route", "Authority", "Render"]
    assert kept["client"]["subnet"] == "10.1.2.0/24"
    assert (kept["service"], kept["outcome"], kept["endpoint"]) == (
        "api.shop.test",
        "canary",
        "192.0.2.20+2001:db8::20",
    )
    assert (kept["rcode"], kept["from"], kept["at"]) == ("NOERROR", "authority", "2023-11-14T22:13:20.000+00:00")
    assert bytes((192, 0, 2, 20)) in reply


def test_answers_are_the_same_while_watched(server: DnsServer, traces: TraceRecorder) -> None:
    """Watching changes no octet of an answer."""
    queries = [wire(name, subnet=subnet) for name in ("www.shop.test", "api.shop.test", "x.ads.shop.test")
               for subnet in ("10.1.2.0/24", "192.0.2.0/24")]  # fmt: skip
    before = [ask(server, query) for query in queries]
    for name in ("www.shop.test", "api.shop.test", "x.ads.shop.test"):
        traces.watch(name, True)
    assert [ask(server, query) for query in queries] == before


def test_a_quota_holds_for_watched_names_too(server: DnsServer, traces: TraceRecorder) -> None:
    """Whoever has a name followed gets not more answers by that."""
    quota = TenantQuota()
    quota.rate = 1
    server.front.serving = evolve(server.front.serving, quotas={"t-demo": quota})
    traces.watch("www.shop.test", True)
    rcodes = [ask(server, wire("www.shop.test"))[3] & 15 for _ in range(5)]
    assert (rcodes[0], rcodes[-1], quota.refused > 0) == (0, 5, True)


@on_reactor
async def test_forwarding_shows_every_link(tmp_path: Path) -> None:
    """The links that a forwarded query went through stand in their order, also where there is no answer."""
    server = demo(tmp_path, reactor)
    traces = TraceRecorder(server.front, server.front.clock, server.front.wall)
    traces.watch("x.fwd.test", True)
    peer = server.front.peer("127.0.0.1", UDP)
    said = server.front.answer(wire("x.fwd.test"), peer)
    assert isinstance(said, Query)
    await Deferred.fromCoroutine(server.front.resolve(said, peer))
    (kept,) = traces.last("x.fwd.test")
    links = ["Route", "Outward", "Cache", "Limit", "Coalesce", "RawCache"]
    links += ["Coalesce", "Forward"]
    assert [stage["stage"] for stage in kept["stages"]] == ["Decide", *links, "Render"]
    assert (kept["rcode"], kept["from"]) == ("SERVFAIL", "failed")
    assert all(outer["ms"] >= inner["ms"] for outer, inner in pairwise(kept["stages"][1:-1]))


def test_nothing_is_watched_otherwise(server: DnsServer, traces: TraceRecorder) -> None:
    """Other names go their usual way."""
    traces.watch("www.shop.test", True)
    for _ in range(3):
        ask(server, wire("api.shop.test"))
    assert traces.last("api.shop.test") == []
    hot = sum(tally.hot for tally in server.front.answer_log.tallies)
    assert hot == 2


def test_a_busy_name_stays_fast(server: DnsServer, traces: TraceRecorder) -> None:
    """Of a name that is much asked for, so many queries a second are followed, and the others are hot hits."""
    traces.watch("www.shop.test", True)
    ask(server, wire("www.shop.test"))
    traces.watch("www.shop.test", False)
    ask(server, wire("www.shop.test"))
    traces.watch("www.shop.test", True)
    for _ in range(5 * MAX_TRACES_PER_SECOND):
        ask(server, wire("www.shop.test"))
    assert len(traces.last("www.shop.test", 1000)) == MAX_TRACES_PER_SECOND
    assert not server.front.traced_names
    traces.tick()
    ask(server, wire("www.shop.test"))
    assert len(traces.last("www.shop.test", 1000)) == MAX_TRACES_PER_SECOND + 1


def test_little_is_kept(server: DnsServer, traces: TraceRecorder) -> None:
    """Of each name the last queries are kept, the newest last."""
    traces.watch("www.shop.test", True)
    for number in range(MAX_TRACES_PER_NAME + 50):
        ask(server, wire("www.shop.test", subnet=f"10.0.{number % 256}.0/24"))
        traces.tick()
    assert len(traces.last("www.shop.test", 10_000)) == MAX_TRACES_PER_NAME
    (newest,) = traces.last("www.shop.test", 1)
    assert newest["client"]["subnet"] == f"10.0.{(MAX_TRACES_PER_NAME + 49) % 256}.0/24"


def test_watching_ends_by_itself(server: DnsServer) -> None:
    """After ten minutes a name is no longer watched; what was seen can still be read."""
    clock = Clock()
    traces = TraceRecorder(server.front, clock.seconds, server.front.wall)
    traces.watch("www.shop.test", True)
    ask(server, wire("www.shop.test"))
    clock.advance(TRACE_DURATION_SECONDS + 1)
    traces.tick()
    assert traces.names() == []
    assert server.front.tracer is None
    ask(server, wire("www.shop.test"))
    assert len(traces.last("www.shop.test")) == 1


def test_few_names_are_watched_at_once(traces: TraceRecorder) -> None:
    """One name too many is refused; one that is let go makes room, and what is remembered is bounded."""
    for number in range(MAX_TRACED_NAMES):
        traces.watch(f"n{number}.test", True)
    with pytest.raises(ControlError):
        traces.watch("late.test", True)
    assert traces.watch("n0.test", True)["after"] == {"watched": True}
    for number in range(5 * MAX_TRACED_NAMES):
        traces.watch(traces.names()[0], False)
        traces.watch(f"m{number}.test", True)
    assert len(traces._names) <= 2 * MAX_TRACED_NAMES


def test_a_name_must_be_one(traces: TraceRecorder) -> None:
    """What is no name is refused."""
    with pytest.raises(ControlError):
        traces.watch("a..b", True)
