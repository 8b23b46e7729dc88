"""Consul's domain as a zone of ours: SOA and NS stand in rows, everything else is what the catalog says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from struct import Struct

from attrs import evolve, field, frozen
from dns.edns import EDECode

from graydns.authority.consul.consul_names import (
    ConsulAddressName,
    ConsulNodeName,
    ConsulServiceName,
    EmptyNonTerminal,
    UnsupportedLookup,
    parse_consul_name,
)
from graydns.authority.consul.instance_records import (
    InstanceRecord,
    build_address_records,
    build_srv_records,
    encode_node_meta,
    iterate_target_addresses,
    make_instance_record,
)
from graydns.authority.local_answer import LookupQuestion, LookupStep
from graydns.authority.lookup_steps import NOT_AUTHORITATIVE, answer_from_node, answer_from_zone, answer_negative
from graydns.authority.zone_data import StoredRRset, Zone, build_zone, pack_node
from graydns.authority.zone_search import search_zone
from graydns.model.answer import Ede
from graydns.model.catalog import Catalog, InstanceSelection, LeadingInstance, ServiceView, host_record
from graydns.model.decision import Decision
from graydns.model.dns_parameters import AAAA, ANY, CNAME, NOERROR, NS, NXDOMAIN, REFUSED, SOA, SRV, TXT, A
from graydns.model.errors import CatalogPendingError
from graydns.model.name import is_within
from graydns.runtime.steps import run_steps

#: RFC 8914 section 4.22.
_NOT_SUPPORTED = Ede(EDECode.NOT_SUPPORTED)

#: REFRESH, RETRY and EXPIRE of the SOA as Consul has them.
_SOA_REFRESH, _SOA_RETRY, _SOA_EXPIRE = 3600, 600, 86400

_SOA_NUMBERS = Struct(">IIIII")


@frozen(eq=False)
class ConsulZoneBackend:
    """Answers for the names below *domain* from *catalog*.

    *datacenter*: the one that the catalog is of, 1 to 63 octets. *ttl_of*: seconds for a service by its lowered name.
    *node_ttl*: seconds. *only_passing*: whether instances that warn are out too. Raises ValueError.
    """

    domain: bytes
    datacenter: str
    catalog: Catalog = field(repr=False)
    ttl_of: Callable[[str], int] = field(default=lambda service: 0, repr=False)
    node_ttl: int = 0
    only_passing: bool = False
    _suffix: bytes = field(init=False, repr=False)

    @_suffix.default
    def _make_suffix(self) -> bytes:
        label = self.datacenter.lower().encode()
        if not 0 < len(label) < 64:
            raise ValueError(f"not the name of a datacenter: {self.datacenter!r}")
        return bytes((len(label),)) + label + self.domain

    def find_selection(self, name: bytes) -> InstanceSelection | None:
        """The instances that *name* stands for, None if it is not a service's. Raises CatalogPendingError."""
        found = parse_consul_name(name, self.domain, self.datacenter)
        return self._select(self._view(found), found) if isinstance(found, ConsulServiceName) else None

    def describe(self, name: bytes) -> str:
        """What *name* stands for, in words."""
        match parse_consul_name(name, self.domain, self.datacenter):
            case ConsulServiceName(service, tag):
                view = self.catalog.service(service)
                said = f"service {service}" + (f", tag {tag}" if tag else "")
                if view is None:
                    return f"{said}: Consul has not delivered it yet"
                some, every = len(view.select(tag, only_passing=self.only_passing).instances), len(view.instances)
                return f"{said}: {some} of {every} instances are in"
            case ConsulNodeName(node):
                return f"node {node}"
            case ConsulAddressName():
                return "an address, spelled"
            case EmptyNonTerminal():
                return "nothing, but names below it exist"
            case UnsupportedLookup(foreign):
                return "another datacenter" if foreign else "what only a Consul server can look up"
        return "nothing"

    def answer(self, zone: Zone, name: bytes, decision: Decision, asked: LookupQuestion) -> LookupStep:
        """What the catalog says to *name*; instances in the order of *decision*, if it has a LeadingInstance of them.

        Raises CatalogPendingError.
        """
        if zone.node(name):
            return answer_from_zone(zone, name, search_zone(zone, name), asked)
        match parse_consul_name(name, self.domain, self.datacenter):
            case ConsulServiceName() as found:
                return self._answer_service(zone, name, found, decision, asked)
            case ConsulNodeName(node):
                return self._answer_node(zone, name, node, asked)
            case ConsulAddressName(address):
                given = {A if len(address) == 4 else AAAA: StoredRRset(self.node_ttl, (address,))}
                return answer_from_node(zone, name, given, asked, why="an address spelled")
            case EmptyNonTerminal():
                return answer_negative(zone, NOERROR, why="no records, but names below it")
            case UnsupportedLookup(foreign):
                ede, why = (NOT_AUTHORITATIVE, "another datacenter") if foreign else (_NOT_SUPPORTED, "servers only")
                return LookupStep(rcode=REFUSED, authoritative=False, edes=(ede,), origin=zone, why=why)
        return answer_negative(zone, NXDOMAIN, why="no such name")

    def _view(self, found: ConsulServiceName) -> ServiceView:
        view = self.catalog.service(found.service)
        if view is None:
            raise CatalogPendingError("service", found.service)
        return view

    def _select(self, view: ServiceView, found: ConsulServiceName) -> InstanceSelection:
        return view.select(found.tag, only_passing=self.only_passing)

    def _answer_service(
        self, zone: Zone, name: bytes, found: ConsulServiceName, decision: Decision, asked: LookupQuestion
    ) -> LookupStep:
        view = self._view(found)
        selection = self._select(view, found)
        entries = self._ordered_records(selection, decision, name)
        if asked.qtype == SRV:
            entries = [one for one in entries if one.srv]
        if not entries:
            exists = selection.instances or _has_tag_below(view, found.tag)
            return evolve(answer_negative(zone, NOERROR if exists else NXDOMAIN, why="no instances"), origin=view)
        ttl = self.ttl_of(found.service)
        given = (
            build_srv_records(entries, ttl) if asked.qtype == SRV else build_address_records(entries, asked.qtype, ttl)
        )
        told, every = sum(len(stored.rdatas) for stored in given.values()), len(entries)
        step = answer_from_node(zone, name, given, asked, why=f"{told} records of {every} instances of {view.name}")
        more = iterate_target_addresses(entries, given[SRV], self.domain) if asked.qtype == SRV else ()
        return evolve(step, rrsets=(*step.rrsets, *more), origin=view)

    def _ordered_records(
        self, selection: InstanceSelection, decision: Decision, name: bytes
    ) -> Sequence[InstanceRecord]:
        """The Entries of *selection* in the order of the answer for *name*. An instance that gives that very name for
        its address has the one of its node, as in Consul, unless that is the same."""
        made: Sequence[InstanceRecord | None] | None = selection.derived.get(("entries", self._suffix))
        if made is None:
            made = selection.derived["entries", self._suffix] = [
                make_instance_record(instance, self._suffix) for instance in selection.instances
            ]
        choice = decision.origin
        first = choice.first if isinstance(choice, LeadingInstance) and choice.selection is selection else 0
        found = []
        for number in selection.iterate_indexes(first):
            one = made[number]
            if one is not None and one.rdata == name:
                one = make_instance_record(evolve(selection.instances[number], address=""), self._suffix)
            if one is not None and one.rdata != name:
                found.append(one)
        return found

    def _answer_node(self, zone: Zone, name: bytes, node: str, asked: LookupQuestion) -> LookupStep:
        view = self.catalog.node(node)
        if view is None:
            raise CatalogPendingError("node", node)
        if view.address is None:
            return evolve(answer_negative(zone, NXDOMAIN, why="no such node"), origin=view)
        given: dict[int, StoredRRset] = {}
        if (found := host_record(view.address)) is not None:
            given[found[0]] = StoredRRset(self.node_ttl, (found[1],))
        if view.meta and CNAME not in given and asked.qtype in (TXT, ANY):
            given[TXT] = StoredRRset(self.node_ttl, encode_node_meta(view.meta))
        return evolve(answer_from_node(zone, name, given, asked, why="a node"), origin=view)


