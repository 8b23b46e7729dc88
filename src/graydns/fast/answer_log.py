"""Tally: how many answers went out, by whose they were, what they said, and how they were found.

Every hot Entry holds the AnswerCounter of its kind, so a hit costs one addition, a reader sums a few thousand numbers,
and what leaves the hot table takes no count with it.

Ledger: what is written down of the answers that left.

Of a hot answer, no more than its AnswerCounter counts; and a Peer and its Clients keep the query. The Router is pure,
so whoever wants to know what somebody was told, and why, can work that out. Of the others the last are kept as they
were.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Set
from typing import NamedTuple

from attrs import define, field

from graydns.fast.client_counter import NULL_CLIENT_COUNTER, ClientCounter, add_to_sketch, make_counting_key
from graydns.model.decision import Cohort, Decision
from graydns.model.query import Client, Query

#: Groups counted apart; all further ones are OTHER.
MAX_COUNTER_GROUPS = 5000

OTHER_GROUP = "other"


class CounterGroup(NamedTuple):
    """Whose answers are counted together: a Cohort without its endpoint."""

    tenant: str
    service: str = ""
    outcome: str = ""

    @property
    def is_version(self) -> bool:
        """Whether this is a version of a service, and no rule and no default cohort."""
        return bool(self.service) and not self.outcome.startswith("rule:")


class AnswerCounter:
    """Answers of one CounterGroup with one rcode: given by the hot table (*hot*), by it after a full parse (*parsed*),
    by the pipeline (*piped*). *clients*: of all Tallies of the CounterGroup."""

    __slots__ = ("clients", "group", "hot", "parsed", "piped", "rcode")

    def __init__(self, group: CounterGroup, rcode: int = 0) -> None:
        self.group = group
        self.rcode = rcode
        self.clients: ClientCounter = NULL_CLIENT_COUNTER
        self.hot = self.parsed = self.piped = 0

    @property
    def total(self) -> int:
        """Answers in all."""
        return self.hot + self.parsed + self.piped


class VersionTraffic(NamedTuple):
    """What a version served in this window and the one before. *clients*: distinct ones, None where all clients
    of the name get the same."""

    queries: int
    clients: int | None


@define(eq=False)
class AnswerCounters:
    """All of them; outlives Snapshots."""

    clients: dict[CounterGroup, ClientCounter] = field(init=False, factory=dict, repr=False)
    _groups: dict[CounterGroup, dict[int, AnswerCounter]] = field(init=False, factory=dict, repr=False)
    _window_starts: dict[CounterGroup, tuple[int, int]] = field(init=False, factory=dict, repr=False)

    def __iter__(self) -> Iterator[AnswerCounter]:
        return (tally for by_rcode in tuple(self._groups.values()) for tally in tuple(by_rcode.values()))

    def __len__(self) -> int:
        return len(self._groups)

    def groups(self) -> Iterator[tuple[CounterGroup, tuple[AnswerCounter, ...]]]:
        """Every group and its AnswerCounters; may be read in pieces while answers go on."""
        return ((group, tuple(by_rcode.values())) for group, by_rcode in tuple(self._groups.items()))

    def counter_for(self, rcode: int, decision: Decision | None, tenant: str) -> AnswerCounter:
        """The AnswerCounter for an answer; *tenant*: whose it is if nothing was decided."""
        group = CounterGroup(tenant) if decision is None else CounterGroup(*decision.cohort[:3])
        by_rcode = self._groups.get(group)
        if by_rcode is None:
            group = self._bounded_group(group)
            by_rcode = self._groups.setdefault(group, {})
        tally = by_rcode.get(rcode)
        if tally is None:
            tally = by_rcode[rcode] = AnswerCounter(group, rcode)
        if tally.clients is NULL_CLIENT_COUNTER and decision is not None and decision.varies:
            tally.clients = self.clients.get(group) or self.clients.setdefault(group, ClientCounter())
        return tally

    def version_traffic(self, tenant: str, service: str) -> dict[str, VersionTraffic]:
        """What each version of *service* served lately."""
        answer = {}
        for group, by_rcode in self._groups.items():
            if group[:2] == (tenant, service) and group.is_version:
                queries = sum(tally.total for tally in by_rcode.values()) - self._window_starts.get(group, (0, 0))[0]
                clients = self.clients.get(group)
                answer[group.outcome] = VersionTraffic(queries, None if clients is None else clients.count())
        return answer

    def rcode(self, group: CounterGroup) -> int | None:
        """The rcode of the answers of *group*, if all have the same."""
        rcodes = [rcode for rcode, tally in self._groups.get(group, {}).items() if tally.total]
        return rcodes[0] if len(rcodes) == 1 else None

    def rotate_window(self) -> Iterator[None]:
        """Begin a new window, a group at each step."""
        for group in tuple(self._groups):
            self._rotate(group, forget=False)
            yield

    def reset_services(self, services: Set[tuple[str, str]]) -> None:
        """Forget what *services*, as (tenant, service), served lately: who gets what of them has changed."""
        for group in tuple(self._groups):
            if group[:2] in services:
                self._rotate(group, forget=True)

    def prune(self, current: Collection[CounterGroup]) -> None:
        """Make room: count those that are not *current* any more as OTHER from now on, what they have included."""
        for group in tuple(self._groups):
            if group.service in ("", OTHER_GROUP) or group in current:
                continue
            rest = self._groups.setdefault(CounterGroup(group.tenant, OTHER_GROUP, OTHER_GROUP), {})
            for rcode, tally in self._groups.pop(group).items():
                sum_of = rest.setdefault(
                    rcode, AnswerCounter(CounterGroup(group.tenant, OTHER_GROUP, OTHER_GROUP), rcode)
                )
                sum_of.hot, sum_of.parsed = sum_of.hot + tally.hot, sum_of.parsed + tally.parsed
                sum_of.piped += tally.piped
            self.clients.pop(group, None)
            self._window_starts.pop(group, None)

    def _rotate(self, group: CounterGroup, *, forget: bool) -> None:
        by_rcode = self._groups.get(group)
        if by_rcode is None:
            return
        total = sum(tally.total for tally in by_rcode.values())
        begun = total if forget else self._window_starts.get(group, (0, 0))[1]
        self._window_starts[group] = (begun, total)
        if (clients := self.clients.get(group)) is not None:
            clients.rotate_window(forget=forget)

    def _bounded_group(self, group: CounterGroup) -> CounterGroup:
        """*group*, or OTHER past the bound; those of tenants without number are all one."""
        if len(self._groups) < MAX_COUNTER_GROUPS:
            return group
        return (
            CounterGroup(group.tenant, OTHER_GROUP, OTHER_GROUP)
            if len(self._groups) < 2 * MAX_COUNTER_GROUPS
            else CounterGroup(OTHER_GROUP, OTHER_GROUP, OTHER_GROUP)
        )


#: Answers remembered.
MAX_ANSWER_RECORDS = 4096

PATH_PARSED, PATH_PIPELINE = "parsed", "pipeline"

_RCODE_BADVERS = 16


class DecisionSummary(NamedTuple):
    """What is kept of a Decision, which itself would keep the Snapshot that it came from."""

    cohort: Cohort
    why: str


class AnswerRecord(NamedTuple):
    """An answer that the hot table did not give at once.

    *at*: Unix seconds. *way*: PARSED or PIPELINE. *verdict*: None where nothing was decided. *why*: of the Answer.
    """

    at: float
    client: Client
    qname: bytes
    qtype: int
    rcode: int
    decision: DecisionSummary | None
    path: str
    why: str


@define(eq=False)
class AnswerLog:
    """*tallies*: all of them. *told*: the last answers, oldest first. *wall*: Unix seconds. *silent*: messages that
    got no answer."""

    wall: Callable[[], float] = field(repr=False)
    tallies: AnswerCounters = field(init=False, factory=AnswerCounters, repr=False)
    recent: deque[AnswerRecord] = field(init=False, factory=lambda: deque(maxlen=MAX_ANSWER_RECORDS), repr=False)
    unanswered: int = field(init=False, default=0)

    def record(self, query: Query, decision: Decision | None, rcode: int, way: str, why: str) -> AnswerCounter:
        """Write down an answer that is no hot hit; gives the AnswerCounter to count it in."""
        client = query.client
        tally = self.tallies.counter_for(rcode, decision, client.tenant)
        if tally.clients is not NULL_CLIENT_COUNTER:
            add_to_sketch(tally.clients.registers, make_counting_key(client))
        verdict = None if decision is None else DecisionSummary(decision.cohort, decision.why)
        self.recent.append(AnswerRecord(self.wall(), client, query.qname, query.qtype, rcode, verdict, way, why))
        return tally

    def record_unanswerable(self, reply: bytes | None, tenant: str) -> None:
        """Count a message that could not be parsed, and its *reply*."""
        if reply is None:
            self.unanswered += 1
        else:
            # The header has the low four bits of the rcode; of BADVERS, the only longer one here, none is set.
            self.tallies.counter_for(reply[3] & 15 or _RCODE_BADVERS, None, tenant).parsed += 1
