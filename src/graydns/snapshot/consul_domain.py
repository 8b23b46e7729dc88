"""Consul's domain as a zone of a Snapshot. Its tenant and name servers are those of the zone that encloses it."""

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
    """What graydns needs to serve the domain of *backend*.

    *name_servers*: the configured names; empty = those of the enclosing zone, else ``ns`` below the domain.
    *addresses*: packed addresses of this server, for name servers below the domain.
    """

    backend: ConsulZoneBackend
    name_servers: Sequence[bytes] = ()
    addresses: Sequence[bytes] = field(default=(), repr=False)

    @property
    def origin(self) -> bytes:
        """The domain, in wire form."""
        return self.backend.domain

    def make_zone(self, enclosing: Zone | None) -> Zone:
        """The zone of the domain. *enclosing*: the zone that it lies in, None = none."""
        return build_consul_zone(self.backend, servers=self._name_servers(enclosing))

    def _name_servers(self, enclosing: Zone | None) -> Mapping[bytes, Sequence[bytes]]:
        names = self.name_servers
        if not names and enclosing is not None:
            names = _delegated_servers(enclosing, self.origin) or list_target_hosts(
                enclosing.origin, NS, enclosing.apex[NS].rdatas
            )
        return {name: _glue(enclosing, name) or self.addresses for name in names or (b"\2ns" + self.origin,)}


def _delegated_servers(enclosing: Zone, domain: bytes) -> Sequence[bytes]:
    """The name servers to which *enclosing* delegates *domain*; none if it does not."""
    node = enclosing.node(domain) or {}
    return list_target_hosts(domain, NS, node[NS].rdatas) if NS in node else ()


def _glue(enclosing: Zone | None, name: bytes) -> Sequence[bytes]:
    """The addresses that *enclosing* has for *name*: glue, where it delegates the domain."""
    node = {} if enclosing is None or not is_within(name, enclosing.origin) else enclosing.node(name) or {}
    return [rdata for rdtype in (A, AAAA) if rdtype in node for rdata in node[rdtype].rdatas]


def add_consul_domain(snapshot: Snapshot, domain: ConsulZoneTemplate) -> Snapshot:
    """*snapshot* with the zone of *domain*, unless a configured zone has that name.

    It belongs to the tenant of the enclosing zone.
    """
    existing = snapshot.zones.by_origin.get(domain.origin)
    if existing is not None and existing.backend is None:
        return snapshot
    enclosing = find_enclosing_zone(snapshot.zones, domain.origin)
    zone = domain.make_zone(enclosing)
    if existing is not None and existing.backend is zone.backend and existing.shards == zone.shards:
        return snapshot
    owner = DEFAULT_TENANT if enclosing is None else snapshot.tenant_by_zone[enclosing.origin]
    return evolve(
        snapshot,
        zones=ZoneTable({**snapshot.zones.by_origin, zone.origin: zone}),
        tenant_by_zone={**snapshot.tenant_by_zone, zone.origin: owner},
    )


def find_enclosing_zone(zones: ZoneTable, domain: bytes) -> Zone | None:
    """The zone that *domain* lies in, other than one of that name."""
    return None if domain == ROOT else zones.find(parent(domain))


def find_hidden_names(zones: ZoneTable, domain: bytes) -> Iterator[str | None]:
    """Warnings about names of *zones* that Consul's *domain* hides, or that hide it; None between two steps."""
    if domain in zones.by_origin:
        yield f"consul.domain: {to_text(domain)} is also a configured zone, which answers instead of Consul's catalog"
        return
    enclosing = find_enclosing_zone(zones, domain)
    # Names above a name exist too, so without one at the domain existing is nothing below it.
    if enclosing is None or enclosing.node(domain) is None:
        return
    names: list[bytes] = []
    for shard in enclosing.shards:
        names += [name for name, row in shard.items() if row and is_within(name, domain)]
        yield None
    delegation = {domain, *_delegated_servers(enclosing, domain)}
    if names := [name for name in names if name not in delegation or _exceeds_delegation(enclosing, name)]:
        hidden = _format_names(names)
        yield f"{to_text(enclosing.origin)}: hidden by consul.domain, as Consul's catalog answers there: {hidden}"


def _exceeds_delegation(zone: Zone, name: bytes) -> bool:
    """Whether *name* has more than the records of a delegation."""
    return bool((zone.node(name) or {}).keys() - {NS, A, AAAA})


def _format_names(names: Sequence[bytes]) -> str:
    more = len(names) - _MAX_LISTED_NAMES
    listed = ", ".join(map(to_text, sorted(names)[:_MAX_LISTED_NAMES]))
    return f"{listed} and {more} more" if more > 0 else listed