def _has_tag_below(view: ServiceView, tag: str) -> bool:
    """Whether a tag with dots ends in *tag*, so that there are names below this one (RFC 8020)."""
    return bool(tag) and any(
        one.lower().endswith(f".{tag}") for instance in view.select().instances for one in instance.tags
    )


def build_consul_zone(
    living: ConsulZoneBackend,
    *,
    servers: Mapping[bytes, Sequence[bytes]] | None = None,
    negative_ttl: int = 0,
    serial: int = 1,
) -> Zone:
    """The zone for which *living* answers.

    *servers*: packed addresses by the lowered name of a name server, the first of which the SOA names; those of names
    below the domain are given. Without any it is ``ns`` below the domain, without an address.
    *negative_ttl*: seconds for which "there is no such thing" may be cached.
    """
    known = dict(servers or {b"\2ns" + living.domain: ()})
    first = next(iter(known))
    numbers = _SOA_NUMBERS.pack(serial, _SOA_REFRESH, _SOA_RETRY, _SOA_EXPIRE, negative_ttl)
    apex = {
        SOA: StoredRRset(negative_ttl, (first + b"\12hostmaster" + living.domain + numbers,)),
        NS: StoredRRset(living.node_ttl, tuple(known)),
    }
    rows = {living.domain: pack_node(apex)}
    for name, given in known.items():
        found = {rdtype: tuple(one for one in given if len(one) == size) for rdtype, size in ((A, 4), (AAAA, 16))}
        if name != living.domain and is_within(name, living.domain):
            rows[name] = pack_node({rdtype: StoredRRset(living.node_ttl, one) for rdtype, one in found.items() if one})
    return evolve(run_steps(build_zone(living.domain, rows.items(), count=len(rows))), backend=living)
