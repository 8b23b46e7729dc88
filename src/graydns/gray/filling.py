"""Filling: services with the endpoints that their versions have in Consul now. Pure.

A canary without enough of them has the default version's endpoints: whatever leads a client to it, rule, whitelist or
share, leads to the default version, and back to it, at the same buckets, once it has enough again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from attrs import evolve, frozen
from dns.rdatatype import CNAME

from graydns.gray.endpoints import MAX_MEMBERS, Member, Pool, identify, pool
from graydns.gray.health import HEALTHY, UNKNOWN, Standings, VersionHealth
from graydns.gray.service import CompiledService
from graydns.model.catalog import CRITICAL, Instance
from graydns.model.host import reached


@frozen
class Found:
    """What one version has in Consul: its *health*, and its *members*, which are in use."""

    health: VersionHealth
    members: tuple[Member, ...] = ()


def fill(service: CompiledService, found: Mapping[str, Found], before: Mapping[str, Pool]) -> CompiledService:
    """*service* with what was *found* for its versions from Consul; itself, if it has that already.

    *before*: Pools of the same versions, which are kept where they would come out the same: they are origins.
    """
    pools = {**service.pools}
    for version, one in found.items():
        if version in pools:
            pools[version] = _pool(service, version, one, before.get(version))
    for version, one in found.items():
        if version in pools and one.health.is_emptied:
            pools[version] = pools[service.default]
    health = {version: one.health for version, one in found.items() if version in pools}
    if pools == service.pools and health == service.health:
        return service
    return evolve(service, pools=pools, health=health)


def members_of(instances: Sequence[Instance], standings: Standings, health: VersionHealth) -> tuple[Member, ...]:
    """The endpoints that *instances* make: those that count, or all in a default version that has too few of them.

    Host names stand for nothing where there are IP addresses.
    """
    used = [one for one in instances if health.state != HEALTHY or standings[one.name].counts]
    found = list(_merged(map(_member, used)))
    addresses = [member for member in found if CNAME not in member.records]
    return tuple((addresses or found)[:MAX_MEMBERS])


def _pool(service: CompiledService, version: str, found: Found, before: Pool | None) -> Pool:
    if found.health.state == UNKNOWN:
        made = Pool(service.name, version, (), 1, service.endpoint_key, known=False)
        return before if before is not None and _is_same(before, made) else made
    answers = service.consul[version].answers
    if any(CNAME in member.records for member in found.members):
        answers = 1
    made = pool(service.name, version, found.members, answers, service.endpoint_key)
    return before if before is not None and _is_same(before, made) else made


def _is_same(one: Pool, other: Pool) -> bool:
    return (
        one.known == other.known
        and (one.service, one.version, one.answers, one.key) == (other.service, other.version, other.answers, other.key)
        and [(it.identity, it.weight) for it in one.members] == [(it.identity, it.weight) for it in other.members]
    )


def _member(instance: Instance) -> Member | None:
    """The endpoint at *instance*; None if that has no address that can be told. One that does not pass has the share
    it would have."""
    if (found := reached(instance.host)) is None:
        return None
    records = {found[0]: (found[1],)}
    weight = instance.weights.passing if instance.status == CRITICAL else instance.weight
    return Member(instance.host, identify(records), weight, records)


def _merged(members: Iterable[Member | None]) -> Iterable[Member]:
    """*members*, those at one address as one with their weights together."""
    merged: dict[bytes, Member] = {}
    for member in members:
        if member is None:
            continue
        known = merged.get(member.identity)
        weight = member.weight + (0 if known is None else known.weight)
        merged[member.identity] = Member(member.name, member.identity, weight, member.records)
    return merged.values()
