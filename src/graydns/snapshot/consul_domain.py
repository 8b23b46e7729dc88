"""Consul's domain among the zones of a Snapshot: the zone that it lies in says whose it is, and who serves it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from attrs import evolve, field, frozen

from graydns.authority.additional_section import list_target_hosts
from graydns.authority.consul.consul_zone import ConsulZoneBackend, build_consul_zone
from graydns.authority.zone_data import Zone, ZoneTable
from graydns.model.client import DEFAULT_TENANT
from graydns.model.dns_parameters import AAAA, NS, A
from graydns.model.name import ROOT, is_within, parent, to_text
from graydns.snapshot.snapshot import Snapshot

#: Names that one warning lists.
_MAX_LISTED_NAMES = 10


@frozen(eq=False)
class ConsulZoneTemplate:
    """What graydns needs to serve the domain of *living*.

    *name_servers*: what the operator calls those that serve it; empty = those of the zone of ours that it lies in, else
    ``ns`` below it. *addresses*: packed, of this server: those below the domain have them.
    """

    backend: ConsulZoneBackend
    name_servers: Sequence[bytes] = ()
    addresses: Sequence[bytes] = field(default=(), repr=False)

    @property
    def origin(self) -> bytes:
        """Its name."""
        return self.backend.domain

    def make_zone(self, around: Zone | None) -> Zone:
        """The zone, *around* being the one it lies in."""
        return build_consul_zone(self.backend, servers=self._name_servers(around))

    def _name_servers(self, around: Zone | None) -> Mapping[bytes, Sequence[bytes]]:
        names = self.name_servers
        if not names and around is not None:
            names = _delegated_servers(around, self.origin) or list_target_hosts(
                around.origin, NS, around.apex[NS].rdatas
            )
        return {name: _glue(around, name) or self.addresses for name in names or (b"\2ns" + self.origin,)}


def _delegated_servers(around: Zone, domain: bytes) -> Sequence[bytes]:
    """The name servers to which *around* delegates *domain*; none if it does not."""
    node = around.node(domain) or {}
    return list_target_hosts(domain, NS, node[NS].rdatas) if NS in node else ()


def _glue(around: Zone | None, name: bytes) -> Sequence[bytes]:
    """The addresses that *around* has at *name*: where it delegates the domain."""
    node = {} if around is None or not is_within(name, around.origin) else around.node(name) or {}
    return [rdata for rdtype in (A, AAAA) if rdtype in node for rdata in node[rdtype].rdatas]


def add_consul_domain(snapshot: Snapshot, domain: ConsulZoneTemplate) -> Snapshot:
    """*snapshot* with *domain* among its zones; a zone of its own by that name takes precedence.

    It belongs to the tenant of the zone that it lies in.
    """
    there = snapshot.zones.by_origin.get(domain.origin)
    if there is not None and there.backend is None:
        return snapshot
    around = find_enclosing_zone(snapshot.zones, domain.origin)
    zone = domain.make_zone(around)
    if there is not None and there.backend is zone.backend and there.shards == zone.shards:
        return snapshot
    owner = DEFAULT_TENANT if around is None else snapshot.tenant_by_zone[around.origin]
    return evolve(
        snapshot,
        zones=ZoneTable({**snapshot.zones.by_origin, zone.origin: zone}),
        tenant_by_zone={**snapshot.tenant_by_zone, zone.origin: owner},
    )


def find_enclosing_zone(zones: ZoneTable, domain: bytes) -> Zone | None:
    """The zone that *domain* lies in, not the one of that name."""
    return None if domain == ROOT else zones.find(parent(domain))


def find_hidden_names(zones: ZoneTable, domain: bytes) -> Iterator[str | None]:
    """What an operator should hear of *zones* with Consul's *domain* among them; None between two steps."""
    if domain in zones.by_origin:
        yield f"consul.domain: {to_text(domain)} is a zone of ours, which answers there instead of Consul's catalog"
        return
    around = find_enclosing_zone(zones, domain)
    # Names above a name exist too, so without one at the domain there is nothing below it.
    if around is None or around.node(domain) is None:
        return
    names: list[bytes] = []
    for shard in around.shards:
        names += [name for name, row in shard.items() if row and is_within(name, domain)]
        yield None
    delegation = {domain, *_delegated_servers(around, domain)}
    if names := [name for name in names if name not in delegation or _exceeds_delegation(around, name)]:
        hidden = _format_names(names)
        yield f"{to_text(around.origin)}: hidden by consul.domain, as Consul's catalog answers there: {hidden}"


def _exceeds_delegation(zone: Zone, name: bytes) -> bool:
    """Whether there is more than a delegation needs."""
    return bool((zone.node(name) or {}).keys() - {NS, A, AAAA})


def _format_names(names: Sequence[bytes]) -> str:
    more = len(names) - _MAX_LISTED_NAMES
    listed = ", ".join(map(to_text, sorted(names)[:_MAX_LISTED_NAMES]))
    return f"{listed} and {more} more" if more > 0 else listed
