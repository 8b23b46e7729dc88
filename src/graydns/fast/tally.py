"""Tally: how many answers went out, by whose they were, what they said, and how they were found.

Every hot Entry holds the Tally of its kind, so a hit costs one addition, a reader sums a few thousand numbers, and what
leaves the hot table takes no count with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from attrs import define, field

from graydns.fast.sketch import REGISTERS, estimate, merged
from graydns.model.decision import Decision, Kind

#: Cohorts counted apart; all further ones are OTHER.
MOST = 5000

OTHER = "other"

#: What versions that need no sketch write to.
_SCRAP = bytearray(REGISTERS)

_EMPTY = bytes(REGISTERS)


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
    pipeline (*piped*). *registers*: the sketch of their clients (``fast.sketch``)."""

    __slots__ = ("group", "hot", "parsed", "piped", "rcode", "registers")

    def __init__(self, group: Group = Group(OTHER), rcode: int = 0, registers: bytearray = _SCRAP) -> None:
        self.group = group
        self.rcode = rcode
        self.registers = registers
        self.hot = self.parsed = self.piped = 0

    @property
    def total(self) -> int:
        """Answers in all."""
        return self.hot + self.parsed + self.piped


class Clients:
    """The distinct clients of one version, in the current window and the one before it."""

    __slots__ = ("_before", "registers")

    def __init__(self) -> None:
        self.registers = bytearray(REGISTERS)
        self._before = _EMPTY

    def turn(self, *, forget: bool = False) -> None:
        """Begin a new window; *forget*: and remember none."""
        now = bytes(self.registers)
        self._before = _EMPTY if forget or now == _EMPTY else now
        self.registers[:] = _EMPTY

    def sketch(self) -> bytes:
        """The sketch of both windows."""
        now = bytes(self.registers)
        return now if self._before == _EMPTY else merged(now, self._before)

    def count(self) -> int:
        """About how many there were."""
        return estimate(self.sketch())


class Served(NamedTuple):
    """What a version served in this window and the one before. *clients*: distinct ones, None where all clients
    of the name get the same."""

    queries: int
    clients: int | None


@define(eq=False)
class Tallies:
    """All of them; outlives Snapshots. *silent*: messages that got no answer."""

    silent: int = 0
    clients: dict[Group, Clients] = field(init=False, factory=dict, repr=False)
    _groups: dict[Group, dict[int, Tally]] = field(init=False, factory=dict, repr=False)
    _before: dict[Group, tuple[int, int]] = field(init=False, factory=dict, repr=False)

    def __iter__(self) -> Iterator[Tally]:
        return (tally for by_rcode in tuple(self._groups.values()) for tally in tuple(by_rcode.values()))

    def __len__(self) -> int:
        return len(self._groups)

    def of(self, rcode: int, decision: Decision | None, tenant: str) -> Tally:
        """The Tally for an answer; *tenant*: whose it is if nothing was decided."""
        group = Group(tenant) if decision is None else Group(*decision.cohort[:3])
        by_rcode = self._groups.get(group)
        if by_rcode is None:
            group = self._admitted(group)
            by_rcode = self._groups.setdefault(group, {})
        tally = by_rcode.get(rcode)
        if tally is None:
            counted = group.is_version and decision is not None and decision.kind is Kind.VERSION and decision.varies
            tally = by_rcode[rcode] = Tally(group, rcode, self._registers(group) if counted else _SCRAP)
        elif tally.registers is _SCRAP and group.service != OTHER and decision is not None and decision.varies:
            if group.is_version and decision.kind is Kind.VERSION:
                tally.registers = self._registers(group)
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

    def turn(self) -> Iterator[None]:
        """Begin a new window, a group at each step."""
        for group in tuple(self._groups):
            self._turn(group, forget=False)
            yield

    def restart(self, tenant: str, service: str) -> None:
        """Forget what *service* served lately: its policy has changed."""
        for group in tuple(self._groups):
            if group[:2] == (tenant, service):
                self._turn(group, forget=True)

    def prune(self, current: Callable[[Group], bool]) -> None:
        """Make room: count those that are not *current* any more as OTHER from now on, what they have included."""
        for group in tuple(self._groups):
            if group.service in ("", OTHER) or current(group):
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

    def _registers(self, group: Group) -> bytearray:
        if (clients := self.clients.get(group)) is None:
            clients = self.clients[group] = Clients()
        return clients.registers
