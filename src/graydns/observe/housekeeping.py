"""Housekeeping: what the counters need now and then, a step at a time."""

from __future__ import annotations

from collections.abc import Generator, Mapping

from graydns.fast.hot import HotTable
from graydns.fast.tally import Group, Tallies
from graydns.snapshot.snapshot import Snapshot

#: Rules looked at in one step.
_RULES = 1000


def turn_window(tallies: Tallies, tables: Mapping[str, HotTable]) -> Generator[None, None, None]:
    """Begin a new window for every group; the subnets that hot *tables* remember are clients of that, too."""
    yield from tallies.turn()
    for table in tuple(tables.values()):
        table.forget()
        yield


def prune(tallies: Tallies, snapshot: Snapshot) -> Generator[None, None, None]:
    """Make room for new groups: drop those of services, versions and rules that are not in *snapshot*."""
    current: set[Group] = set()
    for tenant, router in snapshot.routers.items():
        for service in router.services.values():
            current.update(Group(tenant, service.name, version) for version in service.pools)
            yield
        for number, rule in enumerate(router.rules):
            current.add(Group(tenant, rule.name, f"rule:{rule.name}"))
            if number % _RULES == 0:
                yield
    tallies.prune(current)
