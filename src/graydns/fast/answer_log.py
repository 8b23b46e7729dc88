"""Counters of the answers that were sent, by tenant, service, version, rcode and path; and the last answers.

Every HotEntry holds the AnswerCounter of its group and rcode: a hit costs one addition, a reader sums a few thousand
numbers, and evicting an entry loses no count.

Of a hot answer only that counter is kept; Peer and ClientCounter have the last queries. The router is pure, so what a
client got, and why, can be worked out from these. Of all other answers the last MAX_ANSWER_RECORDS are stored.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Set
from typing import NamedTuple

from attrs import define, field

from graydns.fast.client_counter import NULL_CLIENT_COUNTER, ClientCounter, add_to_sketch, make_counting_key
from graydns.model.client import Client
from graydns.model.decision import Cohort, Decision
from graydns.model.dns_parameters import BADVERS
from graydns.model.query import Query

#: Groups with counters of their own; all further ones are counted under OTHER_GROUP.
MAX_COUNTER_GROUPS = 5000

OTHER_GROUP = "other"


class CounterGroup(NamedTuple):
    """Answers that are counted together: a Cohort without its endpoint."""

    tenant: str
    service: str = ""
    outcome: str = ""

    @property
    def is_version(self) -> bool:
        """Whether this is a version of a service, and no rule and no default cohort."""
        return bool(self.service) and not self.outcome.startswith("rule:")


class AnswerCounter:
    """Answers of one CounterGroup with one rcode: given by the hot table (*hot*), by it after a full parse (*parsed*),
    by the pipeline (*piped*). *clients*: counts the clients of the whole group."""

    __slots__ = ("clients", "group", "hot", "parsed", "piped", "rcode")

    def __init__(self, group: CounterGroup, rcode: int = 0) -> None:
        self.group = group
        self.rcode = rcode
        self.clients: ClientCounter = NULL_CLIENT_COUNTER
        self.hot = self.parsed = self.piped = 0

    @property
    def total(self) -> int:
        """All answers."""
        return self.hot + self.parsed + self.piped


class VersionTraffic(NamedTuple):
    """What a version served in this counting window and the one before. *clients*: distinct ones, None where all
    clients of the name get the same."""

    queries: int
    clients: int | None


@define(eq=False)
class AnswerCounters:
    """The counters of all groups; they outlive snapshots."""

    clients: dict[CounterGroup, ClientCounter] = field(init=False, factory=dict, repr=False)
    _groups: dict[CounterGroup, dict[int, AnswerCounter]] = field(init=False, factory=dict, repr=False)
    _window_starts: dict[CounterGroup, tuple[int, int]] = field(init=False, factory=dict, repr=False)

    def __iter__(self) -> Iterator[AnswerCounter]:
        return (tally for by_rcode in tuple(self._groups.values()) for tally in tuple(by_rcode.values()))

    def __len__(self) -> int:
        return len(self._groups)

    def groups(self) -> Iterator[tuple[CounterGroup, tuple[AnswerCounter, ...]]]:
        """Every group and its counters; may be iterated in pieces while queries are answered."""
        return ((group, tuple(by_rcode.values())) for group, by_rcode in tuple(self._groups.items()))

    def counter_for(self, rcode: int, decision: Decision | None, tenant: str) -> AnswerCounter:
        """The counter for an answer; *tenant*: the client's, for answers without a decision."""
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
        """What each version of *service* served in this window and the one before."""
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
        """Begin a new window, one group at each step."""
        for group in tuple(self._groups):
            self._rotate(group, forget=False)
            yield

    def reset_services(self, services: Set[tuple[str, str]]) -> None:
        """Start again for *services*, as (tenant, service): the clients of their versions have changed."""
        for group in tuple(self._groups):
            if group[:2] in services:
                self._rotate(group, forget=True)

    def prune(self, current: Collection[CounterGroup]) -> None:
        """Make room: add the counts of groups that are not *current* any more to OTHER_GROUP."""
        for group in tuple(self._groups):
            if group.service in ("", OTHER_GROUP) or group in current:
                continue
            rest = self._groups.setdefault(CounterGroup(group.tenant, OTHER_GROUP, OTHER_GROUP), {})
            for rcode, tally in self._groups.pop(group).items():
                total = rest.setdefault(
                    rcode, AnswerCounter(CounterGroup(group.tenant, OTHER_GROUP, OTHER_GROUP), rcode)
                )
                total.hot, total.parsed = total.hot + tally.hot, total.parsed + tally.parsed
                total.piped += tally.piped
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
        """*group*, or OTHER_GROUP over the limit; past twice the limit, that of all tenants together."""
        if len(self._groups) < MAX_COUNTER_GROUPS:
            return group
        return (
            CounterGroup(group.tenant, OTHER_GROUP, OTHER_GROUP)
            if len(self._groups) < 2 * MAX_COUNTER_GROUPS
            else CounterGroup(OTHER_GROUP, OTHER_GROUP, OTHER_GROUP)
        )


#: Answers stored.
MAX_ANSWER_RECORDS = 4096

PATH_PARSED, PATH_PIPELINE = "parsed", "pipeline"


class DecisionSummary(NamedTuple):
    """The part of a Decision that is stored: a Decision itself would keep its snapshot in memory."""

    cohort: Cohort
    why: str


class AnswerRecord(NamedTuple):
    """An answer that did not come directly from the hot table.

    *at*: Unix seconds. *path*: PATH_PARSED or PATH_PIPELINE. *decision*: None where nothing was decided. *why*: of the
    Answer.
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
    """*tallies*: the counters. *recent*: the last answers, oldest first. *unanswered*: messages that got no reply.
    *wall*: Unix seconds."""

    wall: Callable[[], float] = field(repr=False)
    tallies: AnswerCounters = field(init=False, factory=AnswerCounters, repr=False)
    recent: deque[AnswerRecord] = field(init=False, factory=lambda: deque(maxlen=MAX_ANSWER_RECORDS), repr=False)
    unanswered: int = field(init=False, default=0)

    def record(self, query: Query, decision: Decision | None, rcode: int, path: str, why: str) -> AnswerCounter:
        """Store an answer that is no hot hit; returns the counter to add it to."""
        client = query.client
        tally = self.tallies.counter_for(rcode, decision, client.tenant)
        if tally.clients is not NULL_CLIENT_COUNTER:
            add_to_sketch(tally.clients.registers, make_counting_key(client))
        summary = None if decision is None else DecisionSummary(decision.cohort, decision.why)
        self.recent.append(AnswerRecord(self.wall(), client, query.qname, query.qtype, rcode, summary, path, why))
        return tally

    def record_unanswerable(self, reply: bytes | None, tenant: str) -> None:
        """Count a message that could not be parsed, and its *reply*, None if there is none."""
        if reply is None:
            self.unanswered += 1
        else:
            # The header has the low four bits of the rcode; of BADVERS, the only longer one here, all are zero.
            self.tallies.counter_for(reply[3] & 15 or BADVERS, None, tenant).parsed += 1
