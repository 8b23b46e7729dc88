"""The benchmark harness: that it drives, checks, counts and refuses, on runs too short to say anything else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import dns.edns
import dns.message
import pytest
from attrs import evolve

from benchmarks import report
from benchmarks.cases import FEW_RULES, GRAY, GRAYDNS, GROUPS, KNOT, Subject
from benchmarks.check import WrongAnswer, check
from benchmarks.load import Outcome, parse
from benchmarks.measure import Effort, Refused, accepted, measure, running
from benchmarks.questions import gray, misses, plain
from benchmarks.servers.graydns import Graydns
from benchmarks.servers.knot import Knot
from benchmarks.servers.server import Running, World
from benchmarks.wirefile import AAAA, Question, read
from benchmarks.world import prepared_world

pytestmark = pytest.mark.integration

#: What stands in front of an IPv4 /24 in a client subnet option, and the code of the tags' option.
ECS_24, TAGS = bytes.fromhex("0008 0007 0001 18 00"), (65001).to_bytes(2)

TINY = Effort(rounds=1, seconds=0.5, share=0.1)


@pytest.fixture(scope="module")
def world(require_peer: Callable[[str], str]) -> Iterator[World]:
    require_peer("dnsperf")
    require_peer("knotd")
    with prepared_world() as prepared:
        yield prepared


@pytest.fixture(scope="module")
def knot(world: World) -> Iterator[Running]:
    with running({server := Knot()}, world) as servers:
        started = servers[server]
        assert isinstance(started, Running), started
        yield started


@pytest.mark.parametrize("group", ["udp", "tcp-each", "dot", "dot-each"])
def test_a_run_gives_a_cost_for_every_subject(group: str, world: World) -> None:
    """graydns, plain and gray, and Knot where it can, are driven, and the table compares what they cost."""
    subjects = tuple(subject for subject in GROUPS[group].subjects if subject in (GRAYDNS, GRAY, KNOT))
    small = evolve(GROUPS[group], subjects=subjects)
    results = measure(small, world, TINY)
    assert {label: result.refused for label, result in results.items()} == {it.label: "" for it in subjects}
    assert all(run.cost > 0 and run.rate > 0 for result in results.values() for run in result.runs)
    assert "| graydns, gray / graydns |" in report.group_table(small, results)


def test_forwarded_names_are_asked_once(world: World) -> None:
    """A run of misses asks for each of its names once, through graydns to the upstream and back."""
    results = measure(evolve(GROUPS["miss"], subjects=GROUPS["miss"].subjects[:1]), world, TINY)
    assert not results["graydns"].refused
    names = [dns.message.from_wire(wire[2:]).question[0].name for wire in read(misses(world.folder, 0, 3000).file)]
    assert len(set(names)) == len(names) == 3000


def test_rules_reach_the_answers(world: World) -> None:
    """A graydns with address rules is asked by clients that a rule sends to the canary."""
    ruled = GROUPS["rules"].subjects[0]
    assert ruled.server == Graydns(FEW_RULES)
    results = measure(evolve(GROUPS["rules"], subjects=(ruled,)), world, TINY)
    assert not results[ruled.label].refused


def test_a_wrong_answer_is_refused(knot: Running, world: World) -> None:
    """Gray samples are wrong answers from a server that has no such names, and the run says which."""
    with pytest.raises(WrongAnswer, match=r"s000\.gray\.test.*NXDOMAIN"):
        check(knot, "udp", gray(world.folder, 0, 10).samples)


def test_a_lost_scope_is_refused(knot: Running, world: World) -> None:
    """The right address without the ECS scope it needs is a wrong answer."""
    (sample, *_) = plain(world.folder, 0, 10).samples
    assert check(knot, "tcp", (sample,)) == [frozenset({"198.18.0.0"})]
    with pytest.raises(WrongAnswer, match="scopes"):
        check(knot, "tcp", (evolve(sample, scope=24),))


def test_a_server_that_does_not_start_is_refused_by_itself(world: World) -> None:
    """A server that cannot start costs its own rows, with what it printed, and no other's."""
    broken = Subject("graydns, broken", Graydns(rules=-1), plain)  # writes an empty list of rules
    results = measure(evolve(GROUPS["udp"], subjects=(broken, KNOT), comparisons=()), world, TINY)
    assert "ended with status 1" in results[broken.label].refused
    assert results[KNOT.label].runs


def test_too_many_lost_or_wrong_rcodes_are_refused() -> None:
    """Twenty lost answers, or one in ten thousand, are let pass; one error is not."""
    assert accepted(Outcome(1000, 20, {"NOERROR": 980}, 1.0)) == 980
    assert accepted(Outcome(1_000_000, 100, {"NOERROR": 999_900}, 1.0)) == 999_900
    with pytest.raises(Refused, match="lost"):
        accepted(Outcome(1000, 21, {"NOERROR": 979}, 1.0))
    with pytest.raises(Refused, match="SERVFAIL"):
        accepted(Outcome(1000, 0, {"NOERROR": 999, "SERVFAIL": 1}, 1.0))


def test_questions_are_what_dnspython_reads() -> None:
    """A question's bytes hold RD, EDNS, the client subnet and the tags."""
    message = dns.message.from_wire(Question("a.example", AAAA, (10, 1, 2), "client=x").wire())
    assert message.question[0].to_text() == "a.example. IN AAAA"
    assert message.flags == 0x0100
    subnet, tags = message.options
    assert isinstance(subnet, dns.edns.ECSOption)
    assert (subnet.address, subnet.srclen, subnet.scopelen) == ("10.1.2.0", 24, 0)
    assert isinstance(tags, dns.edns.GenericOption)
    assert (int(tags.otype), tags.data) == (65001, b"client=x")


def test_gray_questions_are_many_and_some_carry_tags(tmp_path: Path) -> None:
    """The file asks for a hundred services from fifty thousand subnets, one query in a hundred with tags."""
    queries = read(gray(tmp_path, 0, 60_000).file)
    names = {query[14 : query.index(0, 14)] for query in queries}
    subnets = {query.partition(ECS_24)[2][:3] for query in queries}
    assert (len(names), len(subnets)) == (100, 60_000)
    assert 400 <= sum(TAGS in query for query in queries) <= 800


DNSPERF = """
Statistics:

  Queries sent:         20100
  Queries completed:    20095 (99.98%)
  Queries lost:         5 (0.02%)

  Response codes:       NOERROR 20000 (99.53%), NXDOMAIN 95 (0.47%)
  Average packet size:  request 52, response 57
  Run time (s):         2.000318
  Queries per second:   10045.5
"""


def test_dnsperf_is_understood() -> None:
    """What dnsperf prints becomes numbers."""
    outcome = parse(DNSPERF)
    assert (outcome.sent, outcome.lost, outcome.seconds) == (20100, 5, 2.000318)
    assert outcome.rcodes == {"NOERROR": 20000, "NXDOMAIN": 95}
