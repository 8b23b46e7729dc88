"""Our answers for ConsulSettings's domain, from the catalog that the recorded agent told."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import dns.flags
import dns.message
from attrs import field, frozen

from graydns.authority.consul.consul_zone import ConsulZoneBackend, build_consul_zone
from graydns.authority.lookup import look_up
from graydns.authority.zone_data import Zone, ZoneTable
from graydns.config.consul_settings import ConsulSettings
from graydns.model.catalog import NodeView, ServiceView
from graydns.model.decision import Decision
from graydns.model.name import from_text
from graydns.model.transport import TCP, Transport
from graydns.sources.consul.catalog_parser import read_node, read_service
from graydns.wire.answer_body import make_dns_message
from tests.authority.consul_scene import RECORDED, shown
from tests.authority.lookups import PLAIN, everything_plain, make_query

DOMAIN = from_text("consul")

#: What DNS_CONFIG of the recorded agent says.
CONFIG = ConsulSettings(service_ttl={"*": 5, "api": 1, "we*": 2})
NODE_TTL, NEGATIVE_TTL = 7, 3


@cache
def recording() -> dict[str, Any]:
    """What the real agent said."""
    found: dict[str, Any] = json.loads(RECORDED.read_text())
    return found


@frozen
class Known:
    """A catalog that knows of everything; what it does not hold does not exist."""

    services: dict[str, ServiceView] = field(factory=dict)
    nodes: dict[str, NodeView] = field(factory=dict)

    def service(self, name: str) -> ServiceView | None:
        return self.services.get(name, ServiceView(name))

    def node(self, name: str) -> NodeView | None:
        return self.nodes.get(name, NodeView(name, None))


class Unknown:
    """A catalog that has heard of nothing yet."""

    def service(self, _name: str) -> ServiceView | None:
        return None

    def node(self, _name: str) -> NodeView | None:
        return None


def recorded_catalog() -> Known:
    """The catalog of the recording, with itself read from ConsulSettings's JSON."""
    told = recording()
    return Known(
        {name.lower(): read_service(name, document) for name, document in told["health"].items()},
        {name.lower(): read_node(name, document) for name, document in told["node"].items()},
    )


def make_domain(catalog: Known | Unknown, *, only_passing: bool = False) -> ConsulZoneBackend:
    """The domain as the recorded agent had it."""
    return ConsulZoneBackend(DOMAIN, "dc1", catalog, CONFIG.ttl_of, NODE_TTL, only_passing)


def make_zones(catalog: Known | Unknown, *more: Zone, only_passing: bool = False) -> ZoneTable:
    """The domain, and other zones beside it."""
    zone = build_consul_zone(make_domain(catalog, only_passing=only_passing), negative_ttl=NEGATIVE_TTL)
    return ZoneTable({one.origin: one for one in (zone, *more)})


def say(
    zones: ZoneTable, name: str, mnemonic: str, *, transport: Transport = TCP, decision: Decision = PLAIN
) -> dict[str, Any]:
    """What we say, in the form of the recording."""
    query = make_query(name, mnemonic, transport=transport, decision=decision)
    answer = look_up(zones, query, everything_plain).to_answer()
    message: dns.message.Message = make_dns_message(query.question, answer)
    message.flags |= dns.flags.AA if answer.authoritative else 0
    message.set_rcode(dns.rcode.Rcode(answer.rcode))
    return shown(message)
