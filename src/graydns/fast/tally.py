"""Tally: how many answers went out, by whose they were, what they said, and how they were found.

Every hot Entry holds the Tally of its kind, so a hit costs one addition, a reader sums a few thousand numbers, and what
leaves the hot table takes no count with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Set
from typing import NamedTuple

from attrs import define, field

from graydns.fast.clients import NOBODY, Clients
from graydns.model.decision import Decision

#: Groups counted apart; all further ones are OTHER.
MOST = 5000

OTHER = "other"


class Group(NamedTuple):
    """Whose answers are counted together: a Cohort without its endpoint."""

    tenant: str
    service: str = ""
    outcome: str = ""

    @property
    def is_version(self) -> bool:
        """Whether this is a version of a service, and no rule and no default cohort."""
        return bool(self.service) and not self.outcome.startswith("rule:")


class Tally:
    """Answers of one Group with one rcode: given by the hot table (*hot*), by it after a full parse (*parsed*), by the
    pipeline (*piped*). *clients*: of all Tallies of the Group."""

    __slots__ = ("clients", "group", "hot", "parsed", "piped", "rcode")

    def __init__(self, group: Group, rcode: int = 0) -> None:
        self.group = group
        self.rcode = rcode
        self.clients: Clients = NOBODY
        self.hot = self.parsed = self.piped = 0

    @property
    def total(self) -> int:
        """Answers in all."""
        return self.hot + self.parsed + self.piped


class Served(NamedTuple):
    """What a version served in this window and the one before. *clients*: distinct ones, None where all clients
    of the name get the same."""

    queries: int
    clients: int | None


@define(eq=False)
class Tallies:
    """All of them; outlives Snapshots."""

    clients: dict[Group, Clients] = field(init=False, factory=dict, repr=False)
    _groups: dict[Group, dict[int, Tally]] = field(init=False, factory=dict, repr=False)
    _before: dict[Group, tuple[int, int]] = field(init=False, factory=dict, repr=False)

    def __iter__(self) -> Iterator[Tally]:
        return (tally for by_rcode in tuple(self._groups.values()) for tally in tuple(by_rcode.values()))

    def __len__(self) -> int:
        return len(self._groups)

    def groups(self) -> Iterator[tuple[Group, tuple[Tally, ...]]]:
        """Every group and its Tallies; may be read in pieces while answers go on."""
        return ((group, tuple(by_rcode.values())) for group, by_rcode in tuple(self._groups.items()))

    def of(self, rcode: int, decision: Decision | None, tenant: str) -> Tally:
        """The Tally for an answer; *tenant*: whose it is if nothing was decided."""
        group = Group(tenant) if decision is None else Group(*decision.cohort[:3])
        by_rcode = self._groups.get(group)
        if by_rcode is None:
            group = self._admitted(group)
            by_rcode = self._groups.setdefault(group, {})
        tally = by_rcode.get(rcode)
        if tally is None:
            tally = by_rcode[rcode] = Tally(group, rcode)
        if tally.clients is NOBODY and decision is not None and decision.varies:
            tally.clients = self.clients.get(group) or self.clients.setdefault(group, Clients())
        return tally

    def served(self, tenant: str, service: str) -> dict[str, Served]:
        """What each version of *service* served lately."""
        answer = {}
        for group, by_rcode in self._groups.items():
            if group[:2] == (tenant, service) and group.is_version:
                queries = sum(tally.total for tally in by_rcode.values()) - self._before.get(group, (0, 0))[0]
                clients = self.clients.get(group)
                answer[group.outcome] = Served(queries, None if clients is None else clients.count())
        return answer

    def rcode(self, group: Group) -> int | None:
        """The rcode of the answers of *group*, if all have the same."""
        rcodes = [rcode for rcode, tally in self._groups.get(group, {}).items() if tally.total]
        return rcodes[0] if len(rcodes) == 1 else None

    def turn(self) -> Iterator[None]:
        """Begin a new window, a group at each step."""
        for group in tuple(self._groups):
            self._turn(group, forget=False)
            yield

    def restart(self, services: Set[tuple[str, str]]) -> None:
        """Forget what *services*, as (tenant, service), served lately: who gets what of them has changed."""
        for group in tuple(self._groups):
            if group[:2] in services:
                self._turn(group, forget=True)

    def prune(self, current: Collection[Group]) -> None:
        """Make room: count those that are not *current* any more as OTHER from now on, what they have included."""
        for group in tuple(self._groups):
            if group.service in ("", OTHER) or group in current:
                continue
            rest = self._groups.setdefault(Group(group.tenant, OTHER, OTHER), {})
            for rcode, tally in self._groups.pop(group).items():
                sum_of = rest.setdefault(rcode, Tally(Group(group.tenant, OTHER, OTHER), rcode))
                sum_of.hot, sum_of.parsed = sum_of.hot + tally.hot, sum_of.parsed + tally.parsed
                sum_of.piped += tally.piped
            self.clients.pop(group, None)
            self._before.pop(group, None)

    def _turn(self, group: Group, *, forget: bool) -> None:
        by_rcode = self._groups.get(group)
        if by_rcode is None:
            return
        total = sum(tally.total for tally in by_rcode.values())
        begun = total if forget else self._before.get(group, (0, 0))[1]
        self._before[group] = (begun, total)
        if (clients := self.clients.get(group)) is not None:
            clients.turn(forget=forget)

    def _admitted(self, group: Group) -> Group:
        """*group*, or OTHER past the bound; those of tenants without number are all one."""
        if len(self._groups) < MOST:
            return group
        return Group(group.tenant, OTHER, OTHER) if len(self._groups) < 2 * MOST else Group(OTHER, OTHER, OTHER)
