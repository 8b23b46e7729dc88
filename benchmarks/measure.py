"""One group of subjects, measured in turns: CPU time of the server over answers given."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from attrs import define, field, frozen

from benchmarks.cases import Group, Subject
from benchmarks.check import WrongAnswer, check, check_again
from benchmarks.load import LoadError, Outcome, load
from benchmarks.questions import CONNECTIONS, HOT, MISSES, Questions
from benchmarks.servers.server import Running, Server, World
from benchmarks.usage import cpu_seconds
from tools.process import NotReady

#: Seconds that going through all questions once, before measuring, may take.
_WARMING = 15.0

#: A run may lose this many answers, or one in LOST_SHARE if that is more.
LOST_AT_MOST, LOST_SHARE = 20, 10_000


class Refused(Exception):
    """A run that says nothing about the server's speed; the text says why."""


@frozen
class Run:
    """*cost*: microseconds of user and system CPU time per answer."""

    cost: float
    rate: float
    lost: int


@define
class Result:
    """The runs of a subject, or why there are none (*refused*)."""

    subject: Subject
    runs: list[Run] = field(factory=list)
    refused: str = ""

    @property
    def cost(self) -> float:
        """The median over the rounds."""
        return statistics.median(run.cost for run in self.runs)


def ratio(one: Result, other: Result) -> float:
    """The median over the rounds of what *one* cost over what *other* cost in the same round."""
    return statistics.median(mine.cost / its.cost for mine, its in zip(one.runs, other.runs, strict=True))


@frozen
class Effort:
    """*seconds*: the most a run takes. *share*: of the usual number of questions."""

    rounds: int = 3
    seconds: float = 3.0
    share: float = 1.0


def measure(group: Group, world: World, effort: Effort) -> dict[str, Result]:
    """The result of every subject whose server is installed, by label. Each round asks all of them in turn."""
    present = [subject for subject in group.subjects if subject.server.is_present()]
    results = {subject.label: Result(subject) for subject in present}
    with running({subject.server for subject in present}, world) as servers:
        for round_ in range(effort.rounds):
            for subject in _turned(present, round_):
                _add_run(results[subject.label], group, servers[subject.server], world, effort, round_)
    return results


def _add_run(
    result: Result, group: Group, server: Running | NotReady, world: World, effort: Effort, round_: int
) -> None:
    if result.refused:
        return
    try:
        if isinstance(server, NotReady):
            raise Refused(str(server))
        questions = result.subject.source(world.folder, round_, _count(group, effort))
        result.runs.append(_run(group, server, questions, world, effort, warm=group.warm and round_ == 0))
    except (Refused, WrongAnswer, LoadError) as error:
        result.refused = f"{type(error).__name__}: {error}"


def _run(group: Group, server: Running, questions: Questions, world: World, effort: Effort, *, warm: bool) -> Run:
    drive, core = group.drive, world.load_core
    before = check(server, drive.transport, questions.samples)
    if warm:
        load(drive, server, questions.file, _WARMING, once=True, core=core)
    began = cpu_seconds(server.process.pid)
    outcome = load(drive, server, questions.file, effort.seconds, once=group.once, core=core)
    used = cpu_seconds(server.process.pid) - began
    check_again(server, drive.transport, questions.samples, before)
    answered = accepted(outcome)
    if not used:
        raise Refused(f"{answered} answers took less CPU time than can be read")
    return Run(used / answered * 1e6, answered / outcome.seconds, outcome.lost)


def accepted(outcome: Outcome) -> int:
    """How many answers were right. Raises Refused if too many were lost, or any was an error."""
    if outcome.lost > max(LOST_AT_MOST, outcome.sent / LOST_SHARE):
        raise Refused(f"{outcome.lost} of {outcome.sent} answers lost")
    if set(outcome.rcodes) != {"NOERROR"}:
        raise Refused(f"answers were {outcome.rcodes}")
    return outcome.rcodes["NOERROR"]


def _count(group: Group, effort: Effort) -> int:
    hot = CONNECTIONS[group.drive.transport] if group.drive.reconnect else HOT
    return max(1, int((MISSES if group.once else hot) * effort.share))


def _turned(subjects: list[Subject], round_: int) -> list[Subject]:
    """Another one begins each round, so that none always runs on a machine that is just warming up."""
    at = round_ % len(subjects)
    return subjects[at:] + subjects[:at]


@contextmanager
def running(servers: set[Server], world: World) -> Iterator[Mapping[Server, Running | NotReady]]:
    """All *servers*, started once each and stopped at the end; one that does not start is its NotReady."""
    with ExitStack() as stack:
        started: dict[Server, Running | NotReady] = {}
        for server in servers:
            try:
                started[server] = running_server = server.start(world)
            except NotReady as error:
                started[server] = error
            else:
                stack.callback(running_server.process.stop)
        yield started
